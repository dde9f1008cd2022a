import {
  COMMANDS_AT_ONCE,
  type Published,
  type PublishedHash,
  publishedHash,
  readPublished,
} from '../published/published.ts';
import { type DomainsMeta, encodeMeta, encodeStamp, type TableMeta } from '../published/redis-format.ts';
import {
  FIELD_META,
  FIELD_STAMP,
  nextOf,
  previousOf,
  type RedisKeys,
  redisKeys,
} from '../published/redis-keys.ts';
import { type RedisLink, type Reply, type ScriptCall, script } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { Claim } from './claim.ts';
import { SyncRefused } from './loss.ts';
import { clearBegun, type Plan, switchOver } from './switch-over.ts';

export type RollbackReport = {
  /** The new one, and the one whose place it takes. */
  generation: number;
  before: number;
  domains: number;
  users: number;
  /** Password tables that are as they were before. */
  tables: number;
};

/** What a generation changed, as it was before. */
type Previous = {
  /** Null where the domain table was the same. */
  domains: PublishedHash<DomainsMeta> | null;
  tables: Map<TableId, PublishedHash<TableMeta>>;
  /** All that the domain table named. */
  named: TableId[];
};

/**
 * Brings back the generation before the live one, as a new generation, in the one step of a publication. What was
 * live is then the one before: a second rollback undoes the first. Rejects with SyncRefused where there is none,
 * ClaimLost or TablesUnavailable; what logins see is as it was then.
 */
export async function rollBack(link: RedisLink, prefix: string): Promise<RollbackReport> {
  const keys = redisKeys(prefix);
  const claim = await Claim.take(link, keys.claim);
  try {
    await clearBegun(link, keys);
    const found = await readPublished(link, keys);
    const previous = await readPrevious(link, keys, found);
    const plan = makePlan(keys, found, previous);
    await bringBack(link, claim, plan, previous);
    const { domains, users } = plan.meta;
    const { generation } = plan;
    return { generation, before: generation - 1, domains, users, tables: plan.changedTables.length };
  } catch (error) {
    claim.abandon();
    await claim.release().catch(() => {});
    throw error;
  }
}

/** Rejects with SyncRefused where not all of it is there. */
async function readPrevious(link: RedisLink, keys: RedisKeys, found: Published): Promise<Previous> {
  const last = found.domains?.generation ?? 0;
  const domains = publishedHash<DomainsMeta>(
    await link.command('HMGET', previousOf(keys.domains), FIELD_STAMP, FIELD_META),
  );
  const replaced = [...found.tables].flatMap(([id, { generation }]) => (generation >= last ? [id] : []));
  const tables = await readTables(link, keys, [...replaced, ...found.removedBefore]);
  if (domains === null && tables.size === 0) {
    throw new SyncRefused(
      last === 0 ? 'no tables are published' : `there is no generation before ${last} to go back to`,
    );
  }
  const named = namedBefore(found, domains);
  for (const id of named) {
    const live = found.tables.get(id);
    if (live !== undefined && live.generation > last) {
      throw new SyncRefused('a sync was interrupted halfway: run sync, which completes it');
    }
    const hash = live !== undefined && live.generation < last ? live : tables.get(id);
    if (hash?.meta == null) throw new SyncRefused(`the generation before ${last} is not whole any more`);
  }
  if (domains !== null && domains.meta === null)
    throw new SyncRefused(`generation ${domains.generation} is of another format`);
  return { domains, tables, named };
}

/** The tables that the domain table named before. */
function namedBefore({ tables, tablesBefore }: Published, domains: Previous['domains']): TableId[] {
  // Redis keeps no set where it has stayed the same, nor where it was empty.
  if (tablesBefore.length > 0) return tablesBefore;
  return domains?.meta?.tables === 0 ? [] : [...tables.keys()];
}

async function readTables(
  link: RedisLink,
  keys: RedisKeys,
  ids: readonly TableId[],
): Promise<Previous['tables']> {
  const tables: Previous['tables'] = new Map();
  for (let i = 0; i < ids.length; i += COMMANDS_AT_ONCE) {
    const some = ids.slice(i, i + COMMANDS_AT_ONCE);
    const replies = await link.batch(
      some.map((id) => ['HMGET', previousOf(keys.table(id)), FIELD_STAMP, FIELD_META]),
    );
    for (const [j, id] of some.entries()) {
      const hash = publishedHash<TableMeta>(replies[j] ?? null);
      if (hash !== null) tables.set(id, hash);
    }
  }
  return tables;
}

function makePlan(keys: RedisKeys, found: Published, { domains, tables, named }: Previous): Plan {
  const of = domains?.meta ?? found.domains!.meta!;
  const isNamed = new Set(named);
  const changedTables = named.filter((id) => tables.has(id));
  const removedTables = [...found.tables.keys()].filter((id) => !isNamed.has(id));
  const metas = named.map((id) => (tables.get(id) ?? found.tables.get(id))!.meta!);
  return {
    keys,
    found,
    generation: found.domains!.generation + 1,
    meta: {
      ...of,
      publishedAt: Date.now(),
      tables: named.length,
      users: metas.reduce((sum, { users }) => sum + users, 0),
      rows: metas.reduce((sum, { rows }) => sum + rows, 0),
    },
    domainsChanged: domains !== null,
    changedTables,
    removedTables,
    tables: named,
    changes: { domains: null, tables: new Map([...changedTables, ...removedTables].map((id) => [id, null])) },
  };
}

/** KEYS: where it is, where it is to be. ARGV: its stamp there. 0 where it is not. */
const MOVE = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], '${FIELD_STAMP}', ARGV[1])
return 1`);

/**
 * Switches to what is to come back from where a publication writes its tables: it is moved there, which takes no copy
 * however large it is. Where the switch fails it goes back to where it was; a rollback that is killed in between
 * leaves the live tables, and nothing to go back to.
 */
async function bringBack(link: RedisLink, claim: Claim, plan: Plan, previous: Previous): Promise<void> {
  const { keys, generation } = plan;
  const { domains, tables } = previous;
  const live: [key: string, was: number][] = plan.changedTables.map((id) => [
    keys.table(id),
    tables.get(id)!.generation,
  ]);
  if (domains !== null) live.push([keys.domains, domains.generation]);
  const next = live.map(([key]) => nextOf(key, claim.nonce));
  await inChunks(next, (some) => link.command('SADD', keys.begun, ...some));
  try {
    const there = live.map(([key], i): ScriptCall => move(previousOf(key), next[i]!, generation));
    await inChunks(there, (some) => link.evaluate(MOVE, some));
    // The next domain table gets its meta with the switch.
    if (domains !== null) await link.command('HDEL', next.at(-1)!, FIELD_META);
    await switchOver(link, claim, plan);
  } catch (error) {
    const back = live.map(([key, was], i): ScriptCall => move(next[i]!, previousOf(key), was));
    let last: Reply = null;
    await inChunks(back, async (some) => {
      last = (await link.evaluate(MOVE, some)).at(-1) ?? null;
    });
    // Not where it had been switched to after all, and only the answer was lost.
    if (domains !== null && last === 1) {
      await link.command('HSET', previousOf(keys.domains), FIELD_META, encodeMeta(domains.meta!));
    }
    throw error;
  }
}

function move(from: string, to: string, generation: number): ScriptCall {
  return { keys: [from, to], args: [encodeStamp(generation)] };
}

async function inChunks<Item>(
  items: readonly Item[],
  work: (some: Item[]) => Promise<unknown>,
): Promise<void> {
  for (let i = 0; i < items.length; i += COMMANDS_AT_ONCE) await work(items.slice(i, i + COMMANDS_AT_ONCE));
}
