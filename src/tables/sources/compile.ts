import { lookup } from 'node:dns/promises';
import {
  DiagnosticLog,
  type FileFault,
  passwordFileFault,
  quote,
  unresolvedName,
} from '../teapop/diagnostics.ts';
import {
  DEFAULT_SPOOL,
  type DomainTable,
  DomainTableReader,
  missingDomainTable,
  namesToResolve,
  withResolved,
} from '../teapop/domain-table.ts';
import type { Diagnostic, PasswordFileRef } from '../teapop/model.ts';
import { PasswordFileReader, type PasswordFileSummary, type PasswordRow } from '../teapop/password-file.ts';
import { type AccountFiles, readAccounts } from './accounts.ts';
import { readSource, SourceUnreadable } from './source-file.ts';
import { isSqlTable, readSqlTable } from './sql-table.ts';

/** Reads teapop's files, for the store that serves them and for the sync that publishes them. */

export type CompileOptions = {
  /** Path of teapop.passwd. */
  domainTable: string;
  /** False: a localip counts as it is written. */
  resolveNames: boolean;
  /** Whether mysql and pgsql lines are read; default false. */
  sql?: boolean;
  /** 'any' where the mailstore's accounts are not known here. */
  accounts: 'any' | AccountFiles;
  /** For the entry in force where there is no domain table. */
  spool?: string;
  /** The first IPv4 address of a name, null where it has none; rejects where that cannot be told now. */
  resolve?: (name: string) => Promise<string | null>;
  hashProblem?: PasswordFileOptions['hashProblem'];
};

export type CompiledDomains = DomainTable & {
  /** False: there is no such file, and the implied entry is in force. */
  fileFound: boolean;
};

/** Names asked at the same time; the system's resolver runs in a thread pool of four by default. */
const LOOKUPS_AT_ONCE = 4;

/** The domain table with its names resolved. @throws SourceUnreadable */
export async function compileDomains(options: CompileOptions): Promise<CompiledDomains> {
  const { domainTable: path, resolveNames: resolve, accounts, sql = false } = options;
  const table = await readDomainTable(path, options.spool ?? DEFAULT_SPOOL, {
    resolve,
    sql,
    ...(accounts === 'any' ? {} : { accounts: await readAccounts(accounts) }),
  });
  const addresses = await resolveAll(namesToResolve(table.entries), options.resolve ?? firstAddress);
  const entries = withResolved(table.entries, (name) => addresses.get(name) ?? null);
  const unresolved = entries.filter(({ localName }) => localName !== undefined && !addresses.get(localName));
  return {
    ...table,
    entries,
    diagnostics: [...table.diagnostics, ...unresolved.map((entry) => unresolvedName(path, entry))],
  };
}

type ReaderOptions = ConstructorParameters<typeof DomainTableReader>[1];

async function readDomainTable(
  path: string,
  spool: string,
  options: ReaderOptions,
): Promise<CompiledDomains> {
  const reader = new DomainTableReader(path, options);
  const fault = await readSource(path, 'any', (octets) => reader.push(octets));
  if (fault === null) return { ...reader.end(), fileFound: true };
  if (fault !== 'missing') throw new SourceUnreadable(`${path}: the domain table cannot be read (${fault})`);
  return { ...missingDomainTable(path, spool), fileFound: false };
}

async function resolveAll(
  names: readonly string[],
  resolve: (name: string) => Promise<string | null>,
): Promise<Map<string, string | null>> {
  const addresses = new Map<string, string | null>();
  const left = names.values();
  const worker = async () => {
    for (const name of left) addresses.set(name, await resolve(name));
  };
  await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, worker));
  return addresses;
}

/** As gethostbyname(3) has it for teapop: /etc/hosts counts, and the first address alone. */
async function firstAddress(name: string): Promise<string | null> {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return null;
    // With the resolver down every named entry would match nothing and its logins fall to another.
    throw new SourceUnreadable(`localip ${quote(name)} cannot be resolved now (${code})`);
  }
}

export type PasswordFileResult = {
  /** Why the file was not read, so that nobody of it can log in; null where it was. */
  fault: FileFault | null;
  /** What the fault is in so many words, where more is known than the path; null else. */
  why: string | null;
  summary: Omit<PasswordFileSummary, 'diagnostics'>;
  diagnostics: Diagnostic[];
};

export type PasswordFileHandlers = {
  /** Rows in file order; reading goes on when the promise settles. */
  onRows: (rows: PasswordRow[]) => void | Promise<void>;
  onOctets?: (octets: Uint8Array) => void;
};

/** `domainTable` is its path, for the report on a file that is not read. */
export type PasswordFileOptions = {
  domainTable: string;
  /** Why no password can match a crypt(3) string, in words that hold no part of it; null where one can. */
  hashProblem?: ((hash: string) => string | null) | undefined;
};

/** Streams a password file, or the database's table in its place, in constant memory. @throws SourceUnreadable */
export async function readPasswordFile(
  options: PasswordFileOptions,
  ref: PasswordFileRef,
  handlers: PasswordFileHandlers,
): Promise<PasswordFileResult> {
  if (isSqlTable(ref)) return readSqlTable(options, ref, handlers);
  const { onRows, onOctets } = handlers;
  const reader = new PasswordFileReader(ref.path, ref);
  const hashes = new DiagnosticLog(ref.path);
  // A path of the domain table is octets, too.
  const fault = await readSource(Buffer.from(ref.path, 'latin1'), 'one', async (octets) => {
    onOctets?.(octets);
    const rows = reader.push(octets);
    for (const row of rows) checkHash(row, options.hashProblem, hashes);
    if (rows.length > 0) await onRows(rows);
  });
  const { diagnostics, ...summary } = reader.end();
  const reports = fault === null ? diagnostics : [passwordFileFault(options.domainTable, ref, fault)];
  return { fault, why: null, summary, diagnostics: [...reports, ...hashes.list()] };
}

function checkHash(
  row: PasswordRow,
  hashProblem: PasswordFileOptions['hashProblem'],
  log: DiagnosticLog,
): void {
  const problem = row.type === 'htpasswd' ? (hashProblem?.(row.hash) ?? null) : null;
  if (problem === null) return;
  log.add({
    severity: 'error',
    line: row.line,
    code: 'unusable-hash',
    reason: `the stored hash of ${quote(row.userid)} is of no use (${problem}): no password matches it`,
    cure: "set the user's password anew",
  });
}
