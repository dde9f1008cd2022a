import { Claim } from './claim.ts';
import {
  type Publishing,
  type PublishOptions,
  type PublishReport,
  type PublishResult,
  refuseLoss,
} from './publication.ts';
import { domainsSource, packDomains, writeDomains } from './publish-domains.ts';
import { publishTables, type TableOutcome } from './publish-tables.ts';
import { readPublished } from './published.ts';
import type { RedisLink } from './redis-client.ts';
import { nextOf, type RedisKeys, redisKeys } from './redis-keys.ts';
import { clearBegun, type Plan, switchOver } from './switch-over.ts';

/**
 * Makes Redis hold what the files say: writes what changed beside the live tables and switches in one step. When
 * it rejects, what logins see is as it was. Rejects with SourceUnreadable, TablesUnavailable, ClaimLost (another
 * sync is at work) or SyncRefused.
 */
export async function publish(options: PublishOptions): Promise<PublishResult> {
  const keys = redisKeys(options.prefix);
  const started = performance.now();
  const claim = await Claim.take(options.link, keys.claim);
  try {
    // What an earlier sync left when it was interrupted.
    await clearBegun(options.link, keys);
    const found = await readPublished(options.link, keys);
    const generation = (found.domains?.generation ?? 0) + 1;
    const { report, diagnostics } = await run({ ...options, keys, claim, found, generation });
    return { report: { ...report, duration: performance.now() - started }, diagnostics };
  } catch (error) {
    await tidyUp(options.link, keys, claim);
    throw error;
  }
}

async function run(publishing: Publishing): Promise<PublishResult> {
  const { compiled, claim, link, found, domainTable, force, signal, beforeSwitch } = publishing;
  refuseLoss(domainTable, compiled.fileFound ? 0 : (found.domains?.meta?.users ?? 0), force);
  const outcomes = await publishTables(publishing);
  const plan = await makePlan(publishing, outcomes);
  const report = makeReport(plan, outcomes);
  await beforeSwitch?.(report);
  signal?.throwIfAborted();
  if (report.published) await switchOver(link, claim, plan);
  else await claim.release();
  return { report, diagnostics: [...compiled.diagnostics, ...outcomes.flatMap((each) => each.diagnostics)] };
}

/** Writes the domain table if it changed, and settles what the switch is to do. */
async function makePlan(publishing: Publishing, outcomes: readonly TableOutcome[]): Promise<Plan> {
  const { compiled, fingerprints, found, generation, keys, claim, link } = publishing;
  const packed = packDomains(compiled.entries);
  const source = domainsSource(packed, fingerprints);
  const domainsChanged = source !== found.domains?.meta?.source;
  if (domainsChanged) {
    const next = nextOf(keys.domains, claim.nonce);
    await link.command('SADD', keys.begun, next);
    await writeDomains(link, next, packed, generation);
  }
  const tables = compiled.passwordFiles.map(({ id }) => id);
  const meta = {
    publishedAt: Date.now(),
    source,
    domains: packed.size,
    entries: compiled.entries.length,
    tables: tables.length,
    users: sum(outcomes, ({ users }) => users),
    rows: sum(outcomes, ({ rows }) => rows),
  };
  const changedTables = outcomes.flatMap(({ change }) => change?.id ?? []);
  const named = new Set(tables);
  const removedTables = [...found.tables.keys()].filter((id) => !named.has(id));
  return { keys, found, generation, meta, domainsChanged, changedTables, removedTables, tables };
}

function makeReport(plan: Plan, outcomes: readonly TableOutcome[]): PublishReport {
  const { meta, found, domainsChanged, generation } = plan;
  const changedTables = outcomes.flatMap(({ change }) => change ?? []);
  const removedTables = plan.removedTables.map((id) => {
    const before = found.tables.get(id)?.meta;
    return { id, path: before?.path ?? '', users: before?.users ?? 0 };
  });
  const published = domainsChanged || changedTables.length > 0 || removedTables.length > 0;
  const { domains, entries, tables, users, rows } = meta;
  return {
    published,
    generation: published ? generation : generation - 1,
    ...{ domains, entries, domainsChanged, users, rows, tables },
    unchangedTables: tables - changedTables.length,
    changedTables,
    removedTables,
    added: sum(changedTables, (table) => table.added),
    changed: sum(changedTables, (table) => table.changed),
    removed: sum(changedTables, (table) => table.removed) + sum(removedTables, (table) => table.users),
    hashed: sum(changedTables, (table) => table.hashed),
    reused: sum(changedTables, (table) => table.reused),
    duration: 0,
  };
}

/** Where Redis is away, the claim lapses and the next sync clears what was begun. */
async function tidyUp(link: RedisLink, keys: RedisKeys, claim: Claim): Promise<void> {
  claim.abandon();
  try {
    await clearBegun(link, keys, claim.nonce);
    await claim.release();
  } catch {
    // The error that brought us here tells more.
  }
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
