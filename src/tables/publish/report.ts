import type { Published } from '../published/published.ts';
import type { TableId } from '../teapop/model.ts';
import { domainChanges, type TableFacts } from './domain-changes.ts';
import { type DomainDiff, tablesOf } from './domain-diff.ts';
import type { PackedDomains } from './domains.ts';
import { refuseLoss } from './loss.ts';
import type { Publishing, PublishReport, PublishResult, TableChange } from './publication.ts';
import { type Plan, unpublished } from './switch-over.ts';
import type { TableOutcome } from './tables.ts';

type Domains = { packed: PackedDomains; diff: DomainDiff };
type Guarded = Pick<Publishing, 'compiled' | 'found' | 'force' | 'maxLoss'>;

/** What was found, written and is to be switched, for people. */
export function makeReport(
  { compiled, dryRun = false }: Publishing,
  plan: Plan,
  domains: Domains,
  outcomes: readonly TableOutcome[],
): PublishReport {
  const { meta, found, domainsChanged, generation } = plan;
  const changedTables = outcomes.flatMap(({ change }) => change ?? []);
  const succeeded = new Set(domains.diff.successors.values());
  // A table whose users another one has taken over is not removed, it has moved.
  const removedTables = plan.removedTables.flatMap((id) => {
    const before = found.tables.get(id)?.meta;
    return succeeded.has(id) ? [] : { id, path: before?.path ?? '', users: before?.users ?? 0 };
  });
  const replaced = changedTables.length + plan.removedTables.length + unpublished(found).length;
  const differs = domainsChanged || replaced > 0;
  const { added, changed, removed } = domains.diff;
  const { domains: count, entries, tables, users, rows } = meta;
  const usersNow = new Map(compiled.passwordFiles.map(({ id }, i) => [id, outcomes[i]?.users ?? 0]));
  return {
    published: differs,
    dryRun,
    generation: differs ? generation : generation - 1,
    ...{ domains: count, entries, domainsChanged, users, rows, tables },
    unchangedTables: tables - changedTables.length,
    changedTables,
    removedTables,
    domainChanges: domainChanges(domains.packed, domains.diff, tableFacts(found, changedTables, usersNow)),
    domainCounts: { added: added.length, changed: changed.length, removed: removed.length },
    changes: plan.changes,
    added: sum(changedTables, (table) => table.added),
    changed: sum(changedTables, (table) => table.changed),
    removed: sum(changedTables, (table) => table.removed) + sum(removedTables, (table) => table.users),
    hashed: sum(changedTables, (table) => table.hashed),
    reused: sum(changedTables, (table) => table.reused),
    duration: 0,
  };
}

/** For what is lost with the domain table alone. @throws SyncRefused */
export function refuseLostDomains(publishing: Guarded, { packed, diff }: Domains): void {
  const { compiled, found, force, maxLoss = 1 } = publishing;
  if (force || diff.removed.length === 0) return;
  const named = new Set([...packed.values()].flatMap(({ entries }) => tablesOf(entries)));
  const stay = new Set([...named, ...diff.successors.values()]);
  const gone = [...found.tables].flatMap(([id, { meta }]) => (stay.has(id) ? [] : (meta?.users ?? 0)));
  const users = { lost: sum(gone, (count) => count), of: usersOf(found) };
  const domains = { lost: diff.removed.length, of: found.domains?.meta?.domains ?? 0 };
  // What becomes of the users that stay is not known yet.
  const before = (id: TableId) => found.tables.get(id)?.meta?.users ?? 0;
  const facts: TableFacts = { changed: new Map(), usersBefore: before, usersNow: before };
  const changes = domainChanges(packed, { ...diff, added: [], changed: [] }, facts);
  refuseLoss({ users, domains, changes, diagnostics: compiled.diagnostics }, maxLoss);
}

/** @throws SyncRefused */
export function refuseLostUsers(
  { found, force, maxLoss = 1 }: Guarded,
  { report, diagnostics }: PublishResult,
): void {
  if (force) return;
  const users = { lost: report.removed, of: usersOf(found) };
  const domains = { lost: report.domainCounts.removed, of: found.domains?.meta?.domains ?? 0 };
  refuseLoss({ users, domains, changes: report.domainChanges, diagnostics }, maxLoss);
}

function usersOf({ tables }: Published): number {
  return sum([...tables.values()], ({ meta }) => meta?.users ?? 0);
}

function tableFacts(
  found: Published,
  changed: readonly TableChange[],
  usersNow: ReadonlyMap<TableId, number>,
): TableFacts {
  return {
    changed: new Map(changed.map((table) => [table.id, table])),
    usersBefore: (id) => found.tables.get(id)?.meta?.users ?? 0,
    usersNow: (id) => usersNow.get(id) ?? 0,
  };
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
