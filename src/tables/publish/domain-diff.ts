import type { Published } from '../published/published.ts';
import { decodeEntries, encodeEntries } from '../published/redis-format.ts';
import { FIELD_DOMAIN, type RedisKeys } from '../published/redis-keys.ts';
import { scan } from '../published/redis-scan.ts';
import type { RedisLink } from '../redis/link.ts';
import type { DomainEntry, TableId } from '../teapop/model.ts';
import type { PackedDomains } from './domains.ts';

/** In what the domain table of the files differs from the live one. */
export type DomainDiff = {
  added: string[];
  /** Domains whose logins may be decided otherwise; not those whose lines only stand elsewhere. */
  changed: string[];
  removed: string[];
  /** Domains whose value in Redis differs in any way; null where the live table cannot be told apart. */
  names: string[] | null;
  /** Of the domains in `names`, which were there before: the password tables they were decided by. */
  tablesBefore: Map<string, TableId[]>;
  /** New password tables, each with the one that it takes the place of: a file that moved, or another <max>. */
  successors: Map<TableId, TableId>;
};

/** What stays where nothing differs. */
export function noDifference(): DomainDiff {
  return { added: [], changed: [], removed: [], names: [], tablesBefore: new Map(), successors: new Map() };
}

/** Reads the live domain table and compares it. Rejects with TablesUnavailable. */
export async function diffDomains(
  link: RedisLink,
  keys: RedisKeys,
  found: Published,
  packed: PackedDomains,
): Promise<DomainDiff> {
  const diff = noDifference();
  if (found.domains?.meta == null) return { ...diff, added: [...packed.keys()], names: null };
  const seen = new Set<string>();
  const succession = new Succession();
  const named = new Set([...packed.values()].flatMap(({ entries }) => tablesOf(entries)));
  const isNew = (id: TableId) => named.has(id) && !found.tables.has(id);
  const isGone = (id: TableId) => found.tables.has(id) && !named.has(id);
  for await (const [field, value] of scan(link, keys.domains)) {
    const domain = field.slice(FIELD_DOMAIN.length);
    // A scan may tell a field twice.
    if (!field.startsWith(FIELD_DOMAIN) || seen.has(domain)) continue;
    seen.add(domain);
    const now = packed.get(domain);
    if (now?.value.equals(value)) continue;
    const before = decodeEntries(domain, 0, value);
    diff.names!.push(domain);
    diff.tablesBefore.set(domain, tablesOf(before));
    if (now === undefined) diff.removed.push(domain);
    else if (decidesOtherwise(before, now.entries)) diff.changed.push(domain);
    succession.pair(before.filter(decidedBy(isGone)), (now?.entries ?? []).filter(decidedBy(isNew)));
  }
  for (const domain of packed.keys()) if (!seen.has(domain)) diff.added.push(domain);
  // A scan tells them in no order.
  diff.removed.sort();
  const names = [...diff.names!, ...diff.added];
  return { ...diff, names, successors: succession.successors };
}

/** The password tables of some entries, each once. */
export function tablesOf(entries: readonly DomainEntry[]): TableId[] {
  return [...new Set(entries.flatMap(({ table }) => table ?? []))];
}

function decidedBy(wanted: (id: TableId) => boolean) {
  return ({ table }: DomainEntry) => table !== null && wanted(table);
}

function decidesOtherwise(before: readonly DomainEntry[], now: readonly DomainEntry[]): boolean {
  return !withoutPlace(before).equals(withoutPlace(now));
}

/** A line more at the top of the file moves all below it. */
function withoutPlace(entries: readonly DomainEntry[]): Buffer {
  return encodeEntries(entries.map((entry) => ({ ...entry, ordinal: 0, line: 0 })));
}

/** Pairs tables that domains have lost with those they have got, each once. */
class Succession {
  readonly successors = new Map<TableId, TableId>();
  readonly #taken = new Set<TableId>();

  /** The entries of one domain: those whose table is gone, and those whose table is new. */
  pair(gone: readonly DomainEntry[], fresh: readonly DomainEntry[]): void {
    for (const one of fresh) {
      for (const other of gone) if (one.localAddress === other.localAddress) this.#pair(one, other);
    }
    for (const one of fresh) for (const other of gone) this.#pair(one, other);
  }

  #pair(one: DomainEntry, other: DomainEntry): void {
    if (this.successors.has(one.table!) || this.#taken.has(other.table!)) return;
    this.successors.set(one.table!, other.table!);
    this.#taken.add(other.table!);
  }
}
