/** teapop.passwd, the domain table. */

import type { Accounts, Diagnostic, DomainEntry, PasswordFileRef } from './model.ts';

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
  /** False: a localip counts as it is written (teapop's -N). Default true. */
  resolve?: boolean;
};

/** Where the mailstore's host is not known here: every name and number has an account. */
export const ANY_ACCOUNT: Accounts = { hasUser: () => true, hasGroup: () => true };

/** Where teapop's configure looks for mail on most systems. */
export const DEFAULT_SPOOL = '/var/mail';

export class DomainTableReader {
  constructor(_file: string, _options: DomainTableOptions = {}) {}

  push(_octets: Uint8Array | string): void {}

  end(): DomainTable {
    return { entries: [], passwordFiles: [], diagnostics: [] };
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
export function missingDomainTable(_file: string, _spool: string = DEFAULT_SPOOL): DomainTable {
  return { entries: [], passwordFiles: [], diagnostics: [] };
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
