import { type KeptDiagnostics, readDiagnostics } from '../published/kept-diagnostics.ts';
import { COMMANDS_AT_ONCE, type PublishedHash, readPublished, readSite } from '../published/published.ts';
import type { TableMeta } from '../published/redis-format.ts';
import type { RedisKeys } from '../published/redis-keys.ts';
import type { Command, RedisLink, Reply } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { TablesUnavailable } from '../teapop/store.ts';
import { holdsCrypt } from '../teapop/table-id.ts';

/** What there is to tell of a site's published tables as a whole. */
export type Survey = {
  generation: number;
  /** In ms since 1970. */
  publishedAt: number;
  domains: number;
  entries: number;
  users: number;
  rows: number;
  tables: number;
  /** Octets that Redis takes: of the domain table, of the password tables, and of the latter for each row. */
  memory: { domains: number; tables: number; perRow: number | null };
  /** Userids with better hashes beside their rows. */
  upgraded: number;
  diagnostics: KeptDiagnostics | null;
  server: ServerFacts | null;
};

/** Of the server that answered; in a Cluster, of one of them. */
export type ServerFacts = {
  version: string;
  /** standalone, cluster … */
  mode: string;
  role: string;
  replicas: number;
  usedMemory: number;
  /** 0 for no limit. */
  maxMemory: number;
  evictionPolicy: string;
};

/** Tables whose memory is asked for, the largest first: they hold most rows. */
const LARGEST_WEIGHED = 100;
/** Of the others so many, evenly spread, speak for all. */
const OTHERS_WEIGHED = 100;
/** Fields that Redis weighs of a table to tell its memory: more than its own 5, for rows differ. */
const FIELDS_WEIGHED = 50;

type Table = PublishedHash<TableMeta>;

/** Rejects with TablesUnavailable, where nothing is published, too. */
export async function survey(link: RedisLink, keys: RedisKeys): Promise<Survey> {
  const site = await readSite(link, keys);
  if (site === null) throw new TablesUnavailable(`no tables are published under ${keys.domains}: run sync`);
  if (site.meta === null) throw new TablesUnavailable('the tables are of another version: run sync');
  const { tables } = await readPublished(link, keys);
  const { publishedAt, domains, entries, users, rows } = site.meta;
  const [ofDomains = 0] = await weigh(link, [keys.domains]);
  const ofTables = await weighTables(link, keys, tables);
  return {
    ...{ generation: site.generation, publishedAt, domains, entries, users, rows, tables: tables.size },
    memory: { domains: ofDomains, tables: ofTables, perRow: rows === 0 ? null : ofTables / rows },
    upgraded: await countBetter(link, keys, [...tables.keys()].filter(holdsCrypt)),
    diagnostics: await readDiagnostics(link, keys),
    server: await serverFacts(link),
  };
}

async function weighTables(
  link: RedisLink,
  keys: RedisKeys,
  tables: ReadonlyMap<TableId, Table>,
): Promise<number> {
  const rowsOf = ({ meta }: Table) => meta?.rows ?? 0;
  const bySize = [...tables].sort(([, one], [, other]) => rowsOf(other) - rowsOf(one));
  const largest = bySize.slice(0, LARGEST_WEIGHED);
  const others = bySize.slice(LARGEST_WEIGHED);
  const step = Math.max(1, Math.ceil(others.length / OTHERS_WEIGHED));
  const sample = others.filter((_, i) => i % step === 0);
  const keysOf = (some: typeof bySize) => some.map(([id]) => keys.table(id));
  const ofLargest = sum(await weigh(link, keysOf(largest)));
  const ofSample = sum(await weigh(link, keysOf(sample)));
  return Math.round(ofLargest + (sample.length === 0 ? 0 : (ofSample / sample.length) * others.length));
}

async function weigh(link: RedisLink, keys: readonly string[]): Promise<number[]> {
  const commands = keys.map((key): Command => ['MEMORY', 'USAGE', key, 'SAMPLES', FIELDS_WEIGHED]);
  return (await link.batch(commands)).map((reply) => Number(reply ?? 0));
}

async function countBetter(link: RedisLink, keys: RedisKeys, ids: readonly TableId[]): Promise<number> {
  let count = 0;
  for (let i = 0; i < ids.length; i += COMMANDS_AT_ONCE) {
    const some = ids.slice(i, i + COMMANDS_AT_ONCE);
    count += sum((await link.batch(some.map((id) => ['HLEN', keys.better(id)]))).map(Number));
  }
  return count;
}

/** Null where Redis does not tell: an ACL user may not be allowed to ask. */
async function serverFacts(link: RedisLink): Promise<ServerFacts | null> {
  let text: Reply;
  try {
    text = await link.command('INFO');
  } catch {
    return null;
  }
  const found = new Map(
    Array.from(String(text).matchAll(/^(\w+):(.*?)\r?$/gm), ([, name, value]) => [name!, value!]),
  );
  return {
    version: found.get('redis_version') ?? 'unknown',
    mode: found.get('redis_mode') ?? 'unknown',
    role: found.get('role') ?? 'unknown',
    replicas: Number(found.get('connected_slaves') ?? 0),
    usedMemory: Number(found.get('used_memory') ?? 0),
    maxMemory: Number(found.get('maxmemory') ?? 0),
    evictionPolicy: found.get('maxmemory_policy') ?? 'unknown',
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
