import { CHANGES_KEPT, encodeChanges } from '../published/change-log.ts';
import { CHANGES_LISTED, type Changes } from '../published/changes.ts';
import { COMMANDS_AT_ONCE, type Published, RowsLost } from '../published/published.ts';
import { type DomainsMeta, encodeMeta, encodeStamp } from '../published/redis-format.ts';
import { nextOf, previousOf, type RedisKeys } from '../published/redis-keys.ts';
import type { RedisLink, ScriptCall } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { type Claim, ClaimLost } from './claim.ts';
import { BRING_IN, CLAIM_GONE, DONE, PUBLISH_ALL, ROWS_LOST, TAKE_OUT } from './switch-scripts.ts';

/** What the switch is to make of what was found and of what was written beside it. */
export type Plan = {
  keys: RedisKeys;
  found: Published;
  generation: number;
  meta: DomainsMeta;
  /** Whether a next domain table was written. */
  domainsChanged: boolean;
  changedTables: readonly TableId[];
  removedTables: readonly TableId[];
  /** All that the domain table names now. */
  tables: readonly TableId[];
  /** For the change log. */
  changes: Changes;
};

/** Tables switched in one go. A hundred thousand in one MULTI hold every login up for 0.3 s; so few, for some ms. */
const TABLES_AT_ONCE = 500;

/**
 * Switches every changed table, each in one step, and then the domain table with its stamp: that step alone is what
 * lookups see, for until then they go by the generation of the entry that named a table. So it is the same in a
 * Cluster, where tables lie on several nodes. The generation before stays as `previous`; the one before that goes.
 * Rejects where what it rests on has changed meanwhile; lookups then see what they saw, and the next sync completes.
 */
export async function switchOver(link: RedisLink, claim: Claim, plan: Plan): Promise<void> {
  await claim.confirm();
  await bringInTables(link, claim, plan);
  await clearOutdated(link, plan);
  await writeRegistry(link, claim, plan);
  claim.check();
  await publishAll(link, claim, plan);
  try {
    await takeOutTables(link, plan);
    await claim.release();
  } catch {
    // All is published. The next sync clears what is left, once the claim has lapsed.
    claim.abandon();
  }
}

/** Removes what syncs began and did not switch to; with a nonce, what that one began. */
export async function clearBegun(link: RedisLink, keys: RedisKeys, nonce?: string): Promise<void> {
  const begun = await members(link, keys.begun);
  if (begun.length === 0) return;
  const ids = await members(link, keys.tables);
  const named = new Set([keys.domains, keys.tables, ...ids.map(keys.table)]);
  for (const some of chunks(begun, COMMANDS_AT_ONCE)) {
    const mine = some.filter((key) => nonce === undefined || key.endsWith(nextOf('', nonce)));
    // A new table may be in its place already, though the domain table that was to name it never came.
    const orphans = mine.map(liveOf).filter((key) => !named.has(key));
    await link.batch([...mine, ...orphans].map((key) => ['UNLINK', key]));
    if (mine.length > 0) await link.command('SREM', keys.begun, ...mine);
  }
}

/** Tables that are in place already, of a publication that was interrupted before lookups saw it. */
export function unpublished({ domains, tables }: Published): TableId[] {
  const published = domains?.generation ?? 0;
  return Array.from(tables).flatMap(([id, { generation }]) => (generation > published ? [id] : []));
}

/** The generation of what a sync publishes that found this. */
export function nextGeneration({ domains, tables }: Published): number {
  if (domains !== null) return domains.generation + 1;
  // The domain table is lost, the tables that stay must not be of a generation to come.
  return 1 + Array.from(tables.values()).reduce((most, { generation }) => Math.max(most, generation), 0);
}

async function bringInTables(link: RedisLink, claim: Claim, plan: Plan): Promise<void> {
  const { keys, generation, changedTables } = plan;
  const stamps = [encodeStamp(generation), before(plan)];
  const call = (id: TableId): ScriptCall => {
    const live = keys.table(id);
    return { keys: [live, nextOf(live, claim.nonce), previousOf(live)], args: stamps };
  };
  for (const some of chunks(changedTables, TABLES_AT_ONCE)) {
    claim.check();
    const done = await link.evaluate(BRING_IN, some.map(call));
    const lost = some.find((_, i) => done[i] !== 1);
    if (lost !== undefined) throw new RowsLost(keys.table(lost));
  }
}

/** Of tables that were replaced or removed by the last publication and stay as they are: it outlived its `previous`. */
async function clearOutdated(link: RedisLink, { keys, found, changedTables, tables }: Plan): Promise<void> {
  const last = found.domains?.generation;
  const changed = new Set(changedTables);
  const replaced = Array.from(found.tables).filter(
    ([id, { generation }]) => generation === last && !changed.has(id),
  );
  const named = new Set(tables);
  const removed = found.removedBefore.filter((id) => !named.has(id));
  const outdated = [
    ...replaced.map(([id]) => previousOf(keys.table(id))),
    // One that was not taken out in time may still be in its place.
    ...removed.flatMap((id) => [previousOf(keys.table(id)), keys.table(id), keys.better(id)]),
  ];
  for (const some of chunks(outdated, COMMANDS_AT_ONCE)) await link.batch(some.map((key) => ['UNLINK', key]));
}

/** Writes the next set of tables beside the live one, where it differs. */
async function writeRegistry(link: RedisLink, claim: Claim, { keys, tables, found }: Plan): Promise<void> {
  if (isSameSet(tables, found)) return;
  const next = nextOf(keys.tables, claim.nonce);
  await link.command('SADD', keys.begun, next);
  for (const some of chunks(tables, COMMANDS_AT_ONCE)) await link.command('SADD', next, ...some);
}

async function publishAll(link: RedisLink, claim: Claim, plan: Plan): Promise<void> {
  const { keys, found, generation, meta, domainsChanged, tables } = plan;
  const ofDomains = [keys.domains, nextOf(keys.domains, claim.nonce), previousOf(keys.domains)];
  const ofTables = [keys.tables, nextOf(keys.tables, claim.nonce), previousOf(keys.tables)];
  const [reply] = await link.evaluate(PUBLISH_ALL, [
    {
      keys: [...ofDomains, ...ofTables, keys.begun, keys.claim, keys.changes],
      args: [
        ...[claim.token, before(plan), encodeStamp(generation), encodeMeta(meta)],
        // The stamp is a field of its own.
        domainsChanged ? meta.domains + 1 : '',
        isSameSet(tables, found) ? '' : tables.length,
        ...[generation, logged(plan), generation - CHANGES_KEPT, keys.changed],
      ],
    },
  ]);
  const said = String(reply);
  if (said === DONE) return;
  if (said === ROWS_LOST) throw new RowsLost(keys.domains);
  if (said === CLAIM_GONE) throw new ClaimLost('another sync has taken over while this one stood still');
  throw new ClaimLost('the tables in Redis were changed by another while this sync was at work');
}

/** What the publisher listed, and all of what an interrupted publication brought in that is seen only now. */
function logged({ changes, changedTables, removedTables, found, meta }: Plan): Buffer | '' {
  const tables = new Map(changes.tables);
  for (const id of unpublished(found)) tables.set(id, null);
  for (const id of [...changedTables, ...removedTables]) if (!tables.has(id)) tables.set(id, null);
  // Without a list proxies drop all that they hold.
  if (tables.size > CHANGES_LISTED) return '';
  return encodeChanges({ publishedAt: meta.publishedAt, domains: changes.domains, tables });
}

async function takeOutTables(link: RedisLink, plan: Plan): Promise<void> {
  const { keys, generation, removedTables } = plan;
  const call = (id: TableId): ScriptCall => {
    return { keys: [keys.table(id), previousOf(keys.table(id))], args: [before(plan), generation] };
  };
  for (const some of chunks(removedTables, TABLES_AT_ONCE)) await link.evaluate(TAKE_OUT, some.map(call));
}

/** The generation that lookups see until the switch. */
function before({ found }: Plan): number {
  return found.domains?.generation ?? 0;
}

function isSameSet(tables: readonly TableId[], found: Published): boolean {
  return tables.length === found.tables.size && tables.every((id) => found.tables.has(id));
}

function liveOf(next: string): string {
  return next.slice(0, next.lastIndexOf(nextOf('', '')));
}

async function members(link: RedisLink, key: string): Promise<string[]> {
  return ((await link.command('SMEMBERS', key)) as Buffer[]).map((member) => member.toString('latin1'));
}

function chunks<Item>(items: readonly Item[], most: number): Item[][] {
  const count = Math.ceil(items.length / most);
  return Array.from({ length: count }, (_, i) => items.slice(i * most, (i + 1) * most));
}
