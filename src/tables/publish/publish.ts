import { ChangeList } from '../published/changes.ts';
import { readPublished } from '../published/published.ts';
import { nextOf, type RedisKeys, redisKeys } from '../published/redis-keys.ts';
import type { RedisLink } from '../redis/link.ts';
import { afterSync } from './after-sync.ts';
import { Claim } from './claim.ts';
import { type DomainDiff, diffDomains, noDifference } from './domain-diff.ts';
import { domainsSource, type PackedDomains, packDomains, writeDomains } from './domains.ts';
import { refuseAbsence } from './loss.ts';
import type { Publishing, PublishOptions, PublishResult } from './publication.ts';
import { makeReport, refuseLostDomains, refuseLostUsers } from './report.ts';
import { clearBegun, nextGeneration, type Plan, switchOver } from './switch-over.ts';
import { publishTables, type TableOutcome } from './tables.ts';

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
    const generation = nextGeneration(found);
    const { report, diagnostics } = await run({ ...options, keys, claim, found, generation });
    return { report: { ...report, duration: performance.now() - started }, diagnostics };
  } catch (error) {
    await tidyUp(options.link, keys, claim);
    throw error;
  }
}

/** The domain table of the files beside the live one. */
type Domains = { packed: PackedDomains; source: string; differs: boolean; diff: DomainDiff };

async function run(publishing: Publishing): Promise<PublishResult> {
  const { compiled, claim, link, keys, found, domainTable, dryRun, force, signal, beforeSwitch } = publishing;
  if (!compiled.fileFound && !force) refuseAbsence(domainTable, found.domains?.meta?.users ?? 0);
  const domains = await compareDomains(publishing);
  // Before hours of hashing, as far as it can be told.
  refuseLostDomains(publishing, domains);
  const changes = new ChangeList();
  changes.addDomains(domains.diff.names);
  const outcomes = await publishTables(publishing, domains.diff.successors, changes);
  const plan = await makePlan(publishing, domains, outcomes, changes);
  const report = makeReport(publishing, plan, domains, outcomes);
  const diagnostics = [...compiled.diagnostics, ...outcomes.flatMap((each) => each.diagnostics)];
  refuseLostUsers(publishing, { report, diagnostics });
  await beforeSwitch?.(report);
  signal?.throwIfAborted();
  if (dryRun) await clearBegun(link, keys, claim.nonce);
  if (report.published && !dryRun) await switchOver(link, claim, plan);
  else await claim.release();
  const { changedTables } = plan;
  if (!dryRun) await afterSync(link, keys, { generation: report.generation, changedTables, diagnostics });
  return { report, diagnostics };
}

async function compareDomains(publishing: Publishing): Promise<Domains> {
  const { compiled, fingerprints, found, keys, link } = publishing;
  const packed = packDomains(compiled.entries);
  const source = domainsSource(packed, fingerprints);
  const differs = source !== found.domains?.meta?.source;
  const diff = differs ? await diffDomains(link, keys, found, packed) : noDifference();
  return { packed, source, differs, diff };
}

/** Writes the domain table if it changed, and settles what the switch is to do. */
async function makePlan(
  { compiled, found, generation, keys, claim, link }: Publishing,
  { packed, source, differs }: Domains,
  outcomes: readonly TableOutcome[],
  changes: ChangeList,
): Promise<Plan> {
  if (differs) {
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
    users: outcomes.reduce((sum, { users }) => sum + users, 0),
    rows: outcomes.reduce((sum, { rows }) => sum + rows, 0),
  };
  const changedTables = outcomes.flatMap(({ change }) => change?.id ?? []);
  const named = new Set(tables);
  const removedTables = [...found.tables.keys()].filter((id) => !named.has(id));
  for (const id of removedTables) changes.addAllUsers(id);
  const plan = {
    keys,
    found,
    generation,
    meta,
    domainsChanged: differs,
    changedTables,
    removedTables,
    tables,
  };
  return { ...plan, changes: changes.changes };
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
