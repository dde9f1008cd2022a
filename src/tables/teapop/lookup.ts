/** teapop's decision for a login: which entry of the domain table, and which rows of its password file. */

import { lowerCase } from './letter-case.ts';
import type { Accounts, DomainEntry, TableId, UserRow } from './model.ts';
import type { Soon } from './soon.ts';
import { type TableStore, TablesMoved } from './store.ts';
import { useridIn } from './table-id.ts';

/** What teapop divides a login at unless a build names others. */
export const DEFAULT_DIVIDERS = '@%';

export type Login = {
  userid: string;
  /** As the client wrote it; null where there is none. */
  domain: string | null;
};

export type LookupReason = 'unknown-domain' | 'domain-rejected' | 'locked-out' | 'unknown-user';

export type LookupResult =
  /** The password decides: the first row whose secret matches it. Never empty. */
  | { result: 'rows'; login: Login; entry: DomainEntry; rows: UserRow[] }
  /** Type passwd: the mailstore checks the password of the account `login.userid`. */
  | { result: 'upstream'; login: Login; entry: DomainEntry }
  /** `entry` is the one that decided; null for 'unknown-domain' alone. */
  | { result: 'none'; login: Login; entry: DomainEntry | null; reason: LookupReason };

/** A step of the walk, for whoever wants it explained. */
export type LookupStep =
  | { step: 'split'; login: Login }
  | { step: 'asked'; domains: readonly string[]; entries: readonly (readonly DomainEntry[])[] }
  | { step: 'considered'; entry: DomainEntry; as: 'domain' | 'default'; matches: boolean }
  | { step: 'rows'; table: TableId; userid: string; rows: readonly UserRow[] };

export type LookupOptions = {
  /** For an entry whose uid is '+', the account named like the userid; without it any userid has one. */
  accounts?: Accounts | undefined;
  trace?: ((step: LookupStep) => void) | undefined;
};

/** Splits a login at its first divider. `john@` has no domain; `john@a@b.com` has `a@b.com`. */
export function splitLogin(user: string, dividers: string): Login {
  // Done by hand, for a pattern like / +$/ takes quadratic time on many spaces.
  let end = user.length;
  while (end > 0 && user[end - 1] === ' ') end--;
  const trimmed = user.slice(0, end);
  const at = firstOf(dividers, trimmed);
  return at < 0
    ? { userid: trimmed, domain: null }
    : { userid: trimmed.slice(0, at), domain: trimmed.slice(at + 1) || null };
}

/** Where the first of these characters stands; -1 where none does. */
function firstOf(characters: string, text: string): number {
  let first = -1;
  for (let i = 0; i < characters.length; i++) {
    const at = text.indexOf(characters[i]!);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** The names to ask the store for, so that one call answers a login; the last one is always 'default'. */
export function domainKeys(login: Login): string[] {
  if (login.domain === null) return ['empty', '', 'default'];
  const domain = lowerCase(login.domain);
  return domain === 'default' ? ['default'] : [domain, 'default'];
}

/**
 * The one entry that decides, or null.
 * @param entries what the store holds for domainKeys(login), in that order
 */
export function selectEntry(
  login: Login,
  entries: readonly (readonly DomainEntry[])[],
  localAddress: string,
  trace?: (step: LookupStep) => void,
): DomainEntry | null {
  const address = withoutMapping(localAddress);
  const named = firstMatch(namedEntries(login, entries), 'domain', address, trace);
  return named ?? firstMatch(entries.at(-1) ?? [], 'default', address, trace);
}

function firstMatch(
  candidates: readonly DomainEntry[],
  as: 'domain' | 'default',
  address: string,
  trace?: (step: LookupStep) => void,
): DomainEntry | null {
  for (const entry of candidates) {
    const matches = matchesAddress(entry, address);
    trace?.({ step: 'considered', entry, as, matches });
    if (matches) return entry;
  }
  return null;
}

/** Walks for one lookup at most, where publications follow each other faster than it can read. */
const MOST_WALKS = 3;

/**
 * Walks the whole decision but for the password: at once where the store has its answers at hand. Throws, or rejects
 * with, TablesUnavailable, as the store does.
 */
export function lookup(
  store: TableStore,
  user: string,
  localAddress: string,
  dividers: string,
  options: LookupOptions = NO_OPTIONS,
): Soon<LookupResult> {
  const login = splitLogin(user, dividers);
  const found = walk(store, login, localAddress, options);
  return found instanceof Promise ? walkAgain(found, store, login, localAddress, options) : found;
}

/** A store that has its answers at hand has them of one moment: only one that was waited for can have moved on. */
async function walkAgain(
  first: Promise<LookupResult>,
  store: TableStore,
  login: Login,
  localAddress: string,
  options: LookupOptions,
): Promise<LookupResult> {
  for (let walks = 1; ; walks++) {
    try {
      return await (walks === 1 ? first : walk(store, login, localAddress, options));
    } catch (error) {
      if (walks === MOST_WALKS || !(error instanceof TablesMoved)) throw error;
    }
  }
}

const NO_OPTIONS: LookupOptions = {};

function walk(
  store: TableStore,
  login: Login,
  localAddress: string,
  options: LookupOptions,
): Soon<LookupResult> {
  options.trace?.({ step: 'split', login });
  const domains = domainKeys(login);
  const entries = store.domainEntries(domains);
  const asked = { store, login, domains, localAddress, options };
  return entries instanceof Promise ? decidedLater(asked, entries) : decided(asked, entries);
}

type Asked = {
  store: TableStore;
  login: Login;
  domains: readonly string[];
  localAddress: string;
  options: LookupOptions;
};

type Entries = readonly (readonly DomainEntry[])[];

async function decidedLater(asked: Asked, entries: Promise<Entries>): Promise<LookupResult> {
  return decided(asked, await entries);
}

function decided(
  { store, login, domains, localAddress, options }: Asked,
  entries: Entries,
): Soon<LookupResult> {
  const { accounts, trace } = options;
  trace?.({ step: 'asked', domains, entries });
  const entry = selectEntry(login, entries, localAddress, trace);
  if (entry === null) return { result: 'none', login, entry, reason: 'unknown-domain' };
  if (entry.type === 'reject') return { result: 'none', login, entry, reason: 'domain-rejected' };
  if (isLockedOut(entry, login, accounts)) return { result: 'none', login, entry, reason: 'locked-out' };
  if (entry.type === 'passwd') return { result: 'upstream', login, entry };

  const table = entry.table!;
  const userid = useridIn(table, login.userid);
  const rows = store.userRows(table, userid, entry.generation);
  const whose = { login, entry, table, userid };
  return rows instanceof Promise ? ofRowsLater(whose, rows, trace) : ofRows(whose, rows, trace);
}

type Whose = { login: Login; entry: DomainEntry; table: TableId; userid: string };
type Trace = LookupOptions['trace'];

async function ofRowsLater(whose: Whose, rows: Promise<UserRow[]>, trace: Trace): Promise<LookupResult> {
  return ofRows(whose, await rows, trace);
}

function ofRows({ login, entry, table, userid }: Whose, rows: UserRow[], trace: Trace): LookupResult {
  trace?.({ step: 'rows', table, userid, rows });
  if (rows.length === 0) return { result: 'none', login, entry, reason: 'unknown-user' };
  return { result: 'rows', login, entry, rows };
}

function namedEntries(login: Login, entries: readonly (readonly DomainEntry[])[]): readonly DomainEntry[] {
  if (login.domain !== null) return entries[0] ?? [];
  // A blank domain field equals the blank domain of the login, so both kinds compete in file order.
  return [...(entries[0] ?? []), ...(entries[1] ?? [])].sort((a, b) => a.ordinal - b.ordinal);
}

function matchesAddress(entry: DomainEntry, address: string): boolean {
  return entry.localAddress === '*' || (entry.localAddress !== '' && entry.localAddress === address);
}

/** A listener on `::` sees an IPv4 client's connection on `::ffff:192.0.2.1`, which the table calls 192.0.2.1. */
function withoutMapping(address: string): string {
  return MAPPED.test(address) ? address.slice('::ffff:'.length) : address;
}

const MAPPED = /^::ffff:\d+\.\d+\.\d+\.\d+$/i;

function isLockedOut(entry: DomainEntry, login: Login, accounts: Accounts | undefined): boolean {
  if (entry.lockedOut !== null || (entry.table === null && entry.type !== 'passwd')) return true;
  // Of a passwd account the mailstore knows whether there is one.
  if (entry.type === 'passwd' || !entry.uid.startsWith('+') || accounts === undefined) return false;
  return !accounts.hasUser(login.userid);
}
