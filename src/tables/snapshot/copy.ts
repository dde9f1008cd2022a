import type { Edition } from '../published/feed.ts';
import { FIELD_DOMAIN, FIELD_META, FIELD_STAMP, FIELD_USER, redisKeys } from '../published/redis-keys.ts';
import type { Command, RedisLink } from '../redis/link.ts';
import type { TableId } from '../teapop/model.ts';
import { varint } from '../teapop/octets.ts';
import { TablesUnavailable } from '../teapop/store.ts';
import type { SnapshotFile } from './reader.ts';
import { DOMAINS_ID, type Section } from './records.ts';
import { identityOf, readSources, type Source, type Sources } from './sources.ts';
import { type Mark, SnapshotWriter } from './writer.ts';

export type CopyOptions = {
  link: Pick<RedisLink, 'command' | 'batch'>;
  prefix: string;
  path: string;
  /** The snapshot before: its sections of unchanged tables are taken over. */
  previous: SnapshotFile | null;
  /** Whether this edition still is the published one. Asked last; with true the copy is settled as of then. */
  settled(edition: Edition): Promise<boolean>;
  signal: AbortSignal;
};

export type Copied = { edition: Edition; sections: number; taken: number; users: number };

/** Fields asked for at once: a reply of some 50 KB, worked off within a millisecond. */
const FIELDS_AT_ONCE = 500;
/** Tables whose first fields are asked for in one go, for a site may have a hundred thousand small ones. */
const TABLES_AT_ONCE = 32;
/** Each round copies what was published in the one before; who publishes faster than that gets no snapshot. */
const MOST_ROUNDS = 10;

/** Sections as they were written, by the id of their table. */
type Written = Map<TableId, Section & { pairs: number }>;

/**
 * Copies the published tables into a snapshot at `path`: those that changed from Redis, the others from the file that
 * is there. Rejects with TablesUnavailable, with the system's error or with the signal's reason; the file that is
 * there stays then.
 */
export async function copyTables(options: CopyOptions): Promise<Copied> {
  const writer = await SnapshotWriter.create(options.path);
  try {
    return await new Copy(options, writer).run();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

class Copy {
  readonly #options: CopyOptions;
  readonly #writer: SnapshotWriter;
  readonly #written: Written = new Map();
  #nextNumber: number;
  #taken = 0;

  constructor(options: CopyOptions, writer: SnapshotWriter) {
    this.#options = options;
    this.#writer = writer;
    this.#nextNumber = options.previous?.head.nextNumber ?? 0;
  }

  async run(): Promise<Copied> {
    const { link, prefix } = this.#options;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const date = Date.now();
      const sources = await readSources(link, redisKeys(prefix));
      for (const id of this.#written.keys()) if (!sources.tables.has(id)) this.#written.delete(id);
      const left = Array.from(sources.tables.values()).filter((source) => !this.#has(source));
      if (left.length === 0 && (await this.#options.settled(sources.edition)))
        return this.#finish(sources, date);
      await this.#copyAll(round === 0 ? await this.#takeOver(left) : left);
    }
    throw new TablesUnavailable('the tables were published anew faster than they could be copied');
  }

  async #finish({ edition, meta }: Sources, date: number): Promise<Copied> {
    const { prefix, signal } = this.#options;
    signal.throwIfAborted();
    const { domains, users } = meta;
    const nextNumber = this.#nextNumber;
    await this.#writer.finish(this.#written, { prefix, edition, domains, users, nextNumber, date });
    return { edition, sections: this.#written.size, taken: this.#taken, users };
  }

  #has(source: Source): boolean {
    const written = this.#written.get(source.id);
    return written?.generation === source.generation && written.source === source.source;
  }

  /** Takes what the file before has of these tables over. Returns the others. */
  async #takeOver(sources: readonly Source[]): Promise<Source[]> {
    const { previous } = this.#options;
    const known = (await previous?.sections()) ?? new Map<TableId, Section>();
    const same = sources.flatMap(({ id, generation, source }) => {
      const section = known.get(id);
      return section?.generation === generation && section.source === source ? [{ id, section }] : [];
    });
    same.sort((one, other) => one.section.at - other.section.at);
    // Sections that lie together are read as one.
    for (let first = 0; first < same.length; ) {
      let next = first + 1;
      while (next < same.length && endOf(same[next - 1]!.section) === same[next]!.section.at) next++;
      await this.#takeRun(same.slice(first, next));
      first = next;
    }
    this.#taken = same.length;
    return sources.filter((source) => !this.#has(source));
  }

  async #takeRun(run: readonly { id: TableId; section: Section }[]): Promise<void> {
    const start = this.#writer.mark;
    const from = run[0]!.section.at;
    for await (const octets of this.#options.previous!.records(from, endOf(run.at(-1)!.section))) {
      this.#writer.copy(octets);
      await this.#writer.drain();
      this.#options.signal.throwIfAborted();
    }
    let { pairs } = start;
    for (const { id, section } of run) {
      this.#written.set(id, { ...section, at: start.at + section.at - from, pairs });
      pairs += section.records;
    }
  }

  async #copyAll(sources: readonly Source[]): Promise<void> {
    for (let i = 0; i < sources.length; i += TABLES_AT_ONCE) {
      const some = sources.slice(i, i + TABLES_AT_ONCE);
      const replies = await this.#options.link.batch(
        some.flatMap(({ key }) => [scan(key, '0'), stampOf(key)]),
      );
      for (const [j, source] of some.entries()) {
        await this.#copy(source, replies[2 * j] as Scanned, replies[2 * j + 1] as (Buffer | null)[]);
      }
    }
  }

  /** @param first the reply to its first scan, and what it was behind that */
  async #copy(source: Source, first: Scanned, stamp: (Buffer | null)[]): Promise<void> {
    const { link, signal } = this.#options;
    const number = this.#written.get(source.id)?.number ?? this.#nextNumber++;
    const mark = this.#writer.mark;
    let [cursor, fields] = first;
    let last = stamp;
    for (;;) {
      this.#addFields(source, number, fields);
      await this.#writer.drain();
      signal.throwIfAborted();
      if (cursor.toString('latin1') === '0') break;
      [cursor, fields] = (await link.command(...scan(source.key, cursor))) as Scanned;
      // With the last one it has to be what it was with the first.
      if (cursor.toString('latin1') === '0')
        last = (await link.command(...stampOf(source.key))) as typeof last;
    }
    if (identityOf(source.id, last) === source.identity) this.#note(source, number, mark);
    else this.#written.delete(source.id);
  }

  #addFields({ id }: Source, number: number, fields: readonly Buffer[]): void {
    const names = (id === DOMAINS_ID ? FIELD_DOMAIN : FIELD_USER).charCodeAt(0);
    const prefix = Buffer.from(id === DOMAINS_ID ? 'd' : `u${varint(number)}`, 'latin1');
    for (let i = 0; i < fields.length; i += 2) {
      const field = fields[i]!;
      if (field[0] === names) this.#writer.add(Buffer.concat([prefix, field.subarray(1)]), fields[i + 1]!);
    }
  }

  #note({ id, generation, source, rows }: Source, number: number, { at, pairs }: Mark): void {
    const end = this.#writer.mark;
    const records = end.pairs - pairs;
    if (records < rows) throw new TablesUnavailable(`Redis has ${records} of the ${rows} rows of a table`);
    this.#written.set(id, { number, generation, source, at, octets: end.at - at, records, pairs });
  }
}

type Scanned = [cursor: Buffer, fields: Buffer[]];

function scan(key: string, cursor: string | Buffer): Command {
  return ['HSCAN', key, cursor, 'COUNT', FIELDS_AT_ONCE];
}

function stampOf(key: string): Command {
  return ['HMGET', key, FIELD_STAMP, FIELD_META];
}

function endOf({ at, octets }: Section): number {
  return at + octets;
}
