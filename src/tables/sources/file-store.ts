import type { Diagnostic, DomainEntry, PasswordFileRef, TableId, UserRow } from '../teapop/model.ts';
import type { PasswordRow } from '../teapop/password-file.ts';
import { type TableStatus, type TableStore, TablesUnavailable } from '../teapop/store.ts';
import { type CompileOptions, compileDomains, readPasswordFile } from './compile.ts';
import { SourceUnreadable } from './source-file.ts';
import { CRYPT } from './stored-secrets.ts';

/** Marks a textfile's password as it is stored in memory; the forms are listed in auth/scheme.ts. */
const PLAIN = '{PLAIN}';

/** How long the tables before a reload stay for lookups that began in them: far longer than any takes. */
const KEEP_PREVIOUS = 10_000;

/** All tables as they were at one moment. Never changed once it is served. */
type Snapshot = {
  generation: number;
  readAt: number;
  /** False: there was no domain table, and teapop's implied entry is in force. */
  fileFound: boolean;
  domains: Map<string, DomainEntry[]>;
  tables: Map<TableId, Map<string, UserRow[]>>;
  users: number;
  diagnostics: Diagnostic[];
};

/** The tables in memory, read from teapop's own files. Passwords of textfiles are kept as they are. */
export class FileStore implements TableStore {
  readonly #options: CompileOptions;
  #current: Snapshot;
  #previous: Snapshot | null = null;
  #forget: NodeJS.Timeout | undefined;
  #lastFailure: string | null = null;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(options: CompileOptions, first: Snapshot) {
    this.#options = options;
    this.#current = first;
  }

  /** @throws SourceUnreadable */
  static async open(options: CompileOptions): Promise<FileStore> {
    return new FileStore(options, await readSnapshot(options, 1));
  }

  /** What is wrong with the tables that are served. */
  get diagnostics(): readonly Diagnostic[] {
    return this.#current.diagnostics;
  }

  /**
   * Reads the files anew and serves them from one moment on. Rejects with SourceUnreadable, also where a file is gone
   * that has served users; what is served stays.
   */
  reload(): Promise<readonly Diagnostic[]> {
    // One after the other, so that an older reading never replaces a newer one.
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<readonly Diagnostic[]> {
    try {
      const next = await readSnapshot(this.#options, this.#current.generation + 1, this.#current);
      this.#previous = this.#current;
      this.#current = next;
      this.#lastFailure = null;
    } catch (error) {
      this.#lastFailure = (error as Error).message;
      throw error;
    }
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => {
      this.#previous = null;
    }, KEEP_PREVIOUS);
    this.#forget.unref();
    return this.#current.diagnostics;
  }

  domainEntries(domains: readonly string[]): DomainEntry[][] {
    return domains.map((domain) => this.#current.domains.get(domain) ?? []);
  }

  userRows(table: TableId, userid: string, generation = this.#current.generation): UserRow[] {
    const snapshot = generation === this.#current.generation ? this.#current : this.#previous;
    if (snapshot?.generation !== generation)
      throw new TablesUnavailable('the tables were reloaded twice during one lookup');
    return snapshot.tables.get(table)?.get(userid) ?? [];
  }

  status(): TableStatus {
    const { domainTable } = this.#options;
    const failed = this.#lastFailure === null ? '' : `; the last reload failed: ${this.#lastFailure}`;
    return {
      usable: true,
      detail: `tables read from ${domainTable}${failed}`,
      publishedAt: this.#current.readAt,
      domains: this.#current.domains.size,
      users: this.#current.users,
    };
  }

  async close(): Promise<void> {
    clearTimeout(this.#forget);
  }
}

/** @param served what a reload is to replace: whoever it lets in must not be locked out because a file is merely away */
async function readSnapshot(
  options: CompileOptions,
  generation: number,
  served: Snapshot | null = null,
): Promise<Snapshot> {
  const compiled = await compileDomains(options);
  const { fileFound } = compiled;
  if (!fileFound && served?.fileFound) throw new SourceUnreadable(`${options.domainTable} is gone`);
  const domains = new Map<string, DomainEntry[]>();
  for (const entry of compiled.entries) append(domains, entry.domain, { ...entry, generation });
  const tables = new Map<TableId, Map<string, UserRow[]>>();
  const diagnostics = [...compiled.diagnostics];
  let users = 0;
  for (const ref of compiled.passwordFiles) {
    const table = new Map<string, UserRow[]>();
    const onRows = (rows: PasswordRow[]) => {
      for (const row of rows) append(table, row.userid, userRow(row, ref));
    };
    const result = await readPasswordFile(options, ref, { onRows });
    // A database that is down says nothing of its users: what is served stays in force.
    if (result.fault !== null && result.why !== null) throw new SourceUnreadable(result.why);
    const before = served?.tables.get(ref.id)?.size ?? 0;
    if (result.fault !== null && before > 0) {
      throw new SourceUnreadable(
        `${ref.path} is gone or cannot be read, and ${before} users would be with it`,
      );
    }
    diagnostics.push(...result.diagnostics);
    tables.set(ref.id, table);
    users += table.size;
  }
  return { generation, readAt: Date.now(), fileFound, domains, tables, users, diagnostics };
}

/** A row as a store of the files' own serves it, its password as it is. */
export function userRow(row: PasswordRow, { type }: PasswordFileRef): UserRow {
  const hash = (string: string) => (type === 'htpasswd' ? string : CRYPT + string);
  const secret = row.type === 'textfile' ? PLAIN + row.password : hash(row.hash);
  return { secret, mailbox: row.mailbox, line: row.line };
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
