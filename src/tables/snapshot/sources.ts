import type { Edition } from '../published/feed.ts';
import {
  type DomainsMeta,
  decodeMeta,
  decodeStamp,
  FORMAT,
  type TableMeta,
} from '../published/redis-format.ts';
import { FIELD_META, FIELD_STAMP, previousOf, type RedisKeys } from '../published/redis-keys.ts';
import type { RedisLink } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { TablesUnavailable } from '../teapop/store.ts';
import { DOMAINS_ID } from './records.ts';

/** A hash in Redis that makes up a section. */
export type Source = {
  id: TableId;
  key: string;
  /** What tells it from what may take its place under the same key. */
  identity: string;
  generation: number;
  source: string;
  /** Fields of users or domains. */
  rows: number;
};

/** What is published: the edition, and each of its hashes. */
export type Sources = { edition: Edition; meta: DomainsMeta; tables: Map<TableId, Source> };

/** Tables asked for at once: their replies are worked off within some milliseconds, between which logins go on. */
const TABLES_AT_ONCE = 100;

type Link = Pick<RedisLink, 'command' | 'batch'>;
type Stamped = (Buffer | null)[];

/** Rejects with TablesUnavailable. */
export async function readSources(link: Link, keys: RedisKeys): Promise<Sources> {
  const [found, members] = await link.batch([
    ['HMGET', keys.domains, FIELD_STAMP, FIELD_META],
    ['SMEMBERS', keys.tables],
  ]);
  const domains = decoded<DomainsMeta>(found as Stamped);
  if (domains === null) throw new TablesUnavailable(`no tables are published under ${keys.domains}`);
  const { generation, meta } = domains;
  const tables = new Map([[DOMAINS_ID, domainsSource(keys, found as Stamped, meta)]]);
  const ids = (members as Buffer[]).map((id) => id.toString('latin1'));
  for (let i = 0; i < ids.length; i += TABLES_AT_ONCE) {
    for (const source of await tableSources(link, keys, ids.slice(i, i + TABLES_AT_ONCE), generation))
      tables.set(source.id, source);
  }
  return { edition: { generation, publishedAt: meta.publishedAt }, meta, tables };
}

/** What a hash is, from its stamp and meta; null where it is not there. The domain table keeps its content when it is only stamped anew. */
export function identityOf(id: TableId, [stamp, meta]: Stamped): string | null {
  if (!stamp || !meta) return null;
  const { source } = decodeMeta<DomainsMeta | TableMeta>(meta);
  return id === DOMAINS_ID ? source : `${stamp.toString('latin1')} ${source}`;
}

function domainsSource(keys: RedisKeys, found: Stamped, { source, domains }: DomainsMeta): Source {
  const identity = identityOf(DOMAINS_ID, found)!;
  return { id: DOMAINS_ID, key: keys.domains, identity, generation: 0, source, rows: domains };
}

async function tableSources(
  link: Link,
  keys: RedisKeys,
  ids: readonly TableId[],
  published: number,
): Promise<Source[]> {
  // One that is switched in already and not yet published still stands as the one before.
  const both = ids.flatMap((id) => [keys.table(id), previousOf(keys.table(id))]);
  const replies = await link.batch(both.map((key) => ['HMGET', key, FIELD_STAMP, FIELD_META]));
  return ids.map((id, i) => {
    for (const place of [2 * i, 2 * i + 1]) {
      const stamped = replies[place] as Stamped;
      const table = decoded<TableMeta>(stamped);
      if (table === null || table.generation > published) continue;
      const { source, users } = table.meta;
      const identity = identityOf(id, stamped)!;
      return { id, key: both[place]!, identity, generation: table.generation, source, rows: users };
    }
    throw new TablesUnavailable(`password table ${id} is not under ${keys.table(id)}`);
  });
}

/** Null where there is no such hash. */
function decoded<Meta extends DomainsMeta | TableMeta>([stampValue, metaValue]: Stamped) {
  if (!stampValue || !metaValue) return null;
  const stamp = decodeStamp(stampValue);
  if (stamp?.format !== FORMAT) throw new TablesUnavailable(`the tables are not in format ${FORMAT}`);
  return { generation: stamp.generation, meta: decodeMeta<Meta>(metaValue) };
}
