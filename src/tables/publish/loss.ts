import { quote } from '../teapop/diagnostics.ts';
import type { Diagnostic } from '../teapop/model.ts';
import type { DomainChange } from './publication.ts';

/** Thrown where publishing would lock out users whose file is merely gone or out of reach, or too many of them. */
export class SyncRefused extends Error {
  override name = 'SyncRefused';
  /** What is wrong with the files, which may be why. */
  readonly diagnostics: readonly Diagnostic[];

  constructor(message: string, diagnostics: readonly Diagnostic[] = []) {
    super(message);
    this.diagnostics = diagnostics;
  }
}

/** What a publication would lose of what is published. */
export type Loss = {
  users: { lost: number; of: number };
  domains: { lost: number; of: number };
  /** Of the domains that lose something. */
  changes: readonly DomainChange[];
  /** What is known to be wrong with the files. */
  diagnostics: readonly Diagnostic[];
};

/** Domains that a refusal names: enough to see which file it is. */
const WORST_NAMED = 5;

/**
 * @param why what keeps the source from being read, where that is known
 * @throws SyncRefused where one that is away has published users
 */
export function refuseAbsence(path: string, users: number, why: string | null = null): void {
  if (users === 0) return;
  const away = why === null ? 'is gone or cannot be read' : `cannot be read (${why})`;
  throw new SyncRefused(
    `refused, nothing was changed: ${path} ${away}, and ${users} published users would be with it; ` +
      '--force publishes all the same',
  );
}

/**
 * @param maxLoss share of the users, and of the domains, from 0 to 1
 * @throws SyncRefused where more is lost
 */
export function refuseLoss({ users, domains, changes, diagnostics }: Loss, maxLoss: number): void {
  const exceeds = ({ lost, of }: Loss['users']) => lost > of * maxLoss;
  if (!exceeds(users) && !exceeds(domains)) return;
  const worst = changes.filter(({ entry, removed }) => entry === 'removed' || removed > 0).toSorted(byLoss);
  const more = worst.length > WORST_NAMED ? ` and ${worst.length - WORST_NAMED} more` : '';
  throw new SyncRefused(
    `refused, nothing was changed: ${share(users, 'users')} and ${share(domains, 'domains')} would be lost, more than ` +
      `sync.max_loss (${percent(maxLoss)}) allows: ${worst.slice(0, WORST_NAMED).map(shown).join(', ')}${more}; ` +
      '--force publishes all the same',
    diagnostics,
  );
}

/** The worst first; a domain that is gone before one that only has fewer users. */
function byLoss(one: DomainChange, other: DomainChange): number {
  return other.removed - one.removed || Number(other.entry === 'removed') - Number(one.entry === 'removed');
}

function shown({ domain, entry, users, added, removed }: DomainChange): string {
  const before = users - added + removed;
  const what = entry === 'removed' ? 'is gone with' : 'loses';
  return `${quote(domain)} ${what} ${removed} of ${before} users`;
}

function share({ lost, of }: Loss['users'], what: string): string {
  return `${lost} of ${of} ${what} (${percent(of === 0 ? 0 : lost / of)})`;
}

function percent(value: number): string {
  return `${Number((value * 100).toFixed(1))}%`;
}
