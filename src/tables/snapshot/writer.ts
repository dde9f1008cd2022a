import { randomInt } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TableId } from '../teapop/model.ts';
import { AppendFile } from './append-file.ts';
import {
  encodeDate,
  encodeHead,
  HEAD_OCTETS,
  hashKey,
  placeOfDate,
  type SnapshotHead,
  slotsFor,
} from './format.ts';
import { indexPieces, joinRanges, PAIR_OCTETS, type PairRange, writePair } from './record-index.ts';
import { encodeSection, MOST_LENGTHS, recordAt, type Section, sectionKey, writeLength } from './records.ts';

/** It holds password hashes. */
const OWNER_ONLY = 0o600;

/** Octets of the index handed on at once. */
const INDEX_AT_ONCE = 2 ** 20;

/** Where the writer stands: between two marks lie the records of a section. */
export type Mark = { at: number; pairs: number };

/** What the head tells that the writer does not know by itself. */
export type SnapshotFacts = Pick<SnapshotHead, 'prefix' | 'edition' | 'domains' | 'users' | 'nextNumber'> & {
  /** When it was what is published, in ms since 1970. */
  date: number;
};

/**
 * Writes a snapshot beside the one that is there and puts it in its place in one step. In memory it has what was not
 * drained yet and a piece of the index.
 */
export class SnapshotWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #pairsFile: FileHandle;
  readonly #records: AppendFile;
  readonly #pairs: AppendFile;
  readonly #seed = randomInt(2 ** 32);
  readonly #lengths = Buffer.alloc(MOST_LENGTHS);
  readonly #pair = Buffer.alloc(PAIR_OCTETS);

  private constructor(path: string, temporary: string, file: FileHandle, pairsFile: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#pairsFile = pairsFile;
    this.#records = new AppendFile(file, HEAD_OCTETS);
    this.#pairs = new AppendFile(pairsFile, 0);
  }

  /** Rejects with the system's error. */
  static async create(path: string): Promise<SnapshotWriter> {
    const temporary = temporaryFor(path);
    const file = await open(temporary, 'w', OWNER_ONLY);
    try {
      const pairs = await open(`${temporary}.index`, 'w+', OWNER_ONLY);
      // Nobody else needs its name, and so nothing stays of it whatever happens.
      await rm(`${temporary}.index`);
      return new SnapshotWriter(path, temporary, file, pairs);
    } catch (error) {
      await file.close();
      await rm(temporary, { force: true });
      throw error;
    }
  }

  get mark(): Mark {
    return { at: this.#records.at, pairs: this.#pairs.at / PAIR_OCTETS };
  }

  add(key: Buffer, value: Buffer): void {
    this.#addPair(hashKey(this.#seed, key));
    const end = writeLength(this.#lengths, value.length, writeLength(this.#lengths, key.length, 0));
    this.#records.append(this.#lengths.subarray(0, end));
    this.#records.append(key);
    this.#records.append(value);
  }

  /** Takes whole records over as they are. */
  copy(octets: Buffer): void {
    for (let at = 0; at < octets.length; ) {
      const { key, value, end } = recordAt(octets, at)!;
      this.#addPair(hashKey(this.#seed, octets, key, value), at);
      at = end;
    }
    this.#records.append(octets);
  }

  async drain(): Promise<void> {
    await this.#records.drain();
    await this.#pairs.drain();
  }

  /**
   * Makes the index over the records of these sections; others that were written are in the file and not found.
   * Resolves when the snapshot is in its place and on the disk. Rejects with the system's error.
   */
  async finish(
    sections: ReadonlyMap<TableId, Section & { pairs: number }>,
    facts: SnapshotFacts,
  ): Promise<void> {
    const own = this.mark;
    for (const [id, section] of sections) {
      this.add(sectionKey(id), encodeSection(section));
      await this.drain();
    }
    const ranges = Array.from(sections.values(), ({ pairs, records }) => ({
      from: pairs,
      to: pairs + records,
    }));
    ranges.push({ from: own.pairs, to: this.mark.pairs });
    await this.#writeIndex(joinRanges(ranges), own.at, facts);
    await this.#file.sync();
    await this.#close();
    await rename(this.#temporary, this.#path);
    await syncFolder(dirname(this.#path));
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await this.#close().catch(() => {});
    await rm(this.#temporary, { force: true });
  }

  async #writeIndex(ranges: readonly PairRange[], sectionsAt: number, facts: SnapshotFacts): Promise<void> {
    await this.#pairs.flush();
    const indexAt = this.mark.at;
    const slots = slotsFor(ranges.reduce((sum, { from, to }) => sum + to - from, 0));
    for await (const piece of indexPieces(this.#pairsFile, ranges, slots)) {
      for (let at = 0; at < piece.length; at += INDEX_AT_ONCE) {
        this.#records.append(piece.subarray(at, at + INDEX_AT_ONCE));
        await this.#records.drain();
      }
    }
    await this.#records.flush();
    const { date, ...known } = facts;
    const place = { sectionsAt, indexAt, slots, octets: this.mark.at };
    const head = encodeHead({ ...known, ...place, seed: this.#seed, sum: this.#records.sum });
    const first = { at: date, sequence: 0 };
    await this.#file.write(Buffer.alloc(HEAD_OCTETS), 0, HEAD_OCTETS, 0);
    await this.#file.write(head, 0, head.length, 0);
    await this.#file.write(encodeDate(first, head), 0, null, placeOfDate(first));
  }

  #addPair(hash: number, ahead = 0): void {
    writePair(this.#pair, hash, this.#records.at + ahead);
    this.#pairs.append(this.#pair);
  }

  async #close(): Promise<void> {
    await Promise.all([this.#file.close(), this.#pairsFile.close()]);
  }
}

/** Of this process: another one that writes to the same path must not meet it. */
export function temporaryFor(path: string, pid: number | string = process.pid): string {
  return `${path}.${pid}.tmp`;
}

/** The new name is on the disk only when the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
