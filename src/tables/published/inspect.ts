import type { RedisLink } from '../redis/client.ts';
import type { TableId } from '../teapop/model.ts';
import { type PublishedHash, publishedHash } from './published.ts';
import type { DomainsMeta, TableMeta } from './redis-format.ts';
import { FIELD_META, FIELD_STAMP, type RedisKeys } from './redis-keys.ts';

/** What is told of published tables besides their rows. Rejects with TablesUnavailable. */

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
