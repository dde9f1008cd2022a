import { COMMANDS_AT_ONCE } from '../published/published.ts';
import { FIELD_USER } from '../published/redis-keys.ts';
import { scan } from '../published/redis-scan.ts';
import type { RedisLink } from '../redis/link.ts';

/** A table of so many is read through in a second; of a larger one all rows count as changed instead. */
const SCANNED_USERS = 200_000;

/**
 * The userids of the live table that the next one does not have; null where looking for them would take long.
 * Rejects with TablesUnavailable.
 */
export async function removedUsers(
  link: RedisLink,
  live: string,
  next: string,
  liveUsers: number,
): Promise<string[] | null> {
  if (liveUsers > SCANNED_USERS) return null;
  const gone = new Set<string>();
  let fields: string[] = [];
  const flush = async () => {
    if (fields.length === 0) return;
    const held = (await link.command('HMGET', next, ...fields)) as (Buffer | null)[];
    for (const [i, field] of fields.entries()) {
      if (held[i] === null) gone.add(field.slice(FIELD_USER.length));
    }
    fields = [];
  };
  for await (const [field] of scan(link, live)) {
    if (field.startsWith(FIELD_USER) && fields.push(field) >= COMMANDS_AT_ONCE) await flush();
  }
  await flush();
  return [...gone];
}
