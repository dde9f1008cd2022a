import type { Feed } from '../published/feed.ts';
import type { RedisStore } from '../published/redis-store.ts';
import type { DomainEntry, TableId, UserRow } from '../teapop/model.ts';
import { sized } from '../teapop/octets.ts';
import type { Soon } from '../teapop/soon.ts';
import { type TableStatus, type TableStore, TablesMoved, TablesUnavailable } from '../teapop/store.ts';
import { type NearBounds, NearRows } from './rows.ts';
import { SharedReads } from './shared-reads.ts';

/** A copy of the tables for the time that Redis cannot be asked. */
export interface Fallback {
  /** Null where it cannot tell: it is too old, or these are known to have changed since. An unknown domain has none. */
  entries(domain: string): Promise<DomainEntry[] | null>;
  /** The same for a userid. */
  users(table: TableId, userid: string): Promise<UserRow[] | null>;
  /** How it stands; null where there is none. */
  status(): FallbackStatus | null;
  close(): Promise<void>;
}

/** `problem` says why none of it is served, or is null. */
export type FallbackStatus = { problem: string | null; detail: string } & Omit<
  TableStatus,
  'usable' | 'detail'
>;

export type NearStoreOptions = {
  store: Pick<RedisStore, 'domainsNow' | 'userRows' | 'keepBetter' | 'status' | 'close'>;
  /** Not yet started. */
  feed: Feed;
  bounds: NearBounds;
  fallback: Fallback | null;
  /** How long rows may be served without Redis, in ms. */
  maxStale: number;
  now?: () => number;
};

/** Lookups by where their answer came from. */
export type LookupCounts = { memory: number; redis: number; snapshot: number; unavailable: number };

/**
 * Lookups from memory, from Redis, or from what is left without it.
 *
 * As long as the feed is trusted, a row in memory is what is published, but for the last second. Where it is not,
 * Redis is asked; where that cannot be asked, rows serve that were the published ones up to `maxStale` ago, from
 * memory or from the fallback, but none that is known to have changed. Then nobody is unknown: the user may be in
 * what cannot be seen, so the login is answered [SYS/TEMP].
 */
export class NearStore implements TableStore {
  readonly #options: NearStoreOptions;
  readonly #feed: Feed;
  readonly #rows: NearRows;
  readonly #reads: SharedReads;
  readonly #counts: LookupCounts = { memory: 0, redis: 0, snapshot: 0, unavailable: 0 };
  #invalidated = 0;

  constructor(options: NearStoreOptions) {
    this.#options = options;
    this.#feed = options.feed;
    this.#rows = new NearRows(options.bounds);
    this.#reads = new SharedReads(options.now ?? (() => performance.now()));
    this.#feed.add({
      changed: (difference) => {
        if (difference === 'all') this.#invalidated += this.#rows.clear();
        else for (const changes of difference) this.#invalidated += this.#rows.forget(changes);
      },
    });
  }

  get counts(): Readonly<LookupCounts> {
    return this.#counts;
  }

  /** Rows in memory, names known to be unknown, and roughly the octets of both. */
  get size(): { hot: number; unknown: number; octets: number } {
    const { hot, unknown, octets } = this.#rows;
    return { hot, unknown, octets };
  }

  /** Rows that went from memory because they had changed. */
  get invalidated(): number {
    return this.#invalidated;
  }

  domainEntries(domains: readonly string[]): Soon<DomainEntry[][]> {
    const hot = this.#feed.trusted ? this.#hotEntries(domains) : null;
    if (hot === null) return this.#answered(this.#askEntries, this.#leftEntries, domains);
    this.#counts.memory++;
    return hot;
  }

  userRows(table: TableId, userid: string, generation?: number): Soon<UserRow[]> {
    // A row of one generation with the entry of another might be neither's.
    if (generation === this.#feed.edition?.generation && this.#feed.trusted) {
      const hot = this.#rows.users(table, userid);
      if (hot !== undefined) {
        this.#counts.memory++;
        return hot;
      }
    }
    return this.#answered(this.#askUsers, this.#leftUsers, table, userid, generation);
  }

  async keepBetter(table: TableId, userid: string, row: UserRow, better: string): Promise<boolean> {
    const kept = await this.#options.store.keepBetter(table, userid, row, better);
    // The row in memory has not got it.
    this.#rows.forgetUser(table, userid);
    return kept;
  }

  status(): TableStatus {
    const status = this.#options.store.status();
    const fallback = this.#options.fallback?.status() ?? null;
    const known = { ...fallback, ...present(status) };
    const { publishedAt = null, domains = null, users = null } = known;
    if (status.usable) return { usable: true, detail: status.detail, publishedAt, domains, users };
    const hot = `${this.#rows.hot} rows in memory are served alone`;
    const detail =
      fallback === null ? `no snapshot is at hand, ${hot}` : (fallback.problem ?? fallback.detail);
    const usable = fallback !== null && fallback.problem === null;
    return { usable, detail: `${status.detail}; ${detail}`, publishedAt, domains, users };
  }

  async close(): Promise<void> {
    this.#feed.close();
    await this.#options.fallback?.close();
    await this.#options.store.close();
  }

  /**
   * Asks Redis, whatever the feed says of it: what it answers is right. One that is known to be gone costs no time, for
   * the link says so at once; the first questions that it leaves unanswered take the link's timeout.
   */
  async #answered<Question extends unknown[], Answer>(
    ask: (...question: Question) => Promise<Answer>,
    left: (...question: Question) => Promise<Answer | null>,
    ...question: Question
  ): Promise<Answer> {
    try {
      const answer = await ask(...question);
      this.#counts.redis++;
      return answer;
    } catch (error) {
      if (!(error instanceof TablesUnavailable) || error instanceof TablesMoved) throw error;
      const before = this.#feed.edition;
      const answer = await left(...question);
      if (answer !== null) return answer;
      // Redis is back, and has told of the change that left nothing.
      if (this.#feed.edition !== before) throw new TablesMoved((error as Error).message);
      this.#counts.unavailable++;
      throw error;
    }
  }

  #hotEntries(domains: readonly string[]): DomainEntry[][] | null {
    const generation = this.#feed.edition?.generation;
    if (generation === undefined) return null;
    const found: DomainEntry[][] = [];
    for (const domain of domains) {
      const entries = this.#rows.entries(domain, generation);
      if (entries === undefined) return null;
      found.push(entries);
    }
    return found;
  }

  readonly #askEntries = (domains: readonly string[]): Promise<DomainEntry[][]> => {
    return this.#reads.run(domains.map(sized).join(''), async () => {
      const before = this.#feed.edition;
      const { generation, entries } = await this.#options.store.domainsNow(domains);
      const current = before === this.#feed.edition && generation === before?.generation;
      for (const [i, domain] of domains.entries()) {
        if (current) this.#rows.keepEntries(domain, entries[i]!);
        // What is in memory may be what these replaced.
        else this.#rows.forgetDomain(domain);
      }
      if (!current) void this.#feed.poll();
      return entries;
    });
  };

  readonly #askUsers = async (table: TableId, userid: string, generation?: number): Promise<UserRow[]> => {
    try {
      return await this.#reads.run(`${table} ${generation} ${userid}`, async () => {
        const before = this.#feed.edition;
        const rows = await this.#options.store.userRows(table, userid, generation);
        if (before === this.#feed.edition && generation === before?.generation)
          this.#rows.keepUsers(table, userid, rows);
        else this.#rows.forgetUser(table, userid);
        return rows;
      });
    } catch (error) {
      if (!(error instanceof TablesMoved)) throw error;
      // The next walk must not begin in the same tables again.
      await this.#feed.poll();
      if (this.#feed.edition?.generation !== generation) throw error;
      throw new TablesUnavailable(error.message);
    }
  };

  readonly #leftEntries = async (domains: readonly string[]): Promise<DomainEntry[][] | null> => {
    const generation = this.#remembered ? this.#feed.edition?.generation : undefined;
    const found: DomainEntry[][] = [];
    let copied = false;
    for (const domain of domains) {
      let entries = generation === undefined ? undefined : this.#rows.entries(domain, generation);
      if (entries === undefined) {
        copied = true;
        entries = (await this.#options.fallback?.entries(domain)) ?? undefined;
      }
      if (entries === undefined) return null;
      found.push(entries);
    }
    if (found.every((entries) => entries.length === 0)) return null;
    this.#counts[copied ? 'snapshot' : 'memory']++;
    return found;
  };

  readonly #leftUsers = async (table: TableId, userid: string): Promise<UserRow[] | null> => {
    const hot = this.#remembered ? this.#rows.users(table, userid) : undefined;
    if (hot !== undefined && hot.length > 0) {
      this.#counts.memory++;
      return hot;
    }
    const copied = hot === undefined ? await this.#options.fallback?.users(table, userid) : null;
    if (!copied || copied.length === 0) return null;
    this.#counts.snapshot++;
    return copied;
  };

  /** Whether rows in memory may serve without Redis. */
  get #remembered(): boolean {
    return this.#feed.age <= this.#options.maxStale;
  }
}

/** Without what is not known. */
function present<Facts extends object>(facts: Facts): Partial<Facts> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null)) as Partial<Facts>;
}
