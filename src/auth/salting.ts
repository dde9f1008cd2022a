import type { ScramSalt } from '../pop3/credentials.ts';
import { lowerCase } from '../tables/teapop/letter-case.ts';
import type { LookupResult } from '../tables/teapop/lookup.ts';
import { useridIn } from '../tables/teapop/table-id.ts';
import { storedSalt } from './proofs.ts';
import type { ScramSalts } from './scram-salts.ts';

export type ScramRule = Pick<ScramSalts, 'saltOf'>;

/**
 * What a login's password is to be salted with: as its row says where one holds keys, else what its keys would be
 * salted with if there were any, so that nobody can tell one from the other.
 */
export function saltOf({ saltOf }: ScramRule, found: LookupResult): ScramSalt {
  const stored = found.result === 'rows' ? storedSalt(found) : null;
  if (stored !== null) return stored;
  const { entry, login } = found;
  const table = entry?.table ?? null;
  if (table !== null) return saltOf({ table, userid: useridIn(table, login.userid) });
  // No table's name has a colon in front.
  const domain = entry === null ? lowerCase(login.domain ?? '') : entry.domain;
  return saltOf({ table: `:${domain}`, userid: login.userid });
}
