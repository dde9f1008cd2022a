/** teapop.passwd, the domain table. */

import { DiagnosticLog, domainTableMissing, lineFault, quote } from './diagnostics.ts';
import { type DomainLineOptions, effectiveText, parseDomainLine } from './domain-line.ts';
import { type LineFault, LineReader } from './lines.ts';
import type { Accounts, Diagnostic, DomainEntry, PasswordFileRef } from './model.ts';
import { sqlTableId, tableId } from './table-id.ts';

export type DomainTable = {
  /** In file order. Entries with a `localName` match nothing before withResolved. */
  entries: DomainEntry[];
  /** Each password table that an entry decides by, once. */
  passwordFiles: PasswordFileRef[];
  diagnostics: Diagnostic[];
};

export type DomainTableOptions = {
  /** Default: every account exists. */
  accounts?: Accounts;
  /** False: a localip is compared as it is written (teapop's -N). Default true. */
  resolve?: boolean;
  /** False: mysql and pgsql lines are invalid, as to a teapop that was built without them. Default false. */
  sql?: boolean;
};

/** Where the mailstore's host is not known here: every name and number has an account. */
export const ANY_ACCOUNT: Accounts = { hasUser: () => true, hasGroup: () => true };

/** Where teapop's configure looks for mail on most systems. */
export const DEFAULT_SPOOL = '/var/mail';

/** Compiles the table from octets in any chunks. Never throws, whatever they are. */
export class DomainTableReader {
  readonly #options: DomainLineOptions;
  readonly #log: DiagnosticLog;
  readonly #lines = new LineReader((text, line, fault) => this.#read(text, line, fault));
  readonly #entries: DomainEntry[] = [];
  readonly #passwordFiles = new Map<string, PasswordFileRef>();
  readonly #reach = new Reach();

  constructor(file: string, options: DomainTableOptions = {}) {
    const { accounts = ANY_ACCOUNT, resolve = true, sql = false } = options;
    this.#options = { accounts, resolve, sql };
    this.#log = new DiagnosticLog(file);
  }

  push(octets: Uint8Array | string): void {
    this.#lines.push(octets);
  }

  end(): DomainTable {
    this.#lines.end();
    return {
      entries: this.#entries,
      passwordFiles: [...this.#passwordFiles.values()],
      diagnostics: this.#log.list(),
    };
  }

  #read(text: string, line: number, fault: LineFault | null): void {
    if (fault !== null) {
      this.#reportFault(text, line, fault);
      return;
    }
    const parsed = parseDomainLine(text, line, this.#options);
    for (const report of parsed?.reports ?? []) this.#log.add(report);
    if (!parsed?.entry) return;
    const table = parsed.source && this.#table({ ...parsed.source, line });
    const entry: DomainEntry = { ordinal: this.#entries.length, ...parsed.entry, table };
    this.#entries.push(entry);
    this.#reportUnreachable(entry);
  }

  #table(source: Omit<PasswordFileRef, 'id'>): string {
    const { type, path, max, sql } = source;
    const id = sql === undefined ? tableId(type, path, max) : sqlTableId(sql);
    if (!this.#passwordFiles.has(id)) this.#passwordFiles.set(id, { id, ...source });
    return id;
  }

  #reportFault(raw: string, line: number, fault: LineFault): void {
    const { text } = effectiveText(raw);
    // What says nothing is missed by nobody; a NUL, though, takes the next line along.
    if (text === '' && fault !== 'nul-octet') return;
    const whom = `logins for ${quote(text.split(':')[0]!)} are decided without it`;
    this.#log.add(lineFault(line, fault, whom));
  }

  #reportUnreachable(entry: DomainEntry): void {
    const earlier = this.#reach.add(entry);
    if (earlier === null) return;
    this.#log.add({
      severity: 'warning',
      line: entry.line,
      code: 'unreachable',
      reason: `no login reaches this entry for ${quote(entry.domain)}: line ${earlier} decides before it`,
      cure: 'remove one of the two, or give the earlier one a localip of its own',
    });
  }
}

/** Knows which entries leave nothing to those behind them. */
class Reach {
  /** For each domain, the line of the first entry for each localip. */
  readonly #seen = new Map<string, Map<string, number>>();

  /** The line of the entry that takes every login this one could serve, or null. */
  add(entry: DomainEntry): number | null {
    const address = entry.localName ?? entry.localAddress;
    if (address === '') return null;
    // A login without a domain goes to 'empty' entries, too; only `user@empty` goes to them alone.
    const earlier =
      this.#taken(entry.domain, address) ?? (entry.domain === '' ? this.#taken('empty', address) : null);
    const own = this.#seen.get(entry.domain) ?? new Map<string, number>();
    this.#seen.set(entry.domain, own);
    if (!own.has(address)) own.set(address, entry.line);
    return earlier;
  }

  #taken(domain: string, address: string): number | null {
    const lines = this.#seen.get(domain);
    return lines?.get('*') ?? lines?.get(address) ?? null;
  }
}

/** A whole file at once. */
export function parseDomainTable(
  octets: Uint8Array | string,
  file: string,
  options?: DomainTableOptions,
): DomainTable {
  const reader = new DomainTableReader(file, options);
  reader.push(octets);
  return reader.end();
}

/** What is in force where there is no file at all: `empty:*:passwd:<spool>`. */
export function missingDomainTable(file: string, spool: string = DEFAULT_SPOOL): DomainTable {
  const entry: DomainEntry = {
    ordinal: 0,
    line: 0,
    domain: 'empty',
    localAddress: '*',
    type: 'passwd',
    maildir: spool,
    hashLevels: 0,
    uid: '+',
    gid: '+',
    table: null,
    lockedOut: null,
  };
  return { entries: [entry], passwordFiles: [], diagnostics: [domainTableMissing(file, spool)] };
}

/** The names in localip fields, each once. */
export function namesToResolve(entries: readonly DomainEntry[]): string[] {
  return [...new Set(entries.flatMap((entry) => entry.localName ?? []))];
}

/** The entries with the addresses of their names; those without one match nothing. */
export function withResolved(
  entries: readonly DomainEntry[],
  resolve: (name: string) => string | null,
): DomainEntry[] {
  return entries.map((entry) =>
    entry.localName === undefined ? entry : { ...entry, localAddress: resolve(entry.localName) ?? '' },
  );
}
