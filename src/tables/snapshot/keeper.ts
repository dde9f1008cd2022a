import { SharedReads } from '../near/shared-reads.ts';
import type { Fallback, FallbackStatus } from '../near/store.ts';
import type { Edition, Feed } from '../published/feed.ts';
import type { RedisLink } from '../redis/link.ts';
import type { DomainEntry, TableId, UserRow } from '../teapop/model.ts';
import { TablesUnavailable } from '../teapop/store.ts';
import { ChangesSince } from './changes-since.ts';
import { type Copied, copyTables } from './copy.ts';
import { SnapshotRefused } from './format.ts';
import { removeLeftovers } from './leftovers.ts';
import { SnapshotFile } from './reader.ts';

export type SnapshotKeeperOptions = {
  path: string;
  prefix: string;
  link: Pick<RedisLink, 'command' | 'batch'>;
  /** Least time from one snapshot to the next, in ms. */
  every: number;
  /** How long after it was what is published a snapshot may serve, in ms. */
  maxStale: number;
  on: SnapshotEvents;
  /** Milliseconds from any start, never set back; and since 1970, as the host has it. */
  now?: () => number;
  clock?: () => number;
};

export interface SnapshotEvents {
  written(copied: Copied, octets: number, duration: number): void;
  /** There is a file at `path`, and it will not be served. */
  refused(reason: string): void;
  /** No snapshot could be written; the one before stays. */
  failed(reason: string): void;
}

/** A date is cheap to note: some octets in place. After a crash the snapshot counts as so much older. In ms. */
const CONFIRM_EVERY = 60_000;
/** A thousand proxies that see the same publication must not read all of Redis at the same moment. */
const SPREAD = 0.1;
/** A clock that is so much behind the one that dated the snapshot is a wrong one, and no age can be told. In ms. */
const CLOCKS_DIFFER = 3_600_000;

/** Keeps a copy of the published tables in a file, and serves from it what is not known to have changed since. */
export class SnapshotKeeper implements Fallback {
  readonly #options: Required<SnapshotKeeperOptions>;
  readonly #reads: SharedReads;
  readonly #stop = new AbortController();
  #file: SnapshotFile | null = null;
  /** False until all of the file has been read once. */
  #verified = false;
  #verifying: Promise<void> = Promise.resolve();
  /** How old the file was when that could first be told. */
  #aged: { age: number; at: number } | null = null;
  #changes = new ChangesSince();
  /** Of the snapshot that is being written. */
  #nextChanges: ChangesSince | null = null;
  #feed: Feed | null = null;
  #writing: Promise<void> | null = null;
  #begunAt = Number.NEGATIVE_INFINITY;
  #due: NodeJS.Timeout | undefined;
  #confirming: NodeJS.Timeout | undefined;

  private constructor(options: SnapshotKeeperOptions) {
    this.#options = { now: () => performance.now(), clock: () => Date.now(), ...options };
    this.#reads = new SharedReads(this.#options.now);
  }

  /** Never rejects: without a snapshot that can be used it begins with none. */
  static async open(options: SnapshotKeeperOptions): Promise<SnapshotKeeper> {
    const keeper = new SnapshotKeeper(options);
    await keeper.#open();
    return keeper;
  }

  /** Of the snapshot; null where there is none. */
  get edition(): Edition | null {
    return this.#file?.head.edition ?? null;
  }

  /** Resolves when it is known whether the file that was found can be used. */
  get verified(): Promise<void> {
    return this.#verifying;
  }

  /** What metrics tell. */
  get state(): { generation: number; age: number | null; octets: number } | null {
    if (this.#file === null) return null;
    const { edition, octets } = this.#file.head;
    return { generation: edition.generation, age: this.#age(), octets };
  }

  /** To be called before the feed starts. */
  follow(feed: Feed): void {
    const { every, clock } = this.#options;
    this.#feed = feed;
    feed.add({
      changed: (difference) => {
        this.#changes.add(difference);
        this.#nextChanges?.add(difference);
        this.#plan();
      },
      answering: () => this.#plan(),
    });
    this.#confirming = setInterval(
      () => {
        if (this.#isCurrent() && feed.trusted) void this.#confirm(clock() - feed.age);
      },
      Math.min(every, CONFIRM_EVERY),
    );
    this.#confirming.unref();
  }

  entries(domain: string): Promise<DomainEntry[] | null> {
    const changed = () => this.#changes.hasDomain(domain);
    return this.#read(`d${domain}`, changed, (file) => file.entries(domain));
  }

  users(table: TableId, userid: string): Promise<UserRow[] | null> {
    const changed = () => this.#changes.hasUser(table, userid);
    return this.#read(`u${table} ${userid}`, changed, (file) => file.users(table, userid));
  }

  status(): FallbackStatus | null {
    if (this.#file === null) return null;
    const { edition, domains, users } = this.#file.head;
    const age = this.#age();
    const old = age === null ? 'of unknown age' : `${Math.round(age / 1000)} s old`;
    const detail = `the snapshot of generation ${edition.generation}, ${old}, is served`;
    return { problem: this.#problem(), detail, publishedAt: edition.publishedAt, domains, users };
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the proxy stops'));
    clearTimeout(this.#due);
    clearInterval(this.#confirming);
    await this.#writing;
    await this.#verifying;
    await this.#file?.close();
    this.#file = null;
  }

  async #open(): Promise<void> {
    const { path, prefix } = this.#options;
    await removeLeftovers(path);
    try {
      this.#file = await SnapshotFile.open(path, prefix);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#refuse(error);
      return;
    }
    this.#verifying = this.#verify(this.#file);
  }

  async #verify(file: SnapshotFile): Promise<void> {
    try {
      await file.verify();
      this.#verified = true;
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    const file = this.#file;
    this.#file = null;
    this.#options.on.refused((error as Error).message);
    // Lookups that are under way end first.
    void file?.close().catch(() => {});
    this.#plan();
  }

  /** Why the file that is there is not served. */
  #problem(): string | null {
    if (!this.#verified) return 'the snapshot has not been checked yet';
    if (this.#changes.all) return 'the snapshot is of other tables than those seen in Redis since';
    const age = this.#age();
    if (age === null) return "the snapshot is dated in the future: is this host's clock right?";
    return age > this.#options.maxStale
      ? `the snapshot is ${Math.round(age / 1000)} s old, above max_stale`
      : null;
  }

  async #read<Rows>(
    key: string,
    changed: () => boolean,
    read: (file: SnapshotFile) => Promise<Rows>,
  ): Promise<Rows | null> {
    const file = this.#file;
    if (file === null || this.#problem() !== null || changed()) return null;
    try {
      const rows = await this.#reads.run(`${file.head.edition.generation} ${key}`, () => read(file));
      // It may have been told of while the file was read.
      return changed() ? null : rows;
    } catch (error) {
      if (!(error instanceof TablesUnavailable) && file === this.#file) this.#refuse(error);
      return null;
    }
  }

  /**
   * Milliseconds since what is served was the published: since the feed last had an answer, for what has changed until
   * then is left out; before its first one since the date in the file. Null where that is in the future.
   */
  #age(): number | null {
    const { now, clock } = this.#options;
    const confirmed = this.#feed?.age ?? Number.POSITIVE_INFINITY;
    if (Number.isFinite(confirmed)) return confirmed;
    if (this.#file === null) return null;
    // The host's clock is asked once: it may be set while the proxy runs.
    const age = clock() - this.#file.date;
    if (this.#aged === null && age >= -CLOCKS_DIFFER) this.#aged = { age: Math.max(0, age), at: now() };
    return this.#aged && this.#aged.age + now() - this.#aged.at;
  }

  #isCurrent(): boolean {
    return this.#file !== null && isSame(this.#file.head.edition, this.#feed?.edition ?? null);
  }

  /** Sees to it that a snapshot is written when it is time, where there is need of one. */
  #plan(): void {
    const feed = this.#feed;
    if (this.#stop.signal.aborted || this.#due !== undefined || this.#writing !== null) return;
    if (!feed?.edition || feed.failure !== null || (this.#isCurrent() && !this.#changes.all)) return;
    const { every, now } = this.#options;
    const wait = Math.max(0, this.#begunAt + every - now()) + Math.random() * every * SPREAD;
    this.#due = setTimeout(() => void this.#writeNow(feed), wait);
    this.#due.unref();
  }

  async #writeNow(feed: Feed): Promise<void> {
    this.#due = undefined;
    // Told of elsewhere; with its next answer there will be a new plan.
    if (feed.failure !== null) return;
    this.#begunAt = this.#options.now();
    this.#writing = this.#write(feed);
    await this.#writing;
    this.#writing = null;
    this.#plan();
  }

  async #write(feed: Feed): Promise<void> {
    const { path, prefix, link, on, now } = this.#options;
    await this.#verifying;
    try {
      const previous = this.#file;
      const settled = (edition: Edition) => this.#settled(feed, edition);
      const copied = await copyTables({ path, prefix, link, previous, settled, signal: this.#stop.signal });
      const octets = await this.#take(await SnapshotFile.open(path, prefix), copied);
      on.written(copied, octets, now() - this.#begunAt);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      on.failed((error as Error).message);
      if (error instanceof SnapshotRefused) this.#refuse(error);
    } finally {
      this.#nextChanges = null;
    }
  }

  /** What is told from now on has changed since the copy. */
  async #settled(feed: Feed, edition: Edition): Promise<boolean> {
    await feed.poll();
    const settled = feed.failure === null && isSame(edition, feed.edition);
    if (settled) this.#nextChanges = new ChangesSince();
    return settled;
  }

  async #take(file: SnapshotFile, { edition }: Copied): Promise<number> {
    if (!isSame(file.head.edition, edition)) {
      await file.close();
      throw new Error('another process writes snapshots to the same path');
    }
    const before = this.#file;
    this.#file = file;
    this.#changes = this.#nextChanges ?? new ChangesSince();
    this.#verified = true;
    await before?.close();
    return file.head.octets;
  }

  async #confirm(at: number): Promise<void> {
    try {
      await this.#file?.confirm(Math.floor(at));
    } catch (error) {
      this.#options.on.failed((error as Error).message);
    }
  }
}

function isSame(one: Edition, other: Edition | null): boolean {
  return one.generation === other?.generation && one.publishedAt === other.publishedAt;
}
