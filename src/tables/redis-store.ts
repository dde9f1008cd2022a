import type { DomainEntry, TableId, UserRow } from './model.ts';
import type { RedisLink, Reply } from './redis-client.ts';
import { type DomainsMeta, decodeEntries, decodeMeta, decodeStamp, FORMAT } from './redis-format.ts';
import {
  FIELD_DOMAIN,
  FIELD_META,
  FIELD_STAMP,
  FIELD_USER,
  previousOf,
  type RedisKeys,
  redisKeys,
} from './redis-keys.ts';
import { decodeRows } from './redis-row.ts';
import { type TableStatus, type TableStore, TablesUnavailable } from './store.ts';

/** How old what health and metrics tell may be, in ms; the read costs one small command. */
const STATUS_EVERY = 2_000;

export type RedisStoreOptions = { link: RedisLink; prefix: string };

/**
 * The tables that `sync` published. A lookup is one command for the domain and one for the user. Tables that
 * are not there (never published, evicted, of another format) are TablesUnavailable, never an unknown user.
 */
export class RedisStore implements TableStore {
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;
  readonly #timer: NodeJS.Timeout;
  #meta: DomainsMeta | null = null;
  /** Why no login can be decided; null where one can. */
  #problem: string | null = 'the published tables have not been read yet';

  constructor({ link, prefix }: RedisStoreOptions) {
    this.#link = link;
    this.#keys = redisKeys(prefix);
    link.onChange(() => void this.refresh());
    this.#timer = setInterval(() => void this.refresh(), STATUS_EVERY);
    this.#timer.unref();
    void this.refresh();
  }

  async domainEntries(domains: readonly string[]): Promise<DomainEntry[][]> {
    const fields = domains.map((domain) => FIELD_DOMAIN + domain);
    const reply = await this.#link.command('HMGET', this.#keys.domains, FIELD_STAMP, ...fields);
    const [stamp, ...values] = reply as (Buffer | null)[];
    const generation = this.#generation(stamp ?? null) ?? this.#unpublished();
    return domains.map((domain, i) => {
      const value = values[i] ?? null;
      return value === null ? [] : intact(() => decodeEntries(domain, generation, value));
    });
  }

  async userRows(table: TableId, userid: string, generation?: number): Promise<UserRow[]> {
    const value = (await this.#find(this.#keys.table(table), userid, generation)) ?? this.#lost(table);
    if (value === 'none') return [];
    const rows = intact(() => decodeRows(userid, value));
    return rows.map(({ secret, mailbox, line }) => ({ secret, mailbox, line }));
  }

  status(): TableStatus {
    const problem = this.#link.problem() ?? this.#problem;
    return {
      usable: problem === null,
      detail: problem ?? `tables published in Redis under ${this.#keys.domains}`,
      publishedAt: this.#meta?.publishedAt ?? null,
      domains: this.#meta?.domains ?? null,
      users: this.#meta?.users ?? null,
    };
  }

  /** Reads what status() tells. Never rejects. */
  async refresh(): Promise<void> {
    try {
      const reply = await this.#link.command('HMGET', this.#keys.domains, FIELD_STAMP, FIELD_META);
      const [stamp, meta] = reply as (Buffer | null)[];
      if (this.#generation(stamp ?? null) === null || !meta) this.#unpublished();
      else this.#meta = intact(() => decodeMeta<DomainsMeta>(meta));
      this.#problem = null;
    } catch (error) {
      this.#problem = (error as Error).message;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#link.close();
  }

  async #find(live: string, userid: string, generation?: number): Promise<Buffer | 'none' | null> {
    if (generation === undefined) return this.#userValue(live, userid, Number.POSITIVE_INFINITY);
    // A table switched or removed since the domain was read is still there as it was then.
    return (
      (await this.#userValue(live, userid, generation)) ??
      (await this.#userValue(previousOf(live), userid, generation))
    );
  }

  /** Null where the hash is not there or is newer than `generation`. */
  async #userValue(key: string, userid: string, generation: number): Promise<Buffer | 'none' | null> {
    const reply: Reply = await this.#link.command('HMGET', key, FIELD_STAMP, FIELD_USER + userid);
    const [stamp, value] = reply as (Buffer | null)[];
    const switchedIn = this.#generation(stamp ?? null);
    if (switchedIn === null || switchedIn > generation) return null;
    return value ?? 'none';
  }

  /** Null where there is no stamp. */
  #generation(value: Buffer | null): number | null {
    if (value === null) return null;
    const stamp = decodeStamp(value);
    if (stamp?.format === FORMAT) return stamp.generation;
    throw new TablesUnavailable(
      `the tables under ${this.#keys.domains} are in format ${stamp?.format ?? 'unknown'}, this version ` +
        `reads format ${FORMAT}: run the sync of this version`,
    );
  }

  #unpublished(): never {
    throw new TablesUnavailable(`no tables are published under ${this.#keys.domains}: run sync`);
  }

  #lost(table: TableId): never {
    throw new TablesUnavailable(
      `password table ${table} is not under ${this.#keys.table(table)}: it was evicted or removed, or two ` +
        'publications passed during one lookup',
    );
  }
}

/** Octets in Redis that nothing of ours has written must not look like an unknown user. */
function intact<Value>(decode: () => Value): Value {
  try {
    return decode();
  } catch {
    throw new TablesUnavailable('a stored value is damaged: run sync');
  }
}
