import type { LookupResult } from '../tables/teapop/lookup.ts';
import type { UserRow } from '../tables/teapop/model.ts';
import type { Soon } from '../tables/teapop/soon.ts';
import { useridIn } from '../tables/teapop/table-id.ts';
import { parsePhc } from './argon2.ts';
import { effectivePhrase } from './effective-phrase.ts';
import { cryptString, inspectSecret, type Passwords, type SecretContext, type SecretInfo } from './scheme.ts';

/** The rows of a userid against one password, in file order, as teapop tries them. */

export type FoundRows = Extract<LookupResult, { result: 'rows' }>;

export type Tried = {
  /** The first row that the password matches. */
  matched: UserRow | null;
  /** True when a hash as slow as Argon2id was computed. */
  heavy: boolean;
  /** Rows that could not be checked, each by its line; no secrets. */
  problems: Error[];
};

/**
 * Slow hashes computed for one login. No table has a use for a userid that stands more often, and each one
 * holds a permit of the verifier's.
 */
export const MAX_SLOW_ROWS = 16;

/** Whether checking these rows takes a permit of the verifier's. */
export function isSlow(found: FoundRows): boolean {
  const context = contextOf(found);
  for (const row of found.rows) if (costOf(checkOf(row, context, '')) !== 'none') return true;
  return false;
}

/** Octets that checking them takes at most, one after the other. */
export function memoryOf(found: FoundRows): number {
  const context = contextOf(found);
  return found.rows.reduce((most, row) => {
    const { secret, context: its } = checkOf(row, context, '');
    return Math.max(most, inspectSecret(secret, its.type).memory);
  }, 0);
}

/** At once where no hash is computed. Never throws or rejects. */
export function tryRows(passwords: Passwords, found: FoundRows, password: string): Soon<Tried> {
  const tried: Tried = { matched: null, heavy: false, problems: [] };
  return tryFrom(0, { passwords, found, password, context: contextOf(found), slow: 0, tried });
}

type Trying = {
  passwords: Passwords;
  found: FoundRows;
  password: string;
  context: SecretContext;
  /** Hashes so far. */
  slow: number;
  tried: Tried;
};

function tryFrom(first: number, trying: Trying): Soon<Tried> {
  const { passwords, found, password, context, tried } = trying;
  for (let at = first; at < found.rows.length; at++) {
    const row = found.rows[at]!;
    const check = checkOf(row, context, password);
    const cost = costOf(check);
    if (cost !== 'none' && ++trying.slow > MAX_SLOW_ROWS) {
      tried.problems.push(new Error(`line ${row.line}: the userid stands more than ${MAX_SLOW_ROWS} times`));
      break;
    }
    const matches = verified(passwords, check, row);
    if (matches instanceof Promise) return triedLater(matches, at, cost, trying);
    note(tried, row, cost, matches);
    if (tried.matched !== null) break;
  }
  return tried;
}

async function triedLater(
  matches: Promise<boolean | Error>,
  at: number,
  cost: SecretInfo['cost'],
  trying: Trying,
): Promise<Tried> {
  const { found, tried } = trying;
  note(tried, found.rows[at]!, cost, await matches);
  return tried.matched === null ? tryFrom(at + 1, trying) : tried;
}

/** Whether the password matches, or why that cannot be told. */
function verified(passwords: Passwords, check: Check, row: UserRow): Soon<boolean | Error> {
  try {
    const matches = passwords.verify(check.secret, check.phrase, check.context);
    return matches instanceof Promise ? verifiedLater(matches, row) : matches;
  } catch (cause) {
    return problemOf(row, cause);
  }
}

async function verifiedLater(matches: Promise<boolean>, row: UserRow): Promise<boolean | Error> {
  try {
    return await matches;
  } catch (cause) {
    return problemOf(row, cause);
  }
}

function note(tried: Tried, row: UserRow, cost: SecretInfo['cost'], matches: boolean | Error): void {
  if (matches === true) tried.matched = row;
  else if (matches !== false) tried.problems.push(matches);
  else if (cost === 'heavy') tried.heavy = true;
}

/** What is computed for a row. */
type Check = { secret: string; phrase: string; context: SecretContext };

/** The better hash where a crypt(3) row has one that can be checked, and then it alone; else the row itself. */
function checkOf(row: UserRow, context: SecretContext, password: string): Check {
  const itself = { secret: row.secret, phrase: password, context };
  const stored = cryptString(row.secret, context.type);
  if (stored === null || row.better === undefined) return itself;
  const phrase = effectivePhrase(stored, password);
  if (phrase === null || typeof parsePhc(row.better) === 'string') return itself;
  return { secret: row.better, phrase, context: { ...context, type: 'textfile' } };
}

function costOf({ secret, context }: Check) {
  return inspectSecret(secret, context.type).cost;
}

/** What the secrets of these rows are bound to. */
export function contextOf({ entry, login }: FoundRows): SecretContext {
  const type = entry.type === 'htpasswd' ? 'htpasswd' : 'textfile';
  const table = entry.table ?? '';
  return { type, table, userid: useridIn(table, login.userid) };
}

/** A row that could not be checked, by its line. */
export function problemOf(row: UserRow, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : 'unknown error';
  const place = row.line === 0 ? "a database's row" : `password file, line ${row.line}`;
  return new Error(`${place}: ${message}`, { cause });
}
