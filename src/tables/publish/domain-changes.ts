import type { TableId } from '../teapop/model.ts';
import { type DomainDiff, tablesOf } from './domain-diff.ts';
import type { PackedDomains } from './domains.ts';
import type { DomainChange } from './publication.ts';
import type { TableCounts } from './table.ts';

export type UserCounts = Pick<TableCounts, 'added' | 'changed' | 'removed'>;

/** What is known of the tables, before and after. */
export type TableFacts = {
  /** What became of the users of the tables that changed; a successor's in relation to what it succeeds. */
  changed: ReadonlyMap<TableId, UserCounts>;
  usersBefore: (id: TableId) => number;
  usersNow: (id: TableId) => number;
};

/**
 * What changes for each domain, those that have most users touched first. Users of a password file that several
 * domains share are counted for each of them.
 */
export function domainChanges(packed: PackedDomains, diff: DomainDiff, facts: TableFacts): DomainChange[] {
  const fates = new Map<string, DomainChange['entry']>();
  for (const name of diff.added) fates.set(name, 'added');
  for (const name of diff.changed) fates.set(name, 'changed');
  for (const name of diff.removed) fates.set(name, 'removed');
  const changes: DomainChange[] = [];
  const add = (domain: string, now: TableId[]) => {
    const entry = fates.get(domain) ?? 'same';
    const before = entry === 'added' ? [] : (diff.tablesBefore.get(domain) ?? now);
    const counts = between(before, now, diff.successors, facts);
    const users = now.reduce((sum, id) => sum + facts.usersNow(id), 0);
    if (entry !== 'same' || touched(counts) > 0) changes.push({ domain, entry, users, ...counts });
  };
  for (const [domain, { entries }] of packed) add(domain, tablesOf(entries));
  for (const domain of diff.removed) add(domain, []);
  return changes.sort((one, other) => touched(other) - touched(one));
}

function between(
  before: readonly TableId[],
  now: readonly TableId[],
  successors: DomainDiff['successors'],
  { changed, usersBefore, usersNow }: TableFacts,
): UserCounts {
  const counts = { added: 0, changed: 0, removed: 0 };
  const left = new Set(before);
  for (const id of now) {
    const old = successors.get(id) ?? id;
    // A table that this domain was not decided by before brings all its users, whoever had them.
    const change = left.delete(old) ? changed.get(id) : { added: usersNow(id), changed: 0, removed: 0 };
    counts.added += change?.added ?? 0;
    counts.changed += change?.changed ?? 0;
    counts.removed += change?.removed ?? 0;
  }
  for (const id of left) counts.removed += usersBefore(id);
  return counts;
}

function touched({ added, changed, removed }: UserCounts): number {
  return added + changed + removed;
}
