import type { RedisLink } from '../redis/link.ts';
import { TablesUnavailable } from '../teapop/store.ts';
import { CHANGES_KEPT, decodeChanges, type LoggedChanges } from './change-log.ts';
import { type DomainsMeta, decodeMeta, decodeStamp, FORMAT } from './redis-format.ts';
import { FIELD_META, FIELD_STAMP, type RedisKeys, redisKeys } from './redis-keys.ts';

/** One generation of one history: a Redis that came back empty counts from the start again, see change-log.ts. */
export type Edition = { generation: number; publishedAt: number };

/** What differs from the edition that was known before: by name, generation for generation, or all of it. */
export type Difference = readonly (LoggedChanges & { generation: number })[] | 'all';

export interface FeedListener {
  /** The rows in memory are those of `edition` now but for these. Null: of none that this version can read. */
  changed(difference: Difference, edition: Edition | null): void;
  /** Called with each change between answers and none, `detail` says why there are none. */
  answering?(answers: boolean, detail: string): void;
}

export type FeedOptions = {
  link: Pick<RedisLink, 'command' | 'onChange' | 'problem'>;
  prefix: string;
  /** How long an answer of Redis is good for, in ms. */
  trust: number;
  /** Hears nudges; without them a change is seen at the next poll. */
  listen?: ((channel: string, heard: () => void) => { close(): void }) | undefined;
  /** What is held at the start, of a snapshot. */
  held?: Edition | null;
  /** Milliseconds from any start, never set back. */
  now?: () => number;
};

/** Two polls fit into the second within which a change has to be seen, in ms; each costs Redis some microseconds. */
const POLL_EVERY = 500;

/**
 * Follows what is published: asks for the stamp of the domain table twice a second, and at once when it is nudged.
 * Only an answer counts, from the moment that its question was sent: that nothing was heard says nothing.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #now: () => number;
  readonly #keys: RedisKeys;
  readonly #every: number;
  readonly #listeners: FeedListener[] = [];
  #nudges: { close(): void } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #edition: Edition | null;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #failure: string | null = null;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#keys = redisKeys(options.prefix);
    this.#every = Math.min(POLL_EVERY, options.trust / 2);
    this.#edition = options.held ?? null;
  }

  /** Listeners hear of a difference in the order in which they were added, before anything else happens. */
  add(listener: FeedListener): void {
    this.#listeners.push(listener);
  }

  start(): void {
    const { link, listen } = this.#options;
    this.#nudges = listen?.(this.#keys.changed, () => void this.poll()) ?? null;
    link.onChange(() => void this.poll());
    void this.poll();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#nudges?.close();
  }

  /** What the rows in memory are of. The same object as long as it is the same edition. */
  get edition(): Edition | null {
    return this.#edition;
  }

  /** Milliseconds since it was true for sure that the edition is the published one; Infinity where it never was. */
  get age(): number {
    return this.#now() - this.#confirmedAt;
  }

  /** Whether the edition can be taken for the published one: Redis said so lately, and nothing else since. */
  get trusted(): boolean {
    return this.#failure === null && this.#now() - this.#confirmedAt <= this.#options.trust;
  }

  /** Why the last poll had no answer; null where it had one, and before the first. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Resolves when a poll has ended that begins from now on; never rejects. All who ask meanwhile share it. */
  poll(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      this.#running = this.#poll();
      return this.#running;
    });
    return this.#next;
  }

  async #poll(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const sent = this.#now();
    try {
      await this.#follow();
      this.#confirmedAt = sent;
      this.#tell(null);
    } catch (error) {
      this.#tell((error as Error).message);
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.poll(), Math.max(0, sent + this.#every - this.#now()));
    this.#timer.unref();
  }

  #tell(failure: string | null): void {
    const changed = (this.#failure === null) !== (failure === null);
    this.#failure = failure;
    if (!changed) return;
    for (const listener of this.#listeners) listener.answering?.(failure === null, failure ?? '');
  }

  async #follow(): Promise<void> {
    const found = await this.#published();
    const held = this.#edition;
    if (held?.generation === found.generation && held.publishedAt === found.publishedAt) return;
    this.#set(found, held === null ? 'all' : await this.#between(held, found));
  }

  async #published(): Promise<Edition> {
    const { link } = this.#options;
    const reply = await link.command('HMGET', this.#keys.domains, FIELD_STAMP, FIELD_META);
    const [stampValue, metaValue] = reply as (Buffer | null)[];
    if (!stampValue || !metaValue)
      throw new TablesUnavailable(`no tables are published under ${this.#keys.domains}`);
    const stamp = decodeStamp(stampValue);
    if (stamp?.format !== FORMAT) {
      this.#set(null, 'all');
      throw new TablesUnavailable(
        `the tables under ${this.#keys.domains} are not in format ${FORMAT}, that of this version`,
      );
    }
    return { generation: stamp.generation, publishedAt: publishedAt(metaValue) };
  }

  /** By name where every generation from the one that is held is listed, and is of the same history. */
  async #between(held: Edition, found: Edition): Promise<Difference> {
    const missed = found.generation - held.generation;
    if (missed <= 0 || missed >= CHANGES_KEPT) return 'all';
    const generations = Array.from({ length: missed + 1 }, (_, i) => held.generation + i);
    const reply = await this.#options.link.command('HMGET', this.#keys.changes, ...generations);
    const logged = (reply as (Buffer | null)[]).map((value) => value && decodeChanges(value));
    const [first, ...missing] = logged;
    if (first?.publishedAt !== held.publishedAt) return 'all';
    if (missing.at(-1)?.publishedAt !== found.publishedAt) return 'all';
    if (missing.some((changes) => changes === null)) return 'all';
    return missing.map((changes, i) => ({ ...changes!, generation: held.generation + 1 + i }));
  }

  #set(edition: Edition | null, difference: Difference): void {
    this.#edition = edition;
    for (const listener of this.#listeners) listener.changed(difference, edition);
  }
}

/** @throws TablesUnavailable */
function publishedAt(meta: Buffer): number {
  try {
    return decodeMeta<DomainsMeta>(meta).publishedAt;
  } catch {
    throw new TablesUnavailable('a stored value is damaged: run sync');
  }
}
