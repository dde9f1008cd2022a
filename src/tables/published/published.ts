import type { RedisLink, Reply } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { type DomainsMeta, decodeMeta, decodeStamp, FORMAT, type TableMeta } from './redis-format.ts';
import { FIELD_META, FIELD_STAMP, previousOf, type RedisKeys } from './redis-keys.ts';

/** A hash as it is live. `meta` is null where another format's version wrote it: nothing of it can be used again. */
export type PublishedHash<Meta> = { generation: number; meta: Meta | null };

/** What a sync finds in Redis. */
export type Published = {
  domains: PublishedHash<DomainsMeta> | null;
  /** Those that the domain table names, as far as they are there. */
  tables: Map<TableId, PublishedHash<TableMeta>>;
  /** Those that it named before the last publication; none where it named none, or the same. */
  tablesBefore: TableId[];
  /** Of these the ones that it names no more: their `previous` still stands. */
  removedBefore: TableId[];
};

/** Commands sent in one go: enough to hide the round trip, few enough to hold their replies. */
export const COMMANDS_AT_ONCE = 1_000;

/** Thrown where Redis holds less than was written: it evicts, or somebody removed keys. */
export class RowsLost extends Error {
  override name = 'RowsLost';

  constructor(key: string) {
    super(
      `Redis lost rows of ${key} while they were written: is maxmemory reached, with a policy that evicts?`,
    );
  }
}

/** Rejects with TablesUnavailable. */
export async function readPublished(link: RedisLink, keys: RedisKeys): Promise<Published> {
  const [domains, live, previous] = await link.batch([
    ['HMGET', keys.domains, FIELD_STAMP, FIELD_META],
    ['SMEMBERS', keys.tables],
    ['SMEMBERS', previousOf(keys.tables)],
  ]);
  const ids = idsOf(live ?? null);
  const before = idsOf(previous ?? null);
  const tables = new Map<TableId, PublishedHash<TableMeta>>();
  for (let i = 0; i < ids.length; i += COMMANDS_AT_ONCE) {
    const some = ids.slice(i, i + COMMANDS_AT_ONCE);
    const replies = await link.batch(some.map((id) => ['HMGET', keys.table(id), FIELD_STAMP, FIELD_META]));
    for (const [j, id] of some.entries()) {
      const hash = publishedHash<TableMeta>(replies[j] ?? null);
      if (hash !== null) tables.set(id, hash);
    }
  }
  const named = new Set(ids);
  return {
    domains: publishedHash<DomainsMeta>(domains ?? null),
    tables,
    tablesBefore: before,
    removedBefore: before.filter((id) => !named.has(id)),
  };
}

/** The domain table, with the counts of the whole site; null where nothing is published. */
export async function readSite(link: RedisLink, keys: RedisKeys): Promise<PublishedHash<DomainsMeta> | null> {
  return publishedHash<DomainsMeta>(await link.command('HMGET', keys.domains, FIELD_STAMP, FIELD_META));
}

/** A password table; null where there is none of that id. */
export async function readTable(
  link: RedisLink,
  keys: RedisKeys,
  id: TableId,
): Promise<PublishedHash<TableMeta> | null> {
  return publishedHash<TableMeta>(await link.command('HMGET', keys.table(id), FIELD_STAMP, FIELD_META));
}

function idsOf(reply: Reply): TableId[] {
  return (reply as Buffer[]).map((id) => id.toString('latin1'));
}

/** Of a reply to HMGET with stamp and meta; null where there is no such hash, or none of ours. */
export function publishedHash<Meta extends DomainsMeta | TableMeta>(
  reply: Reply,
): PublishedHash<Meta> | null {
  const [stampValue, metaValue] = reply as (Buffer | null)[];
  const stamp = stampValue ? decodeStamp(stampValue) : null;
  if (stamp === null) return null;
  const { format, generation } = stamp;
  return { generation, meta: format === FORMAT && metaValue ? decodeMeta<Meta>(metaValue) : null };
}
