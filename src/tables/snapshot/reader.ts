import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Lru } from '../near/lru.ts';
import { decodeEntries } from '../published/redis-format.ts';
import { decodeRows } from '../published/redis-row.ts';
import type { DomainEntry, TableId, UserRow } from '../teapop/model.ts';
import {
  decodeDate,
  decodeHead,
  encodeDate,
  HEAD_OCTETS,
  hashKey,
  homeOf,
  placeOfDate,
  SLOT_OCTETS,
  type SnapshotDate,
  type SnapshotHead,
  SnapshotRefused,
  tagOf,
} from './format.ts';
import {
  decodeSection,
  domainKey,
  idOfSection,
  recordAt,
  type Section,
  sectionKey,
  userKey,
} from './records.ts';

/** Slots read at once: the one that is looked for is mostly among them. */
const SLOTS_AT_ONCE = 16;
/** Most records are shorter; of a longer one the rest is read. */
const RECORD_OCTETS = 512;
/** What a read from front to back takes at once; the loop runs on between two of them. */
export const CHUNK_OCTETS = 256 * 1024;
/** Sections whose place is remembered, of some 500 octets each. */
const SECTIONS_KEPT = 10_000;
/** Others could write the accounts of every user into it. */
const WRITABLE_BY_OTHERS = 0o022;

/** A snapshot to look up in: each lookup reads a few hundred octets of the file, none of it is kept in memory. */
export class SnapshotFile {
  readonly head: SnapshotHead;
  readonly path: string;
  readonly #file: FileHandle;
  readonly #headOctets: Buffer;
  readonly #sections = new Lru<Section | null>({ rows: SECTIONS_KEPT, octets: SECTIONS_KEPT });
  #date: SnapshotDate;
  #uses = 0;
  #idle: (() => void) | null = null;

  private constructor(path: string, file: FileHandle, octets: Buffer) {
    this.path = path;
    this.#file = file;
    this.#headOctets = octets;
    this.head = decodeHead(octets);
    this.#date = decodeDate(octets);
  }

  /**
   * Looks at the head alone; `verify` has to come before the first lookup. Rejects with SnapshotRefused, or with the
   * system's error.
   */
  static async open(path: string, prefix: string): Promise<SnapshotFile> {
    const file = await open(path, 'r+');
    try {
      const { size, mode } = await file.stat();
      if ((mode & WRITABLE_BY_OTHERS) !== 0) throw new SnapshotRefused('others than its owner can write it');
      const octets = Buffer.alloc(HEAD_OCTETS);
      const { bytesRead } = await file.read(octets, 0, HEAD_OCTETS, 0);
      const snapshot = new SnapshotFile(path, file, octets.subarray(0, bytesRead));
      if (snapshot.head.octets !== size)
        throw new SnapshotRefused(`it has ${size} octets of ${snapshot.head.octets}`);
      if (snapshot.head.prefix !== prefix)
        throw new SnapshotRefused(`it is of the prefix ${snapshot.head.prefix}`);
      return snapshot;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** When it was last what is published, in ms since 1970. */
  get date(): number {
    return this.#date.at;
  }

  /** Notes that it is what is published. Rejects with the system's error. */
  async confirm(at: number): Promise<void> {
    const date = { at, sequence: this.#date.sequence + 1 };
    await this.#using(() => this.#file.write(encodeDate(date, this.#headOctets), 0, null, placeOfDate(date)));
    this.#date = date;
  }

  /** Reads all of it. Rejects with SnapshotRefused where it is not as it was written. */
  async verify(): Promise<void> {
    let sum = 0;
    for await (const octets of this.read(HEAD_OCTETS, this.head.octets)) sum = crc32(octets, sum);
    if (sum !== this.head.sum) throw new SnapshotRefused('its checksum is wrong');
  }

  /** Rejects with SnapshotRefused or the system's error. */
  entries(domain: string): Promise<DomainEntry[]> {
    return this.#using(async () => {
      const value = await this.#find(domainKey(domain));
      return value === null ? [] : decodeEntries(domain, this.head.edition.generation, value);
    });
  }

  /** Rejects as `entries` does. */
  users(table: TableId, userid: string): Promise<UserRow[]> {
    return this.#using(async () => {
      const section = await this.#section(table);
      const value = section && (await this.#find(userKey(section.number, userid)));
      if (value === null) return [];
      return decodeRows(userid, value).map(({ secret, mailbox, line }) => ({ secret, mailbox, line }));
    });
  }

  /** All sections by the id of their table. */
  async sections(): Promise<Map<TableId, Section>> {
    const { sectionsAt, indexAt } = this.head;
    const found = new Map<TableId, Section>();
    for await (const octets of this.records(sectionsAt, indexAt)) {
      for (let at = 0; at < octets.length; ) {
        const { key, value, end } = recordAt(octets, at)!;
        found.set(idOfSection(octets.subarray(key, value)), decodeSection(octets.subarray(value, end)));
        at = end;
      }
    }
    return found;
  }

  /** Whole records, some at a time. Each is gone when the next is asked for. */
  async *records(from: number, to: number): AsyncGenerator<Buffer> {
    let rest = Buffer.alloc(0);
    for await (const octets of this.read(from, to)) {
      const all = rest.length === 0 ? octets : Buffer.concat([rest, octets]);
      const whole = endOfWhole(all);
      if (whole > 0) yield all.subarray(0, whole);
      rest = Buffer.from(all.subarray(whole));
    }
    if (rest.length > 0) throw new SnapshotRefused('a record of it is damaged');
  }

  /** From front to back. Each piece is overwritten by the next. */
  async *read(from: number, to: number): AsyncGenerator<Buffer> {
    const octets = Buffer.allocUnsafe(CHUNK_OCTETS);
    this.#uses++;
    try {
      for (let at = from; at < to; ) {
        const got = await this.#readAt(octets, at, Math.min(octets.length, to - at));
        if (got === 0) throw new SnapshotRefused('it ends too early');
        at += got;
        yield octets.subarray(0, got);
      }
    } finally {
      this.#unused();
    }
  }

  /** Waits for the lookups that are under way. */
  async close(): Promise<void> {
    if (this.#uses > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#file.close();
  }

  async #section(table: TableId): Promise<Section | null> {
    const known = this.#sections.get('', table);
    if (known !== undefined) return known;
    const value = await this.#find(sectionKey(table));
    const section = value && decodeSection(value);
    this.#sections.set('', table, section, 1);
    return section;
  }

  async #find(key: Buffer): Promise<Buffer | null> {
    const { seed, slots, indexAt, octets } = this.head;
    const hash = hashKey(seed, key);
    const block = Buffer.allocUnsafe(SLOTS_AT_ONCE * SLOT_OCTETS);
    for (let at = indexAt + homeOf(hash, slots) * SLOT_OCTETS; at < octets; at += block.length) {
      const got = await this.#readAt(block, at, Math.min(block.length, octets - at));
      for (let i = 0; i + SLOT_OCTETS <= got; i += SLOT_OCTETS) {
        const place = block.readUIntBE(i + 2, 6);
        if (place === 0) return null;
        if (block.readUInt16BE(i) !== tagOf(hash)) continue;
        const value = await this.#valueAt(place, key);
        if (value !== null) return value;
      }
      if (got < block.length) return null;
    }
    return null;
  }

  /** Null where the record there is of another key. */
  async #valueAt(at: number, key: Buffer): Promise<Buffer | null> {
    let octets = Buffer.allocUnsafe(Math.min(RECORD_OCTETS, this.head.indexAt - at));
    await this.#readAt(octets, at, octets.length);
    const place = recordAt(octets, 0);
    if (place === null) throw new SnapshotRefused('a record of it is damaged');
    if (place.end > octets.length) {
      octets = Buffer.allocUnsafe(place.end);
      await this.#readAt(octets, at, octets.length);
    }
    return octets.subarray(place.key, place.value).equals(key)
      ? octets.subarray(place.value, place.end)
      : null;
  }

  async #readAt(octets: Buffer, at: number, length: number): Promise<number> {
    return (await this.#file.read(octets, 0, length, at)).bytesRead;
  }

  /** Keeps the file open until all of the work is done. */
  async #using<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#uses++;
    try {
      return await work();
    } finally {
      this.#unused();
    }
  }

  #unused(): void {
    this.#uses--;
    if (this.#uses === 0) this.#idle?.();
  }
}

/** Where the last record that is all there ends. */
function endOfWhole(octets: Buffer): number {
  for (let at = 0; ; ) {
    const place = at < octets.length ? recordAt(octets, at) : null;
    if (place === null || place.end > octets.length) return at;
    at = place.end;
  }
}
