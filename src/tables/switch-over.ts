import type { Changes } from './changes.ts';
import { type Claim, ClaimLost } from './claim.ts';
import type { TableId } from './model.ts';
import { COMMANDS_AT_ONCE, type Published, RowsLost } from './published.ts';
import type { Command, RedisLink } from './redis-client.ts';
import { type DomainsMeta, encodeMeta, encodeStamp } from './redis-format.ts';
import { FIELD_META, FIELD_STAMP, nextOf, previousOf, type RedisKeys } from './redis-keys.ts';

/** What one step is to make of what was found and of what was written beside it. */
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
  /** By name, for the change log. */
  changes: Changes;
};

/**
 * Switches every changed table and the domain table in one MULTI. The generation before stays as `previous`; the
 * one before that goes. Rejects where anything it rests on has changed meanwhile; then nothing was done.
 */
export async function switchOver(link: RedisLink, claim: Claim, plan: Plan): Promise<void> {
  await claim.watch();
  const { next, live } = keysToWatch(plan, claim.nonce);
  for (const keys of chunks([...next, ...live])) await link.command('WATCH', ...keys);
  for (const some of chunks(next)) {
    const held = await link.command('EXISTS', ...some);
    if (held !== some.length) throw new RowsLost(plan.keys.domains);
  }
  const done = await link.transaction(commands(plan, claim));
  if (!done) throw new ClaimLost('the tables in Redis were changed by another while this sync was at work');
}

/** Removes what syncs began and did not switch to; with a nonce, what that one began. */
export async function clearBegun(link: RedisLink, keys: RedisKeys, nonce?: string): Promise<void> {
  const begun = ((await link.command('SMEMBERS', keys.begun)) as Buffer[]).map((key) =>
    key.toString('latin1'),
  );
  const mine = begun.filter((key) => nonce === undefined || key.endsWith(nextOf('', nonce)));
  for (const some of chunks(mine)) {
    await link.batch([
      ['UNLINK', ...some],
      ['SREM', keys.begun, ...some],
    ]);
  }
}

function keysToWatch(plan: Plan, nonce: string): { next: string[]; live: string[] } {
  const { keys, found, changedTables, removedTables, domainsChanged } = plan;
  const domains = domainsChanged ? [keys.domains] : [];
  const next = [...changedTables.map(keys.table), ...domains].map((key) => nextOf(key, nonce));
  const replaced = [...changedTables, ...removedTables].filter((id) => found.tables.has(id));
  return { next, live: [...replaced.map(keys.table), keys.domains, keys.tables] };
}

function commands(plan: Plan, claim: Claim): Command[] {
  const { keys, found, generation, meta, changedTables, removedTables, domainsChanged } = plan;
  const isLive = (id: TableId) => found.tables.has(id);
  return [
    ...chunks(outdated(plan).map(previousOf)).map((some): Command => ['UNLINK', ...some]),
    ...[...removedTables, ...changedTables].filter(isLive).map((id) => keep(keys.table(id))),
    ...changedTables.map((id) => bringIn(keys.table(id), claim.nonce)),
    ...(domainsChanged && found.domains !== null ? [keep(keys.domains)] : []),
    ...(domainsChanged ? [bringIn(keys.domains, claim.nonce)] : []),
    ['HSET', keys.domains, FIELD_STAMP, encodeStamp(generation), FIELD_META, encodeMeta(meta)],
    ...(found.registry.live ? [keep(keys.tables)] : []),
    ...chunks(plan.tables).map((some): Command => ['SADD', keys.tables, ...some]),
    ['UNLINK', keys.begun],
    claim.releasing,
  ];
}

/** Keys whose `previous` is of the generation before the last, or about to be replaced. */
function outdated({ keys, found }: Plan): string[] {
  const last = found.domains?.generation;
  const replacedLast = Array.from(found.tables).filter(([, { generation }]) => generation === last);
  const ids = [...replacedLast.map(([id]) => id), ...found.removedBefore];
  return [...ids.map(keys.table), keys.domains, keys.tables];
}

function keep(key: string): Command {
  return ['RENAME', key, previousOf(key)];
}

function bringIn(key: string, nonce: string): Command {
  return ['RENAME', nextOf(key, nonce), key];
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / COMMANDS_AT_ONCE);
  return Array.from({ length: count }, (_, i) =>
    items.slice(i * COMMANDS_AT_ONCE, (i + 1) * COMMANDS_AT_ONCE),
  );
}
