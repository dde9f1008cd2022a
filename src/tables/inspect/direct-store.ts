import {
  type CompiledDomains,
  type CompileOptions,
  compileDomains,
  readPasswordFile,
} from '../sources/compile.ts';
import { userRow } from '../sources/file-store.ts';
import { SourceUnreadable } from '../sources/source-file.ts';
import type { Diagnostic, DomainEntry, PasswordFileRef, TableId, UserRow } from '../teapop/model.ts';
import type { PasswordRow } from '../teapop/password-file.ts';
import { type TableStatus, type TableStore, TablesUnavailable } from '../teapop/store.ts';

/** What was found of a userid in the files. */
type Found = { table: TableId; userid: string; rows: PasswordRow[]; diagnostics: Diagnostic[] };

/**
 * The files themselves, read anew for each question, in constant memory: for asking about one login. Serves the
 * rows that a FileStore would.
 */
export class DirectStore implements TableStore {
  readonly compiled: CompiledDomains;
  readonly #options: CompileOptions;
  #last: Found | null = null;

  private constructor(options: CompileOptions, compiled: CompiledDomains) {
    this.#options = options;
    this.compiled = compiled;
  }

  /** Rejects with SourceUnreadable. */
  static async open(options: CompileOptions): Promise<DirectStore> {
    return new DirectStore(options, await compileDomains(options));
  }

  domainEntries(domains: readonly string[]): Promise<DomainEntry[][]> {
    const { entries } = this.compiled;
    return Promise.resolve(domains.map((domain) => entries.filter((entry) => entry.domain === domain)));
  }

  async userRows(table: TableId, userid: string): Promise<UserRow[]> {
    const rows = await this.passwordRows(table, userid);
    return rows.map((row) => userRow(row, this.fileOf(table)!));
  }

  /** The rows as the file has them. Rejects with SourceUnreadable, or TablesUnavailable for a table of no file. */
  async passwordRows(table: TableId, userid: string): Promise<PasswordRow[]> {
    return (await this.#find(table, userid)).rows;
  }

  /** Null where no line of the domain table names it. */
  fileOf(table: TableId): PasswordFileRef | null {
    return this.compiled.passwordFiles.find(({ id }) => id === table) ?? null;
  }

  /** What is wrong with the domain table, and with the password file that was asked last. */
  get diagnostics(): readonly Diagnostic[] {
    return [...this.compiled.diagnostics, ...(this.#last?.diagnostics ?? [])];
  }

  status(): TableStatus {
    const detail = `tables read from ${this.#options.domainTable}`;
    return { usable: true, detail, publishedAt: null, domains: null, users: null };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #find(table: TableId, userid: string): Promise<Found> {
    if (this.#last?.table === table && this.#last.userid === userid) return this.#last;
    const ref = this.fileOf(table);
    if (ref === null) throw new TablesUnavailable(`no password file is table ${table}`);
    const rows: PasswordRow[] = [];
    const { diagnostics, fault, why } = await readPasswordFile(this.#options, ref, {
      onRows: (some) => void rows.push(...some.filter((row) => row.userid === userid)),
    });
    // A database that is down says nothing of its users.
    if (fault !== null && why !== null) throw new SourceUnreadable(why);
    this.#last = { table, userid, rows, diagnostics };
    return this.#last;
  }
}
