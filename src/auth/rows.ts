import type { LookupResult } from '../tables/lookup.ts';
import type { UserRow } from '../tables/model.ts';
import { inspectSecret, type Passwords, type SecretContext } from './scheme.ts';

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
  const { type } = contextOf(found);
  return found.rows.some(({ secret }) => inspectSecret(secret, type).cost !== 'none');
}

/** Never rejects. */
export async function tryRows(passwords: Passwords, found: FoundRows, password: string): Promise<Tried> {
  const context = contextOf(found);
  const tried: Tried = { matched: null, heavy: false, problems: [] };
  let slow = 0;
  for (const row of found.rows) {
    const { cost } = inspectSecret(row.secret, context.type);
    if (cost !== 'none' && ++slow > MAX_SLOW_ROWS) {
      tried.problems.push(new Error(`line ${row.line}: the userid stands more than ${MAX_SLOW_ROWS} times`));
      break;
    }
    try {
      const matches = await passwords.verify(row.secret, password, context);
      if (matches) return { ...tried, matched: row };
      if (cost === 'heavy') tried.heavy = true;
    } catch (cause) {
      tried.problems.push(problemOf(row, cause));
    }
  }
  return tried;
}

function contextOf({ entry, login }: FoundRows): SecretContext {
  const type = entry.type === 'htpasswd' ? 'htpasswd' : 'textfile';
  return { type, table: entry.table ?? '', userid: login.userid };
}

function problemOf(row: UserRow, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : 'unknown error';
  return new Error(`password file, line ${row.line}: ${message}`, { cause });
}
