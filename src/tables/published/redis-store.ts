import type { Command, RedisLink, Reply } from '../redis/link.ts';
import type { DomainEntry, TableId, UserRow } from '../teapop/model.ts';
import { type TableStatus, type TableStore, TablesMoved, TablesUnavailable } from '../teapop/store.ts';
import { holdsCrypt } from '../teapop/table-id.ts';
import { decodeBetter, encodeBetter } from './better-hash.ts';
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
import { decodeRows, type StoredRow } from './redis-row.ts';

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
    return (await this.domainsNow(domains)).entries;
  }

  /** As domainEntries, with the generation that all of them are of, unknown ones too. */
  async domainsNow(domains: readonly string[]): Promise<{ generation: number; entries: DomainEntry[][] }> {
    const fields = domains.map((domain) => FIELD_DOMAIN + domain);
    const reply = await this.#link.command('HMGET', this.#keys.domains, FIELD_STAMP, ...fields);
    const [stamp, ...values] = reply as (Buffer | null)[];
    const generation = this.#generation(stamp ?? null) ?? this.#unpublished();
    const entries = domains.map((domain, i) => {
      const value = values[i] ?? null;
      return value === null ? [] : intact(() => decodeEntries(domain, generation, value));
    });
    return { generation, entries };
  }

  async userRows(table: TableId, userid: string, generation?: number): Promise<UserRow[]> {
    const rows = await this.storedRows(table, userid, generation);
    return rows.map(({ fingerprint, ...row }) => row);
  }

  /** As userRows, with what tells them from the rows of the files. */
  async storedRows(table: TableId, userid: string, generation?: number): Promise<StoredRow[]> {
    return (await this.#find(table, userid, generation)) ?? this.#lost(table);
  }

  /** Two proxies that do it at once are both right; whoever comes later stays. */
  async keepBetter(table: TableId, userid: string, row: UserRow, better: string): Promise<boolean> {
    const live = (await this.#find(table, userid)) ?? this.#lost(table);
    const source = live.find(({ secret, mailbox }) => secret === row.secret && mailbox === row.mailbox);
    if (source === undefined) return false;
    const others = live.flatMap((each): [string, string][] =>
      each.better === undefined ? [] : [[each.fingerprint, each.better]],
    );
    const value = encodeBetter(new Map([...others, [source.fingerprint, better]]));
    await this.#link.command('HSET', this.#keys.better(table), FIELD_USER + userid, value);
    return true;
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

  async #find(table: TableId, userid: string, generation?: number): Promise<StoredRow[] | null> {
    const live = this.#keys.table(table);
    if (generation === undefined) return this.#rowsAt(live, table, userid, Number.POSITIVE_INFINITY);
    // A table switched or removed since the domain was read is still there as it was then.
    return (
      (await this.#rowsAt(live, table, userid, generation)) ??
      (await this.#rowsAt(previousOf(live), table, userid, generation))
    );
  }

  /** Null where the hash is not there or is newer than `generation`. */
  async #rowsAt(
    key: string,
    table: TableId,
    userid: string,
    generation: number,
  ): Promise<StoredRow[] | null> {
    const field = FIELD_USER + userid;
    const read: Command = ['HMGET', key, FIELD_STAMP, field];
    // One round trip, and for most tables one command: only crypt(3) rows can have better hashes.
    const [reply, better] = holdsCrypt(table)
      ? await this.#link.batch([read, ['HGET', this.#keys.better(table), field]])
      : [await this.#link.command(...read)];
    const [stamp, value] = reply as (Buffer | null)[];
    const switchedIn = this.#generation(stamp ?? null);
    if (switchedIn === null || switchedIn > generation) return null;
    if (!value) return [];
    return withBetter(
      intact(() => decodeRows(userid, value)),
      better ?? null,
    );
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
    throw new TablesMoved(
      `password table ${table} is not under ${this.#keys.table(table)}: it was evicted or removed, or two ` +
        'publications passed during one lookup',
    );
  }
}

/** A better hash counts for the row whose fingerprint it bears, and for no other. */
function withBetter(rows: StoredRow[], value: Reply): StoredRow[] {
  const hashes = decodeBetter(value as Buffer | null);
  return rows.map((row) => {
    const better = hashes.get(row.fingerprint);
    return better === undefined ? row : { ...row, better };
  });
}

/** Octets in Redis that nothing of ours has written must not look like an unknown user. */
function intact<Value>(decode: () => Value): Value {
  try {
    return decode();
  } catch {
    throw new TablesUnavailable('a stored value is damaged: run sync');
  }
}
