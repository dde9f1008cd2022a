import { type BetterHashes, decodeBetter, encodeBetter } from '../published/better-hash.ts';
import type { RedisKeys } from '../published/redis-keys.ts';
import { decodeRows } from '../published/redis-row.ts';
import { scanPages } from '../published/redis-scan.ts';
import type { Command, RedisLink } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { holdsCrypt } from '../teapop/table-id.ts';

/**
 * Removes the better hashes of tables that were just switched in whose source rows are gone or have changed. They
 * count for nothing as it is: this gives their memory back. A hash that a proxy writes meanwhile may go with them, and
 * is made again by the next login. Rejects with TablesUnavailable.
 */
export async function pruneBetter(link: RedisLink, keys: RedisKeys, ids: readonly TableId[]): Promise<void> {
  for (const id of ids) if (holdsCrypt(id)) await prune(link, keys.table(id), keys.better(id));
}

async function prune(link: RedisLink, live: string, beside: string): Promise<void> {
  for await (const page of scanPages(link, beside)) {
    if (page.length === 0) continue;
    const rows = (await link.command('HMGET', live, ...page.map(([field]) => field))) as (Buffer | null)[];
    await link.batch(page.flatMap(([field, value], i) => remedy(beside, field, value, rows[i] ?? null)));
  }
}

/** Nothing where each hash of a field still has its row. */
function remedy(beside: string, field: string, value: Buffer, row: Buffer | null): Command[] {
  const hashes = decodeBetter(value);
  const current = fingerprints(row);
  const left: BetterHashes = new Map([...hashes].filter(([fingerprint]) => current.has(fingerprint)));
  if (left.size === 0) return [['HDEL', beside, field]];
  return left.size === hashes.size ? [] : [['HSET', beside, field, encodeBetter(left)]];
}

function fingerprints(value: Buffer | null): Set<string> {
  try {
    // The userid stands for mailboxes alone.
    return new Set(value === null ? [] : decodeRows('', value).map(({ fingerprint }) => fingerprint));
  } catch {
    return new Set();
  }
}
