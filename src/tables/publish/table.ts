import { CHANGES_LISTED } from '../published/changes.ts';
import type { Fingerprints } from '../published/fingerprint.ts';
import { RowsLost } from '../published/published.ts';
import { encodeMeta, encodeStamp, type TableMeta } from '../published/redis-format.ts';
import { FIELD_META, FIELD_STAMP, FIELD_USER } from '../published/redis-keys.ts';
import { decodeRows, encodeRows, type StoredRow } from '../published/redis-row.ts';
import type { Command, RedisLink, Reply } from '../redis/link.ts';
import type { Limit } from '../sources/concurrency.ts';
import type { Become } from '../sources/stored-secrets.ts';
import { MalformedOctets } from '../teapop/octets.ts';
import type { PasswordRow } from '../teapop/password-file.ts';

/** What became of the userids and rows of one table. `changed` counts those whose lines in the file differ. */
export type TableCounts = {
  users: number;
  rows: number;
  /** Userids that are new, whose rows differ, and that are there no more. */
  added: number;
  changed: number;
  removed: number;
  /** Rows whose password was hashed or sealed, and those whose stored form stayed. */
  hashed: number;
  reused: number;
};

export type TableWriterOptions = {
  link: RedisLink;
  /** Key of the live table whose stored forms can be used again; null where there is none. */
  live: string | null;
  liveUsers: number;
  /** False where forms of the live table are of no use in this one. */
  reuse: boolean;
  next: string;
  become: Become;
  fingerprints: Fingerprints;
  /** Shared by all tables that are written at the same time. */
  limit: Limit;
  /** Ends the hashing early. */
  stop: AbortSignal;
};

/** A userid's rows in a batch: before in the live table, before in the one being written, and now. */
type UserBatch = { userid: string; live: StoredRow[]; written: StoredRow[]; rows: PasswordRow[] };
export type Fate = 'added' | 'changed' | 'same';
/** The hash's own two fields. */
const OWN_FIELDS = 2;

/** Writes the next generation of one password table, batch by batch, beside the live one. */
export class TableWriter {
  readonly #options: TableWriterOptions;
  readonly #fates: Record<Fate, number> = { added: 0, changed: 0, same: 0 };
  #names: Map<string, Fate> | null = new Map();
  #rows = 0;
  #hashed = 0;
  #reused = 0;

  constructor(options: TableWriterOptions) {
    this.#options = options;
  }

  get hashed(): number {
    return this.#hashed;
  }

  /**
   * Userids that are new or whose rows in Redis differ; null where they are too many to be listed. What was hashed
   * anew from the same line is 'same', and listed.
   */
  get names(): ReadonlyMap<string, Fate> | null {
    return this.#names;
  }

  /** Rows in file order. Rejects with TablesUnavailable. */
  async write(rows: readonly PasswordRow[]): Promise<void> {
    const users = await this.#withBefore(groupByUser(rows));
    const anew = new Set<string>();
    const stored = await Promise.all(
      users.map((user) => Promise.all(user.rows.map((row) => this.#stored(row, user.live, anew)))),
    );
    await this.#store(users, stored, anew);
    this.#rows += rows.length;
  }

  /** Stamps what was written. Rejects where Redis does not hold all of it. */
  async finish(generation: number, meta: Omit<TableMeta, 'users' | 'rows'>): Promise<TableCounts> {
    const { link, next, liveUsers } = this.#options;
    const { added, changed, same } = this.#fates;
    const counts = { users: added + changed + same, rows: this.#rows };
    const full: TableMeta = { ...meta, ...counts };
    const stamp = ['HSET', next, FIELD_STAMP, encodeStamp(generation), FIELD_META, encodeMeta(full)] as const;
    const [, held] = await link.batch([stamp, ['HLEN', next]]);
    if (held !== counts.users + OWN_FIELDS) throw new RowsLost(next);
    const removed = liveUsers - changed - same;
    return { ...counts, added, changed, removed, hashed: this.#hashed, reused: this.#reused };
  }

  async #withBefore(groups: Map<string, PasswordRow[]>): Promise<UserBatch[]> {
    const { live, next, link } = this.#options;
    const fields = [...groups.keys()].map((userid) => FIELD_USER + userid);
    const [inLive, inNext] = await Promise.all([
      live === null ? [] : link.command('HMGET', live, ...fields),
      // Only behind the first batch can there be an earlier line of the same userid.
      this.#rows === 0 ? [] : link.command('HMGET', next, ...fields),
    ]);
    return Array.from(groups, ([userid, rows], i) => ({
      userid,
      rows,
      live: rowsAt(inLive, i, userid),
      written: rowsAt(inNext, i, userid),
    }));
  }

  /** @param anew gets the userids of which a stored form was not used again */
  async #stored(row: PasswordRow, live: readonly StoredRow[], anew: Set<string>): Promise<StoredRow> {
    const { become, fingerprints, reuse, limit, stop } = this.#options;
    const { mailbox, line } = row;
    const fingerprint = fingerprints.row(become.name, row.userid, become.source(row), mailbox);
    const before = live.find((each) => each.fingerprint === fingerprint);
    if (before !== undefined && reuse && become.stays(before.secret, row.userid)) {
      this.#reused++;
      return { secret: before.secret, mailbox, line, fingerprint };
    }
    anew.add(row.userid);
    if (row.type !== 'htpasswd') this.#hashed++;
    const secret = await limit(() => {
      stop.throwIfAborted();
      return become.make(row);
    });
    return { secret, mailbox, line, fingerprint };
  }

  async #store(
    users: readonly UserBatch[],
    stored: readonly StoredRow[][],
    anew: ReadonlySet<string>,
  ): Promise<void> {
    const fields = users.flatMap(({ userid, live, written }, i) => {
      const all = [...written, ...stored[i]!];
      if (written.length > 0) this.#fates[fateOf(live, written)]--;
      const fate = fateOf(live, all);
      this.#fates[fate]++;
      if (fate !== 'same' || anew.has(userid)) this.#list(userid, fate);
      return [FIELD_USER + userid, encodeRows(userid, all)];
    });
    const command: Command = ['HSET', this.#options.next, ...fields];
    if (fields.length > 0) await this.#options.link.command(...command);
  }

  #list(userid: string, fate: Fate): void {
    this.#names?.set(userid, fate);
    if (this.#names !== null && this.#names.size > CHANGES_LISTED) this.#names = null;
  }
}

/** A damaged value has no rows that could be used again: it is replaced. */
function rowsAt(reply: Reply, i: number, userid: string): StoredRow[] {
  const value = (reply as (Buffer | null)[])[i] ?? null;
  try {
    return value === null ? [] : decodeRows(userid, value);
  } catch (error) {
    if (error instanceof MalformedOctets) return [];
    throw error;
  }
}

function groupByUser(rows: readonly PasswordRow[]): Map<string, PasswordRow[]> {
  const groups = new Map<string, PasswordRow[]>();
  for (const row of rows) {
    const group = groups.get(row.userid);
    if (group === undefined) groups.set(row.userid, [row]);
    else group.push(row);
  }
  return groups;
}

function fateOf(live: readonly StoredRow[], now: readonly StoredRow[]): Fate {
  if (live.length === 0) return 'added';
  const same = live.length === now.length && live.every((row, i) => row.fingerprint === now[i]!.fingerprint);
  return same ? 'same' : 'changed';
}
