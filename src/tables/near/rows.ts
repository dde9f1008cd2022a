import type { Changes } from '../published/changes.ts';
import type { DomainEntry, TableId, UserRow } from '../teapop/model.ts';
import { Lru } from './lru.ts';

export type NearBounds = {
  /** Rows of domains and users together, and roughly the octets that they take. */
  rows: number;
  octets: number;
  /** Names that are known to be unknown. */
  unknown: number;
};

/** Where domains are kept; no table has this id. */
const DOMAINS = '';

/** Every login may ask for these whether they exist or not: they stay with the rows that are in use. */
const ALWAYS_ASKED = new Set(['', 'empty', 'default']);

/** Longer names are no user's: they are asked for each time, so that what a stranger sends takes no room. */
const LONGEST_UNKNOWN = 256;
/** What one of them takes at most: its place, its name, and maybe a table of its own. */
const UNKNOWN_OCTETS = 1024;

/** What objects and map slots take besides the strings, as measured on both runtimes. */
const PLACE_OCTETS = 400;
const ENTRY_OCTETS = 500;
const ROW_OCTETS = 200;

const NONE: never[] = [];

/**
 * The rows in memory, all of the one generation that the feed follows. Names that are not in the tables have room
 * of their own: however many strangers make up, they push out nothing but each other.
 */
export class NearRows {
  readonly #known: Lru<readonly (DomainEntry | UserRow)[]>;
  readonly #unknown: Lru<null>;

  constructor({ rows, octets, unknown }: NearBounds) {
    this.#known = new Lru({ rows, octets });
    this.#unknown = new Lru({ rows: unknown, octets: unknown * UNKNOWN_OCTETS });
  }

  get hot(): number {
    return this.#known.rows;
  }

  get unknown(): number {
    return this.#unknown.rows;
  }

  get octets(): number {
    return this.#known.octets + this.#unknown.octets;
  }

  /** Undefined where nothing is known of the domain. @param generation that the feed follows now */
  entries(domain: string, generation: number): DomainEntry[] | undefined {
    const found = this.#known.get(DOMAINS, domain) as DomainEntry[] | undefined;
    if (found === undefined) return this.#unknown.get(DOMAINS, domain) === undefined ? undefined : NONE;
    if (found.length === 0 || found[0]!.generation === generation) return found;
    // Unchanged since they were read, hence of this generation as well.
    const renewed = found.map((entry) => ({ ...entry, generation }));
    this.keepEntries(domain, renewed);
    return renewed;
  }

  /** Undefined where nothing is known of the userid. */
  users(table: TableId, userid: string): UserRow[] | undefined {
    const found = this.#known.get(table, userid) as UserRow[] | undefined;
    if (found !== undefined) return found;
    return this.#unknown.get(table, userid) === undefined ? undefined : NONE;
  }

  keepEntries(domain: string, entries: readonly DomainEntry[]): void {
    if (entries.length === 0 && !ALWAYS_ASKED.has(domain)) this.#keepUnknown(DOMAINS, domain);
    else
      this.#keep(
        DOMAINS,
        domain,
        entries,
        entries.reduce((sum, entry) => sum + entryOctets(entry), 0),
      );
  }

  keepUsers(table: TableId, userid: string, rows: readonly UserRow[]): void {
    if (rows.length === 0) this.#keepUnknown(table, userid);
    else
      this.#keep(
        table,
        userid,
        rows,
        rows.reduce((sum, row) => sum + rowOctets(row), 0),
      );
  }

  /** Returns how many rows went. */
  forget({ domains, tables }: Changes): number {
    let gone = this.#forget(DOMAINS, domains);
    for (const [table, userids] of tables) gone += this.#forget(table, userids);
    return gone;
  }

  forgetDomain(domain: string): void {
    this.#forget(DOMAINS, [domain]);
  }

  forgetUser(table: TableId, userid: string): void {
    this.#forget(table, [userid]);
  }

  clear(): number {
    return this.#known.clear() + this.#unknown.clear();
  }

  #keep(group: string, name: string, rows: readonly (DomainEntry | UserRow)[], octets: number): void {
    this.#unknown.delete(group, name);
    this.#known.set(group, ownCopy(name), rows, PLACE_OCTETS + name.length + octets);
  }

  #keepUnknown(group: string, name: string): void {
    this.#known.delete(group, name);
    if (name.length <= LONGEST_UNKNOWN)
      this.#unknown.set(group, ownCopy(name), null, PLACE_OCTETS + name.length);
  }

  #forget(group: string, names: readonly string[] | null): number {
    if (names === null) return this.#known.deleteGroup(group) + this.#unknown.deleteGroup(group);
    let gone = 0;
    for (const name of names) {
      if (this.#known.delete(group, name) || this.#unknown.delete(group, name)) gone++;
    }
    return gone;
  }
}

/** Engines keep the whole line alive of which a name is a part: so the bound would hold for the names alone. */
function ownCopy(name: string): string {
  return Buffer.from(name, 'latin1').toString('latin1');
}

function entryOctets({ domain, maildir, localAddress, uid, gid, table, lockedOut }: DomainEntry): number {
  const texts = [domain, maildir, localAddress, uid, gid, table ?? '', lockedOut ?? ''];
  return texts.reduce((sum, text) => sum + text.length, ENTRY_OCTETS);
}

function rowOctets({ secret, mailbox, better = '' }: UserRow): number {
  return ROW_OCTETS + secret.length + mailbox.length + better.length;
}
