import { crc32 } from 'node:zlib';
import type { Edition } from '../published/feed.ts';
import { FORMAT } from '../published/redis-format.ts';

/**
 * The file of a snapshot: a constant database, written once and looked up where it lies. All numbers are big-endian.
 *
 *     head      HEAD_OCTETS, see encodeHead and encodeDate
 *     records   key and value behind their lengths; each section's lie together, the sections themselves come last
 *     index     SLOT_OCTETS each, an open hash table over all records: part of the hash, place of the record or 0
 *
 * Keys are a domain, a userid behind the number of its section, or the id of a section's table; values are what
 * Redis holds. Places have 48 bits.
 */

export const HEAD_OCTETS = 512;
export const SLOT_OCTETS = 8;
/** Three slots for two records: 2 reads of a block of slots are rare, and the index is a tenth of the file. */
const SLOTS_PER_RECORD = 1.5;

/** Raised with each change that an older reader would misread. */
const FILE_FORMAT = 1;
const MAGIC = Buffer.from('teapop-snapshot\n', 'latin1');
/** The head's checksum, behind all that it covers. */
const HEAD_SUM = 252;
/** The date stands twice, each time with its own checksum: a torn write spoils the older one. */
const DATES = [256, 384] as const;
const DATE_OCTETS = 16;

/** Thrown where a file is no snapshot that can be served. */
export class SnapshotRefused extends Error {
  override name = 'SnapshotRefused';
}

export type SnapshotHead = {
  /** Of the Redis keys: another site's snapshot is of no use. */
  prefix: string;
  edition: Edition;
  domains: number;
  users: number;
  /** Where the sections' own records begin, and the index. */
  sectionsAt: number;
  indexAt: number;
  slots: number;
  /** Of the whole file. */
  octets: number;
  /** The first number that no section has had. */
  nextNumber: number;
  /** The hash begins with it. */
  seed: number;
  /** CRC-32 of all behind the head. */
  sum: number;
};

/** When the snapshot was last what is published, in ms since 1970. `sequence` counts the dates written. */
export type SnapshotDate = { at: number; sequence: number };

const FIELDS = ['domains', 'users', 'sectionsAt', 'indexAt', 'slots', 'octets', 'nextNumber'] as const;
/** Of a number in the head: 2 ** 48 octets or ms are enough. */
const WIDE = 6;
const PREFIX_AT = 104;

/** All of the head but for the dates. */
export function encodeHead(head: SnapshotHead): Buffer {
  const octets = Buffer.alloc(DATES[0]);
  MAGIC.copy(octets);
  octets.writeUInt32BE(FILE_FORMAT, 16);
  octets.writeUInt32BE(FORMAT, 20);
  octets.writeUIntBE(head.edition.generation, 24, WIDE);
  octets.writeUIntBE(head.edition.publishedAt, 32, WIDE);
  for (const [i, field] of FIELDS.entries()) octets.writeUIntBE(head[field], 40 + 8 * i, WIDE);
  octets.writeUInt32BE(head.seed, 96);
  octets.writeUInt32BE(head.sum, 100);
  octets.writeUInt8(head.prefix.length, PREFIX_AT);
  octets.write(head.prefix, PREFIX_AT + 1, 'latin1');
  octets.writeUInt32BE(crc32(octets.subarray(0, HEAD_SUM)), HEAD_SUM);
  return octets;
}

/** @throws SnapshotRefused */
export function decodeHead(octets: Buffer): SnapshotHead {
  if (octets.length < HEAD_OCTETS || !octets.subarray(0, MAGIC.length).equals(MAGIC))
    throw new SnapshotRefused('it is no snapshot of teapop tables');
  const formats = [octets.readUInt32BE(16), octets.readUInt32BE(20)];
  if (formats[0] !== FILE_FORMAT || formats[1] !== FORMAT)
    throw new SnapshotRefused(`it is in format ${formats.join('.')}, not in ${FILE_FORMAT}.${FORMAT}`);
  if (octets.readUInt32BE(HEAD_SUM) !== crc32(octets.subarray(0, HEAD_SUM)))
    throw new SnapshotRefused('its head is damaged');
  const wide = (at: number) => octets.readUIntBE(at, WIDE);
  const numbers = Object.fromEntries(FIELDS.map((field, i) => [field, wide(40 + 8 * i)]));
  const length = octets.readUInt8(PREFIX_AT);
  return {
    ...(numbers as Pick<SnapshotHead, (typeof FIELDS)[number]>),
    edition: { generation: wide(24), publishedAt: wide(32) },
    seed: octets.readUInt32BE(96),
    sum: octets.readUInt32BE(100),
    prefix: octets.toString('latin1', PREFIX_AT + 1, PREFIX_AT + 1 + length),
  };
}

/** Where a date goes, so that the one before it stays. */
export function placeOfDate({ sequence }: SnapshotDate): number {
  return DATES[sequence % 2 === 0 ? 0 : 1];
}

/** @param head its checksum is part of the date's: a date belongs to one snapshot */
export function encodeDate({ at, sequence }: SnapshotDate, head: Buffer): Buffer {
  const octets = Buffer.alloc(DATE_OCTETS);
  octets.writeUIntBE(at, 0, WIDE);
  octets.writeUInt32BE(sequence, 8);
  octets.writeUInt32BE(dateSum(octets, head), 12);
  return octets;
}

/** The newest date that is whole. @throws SnapshotRefused */
export function decodeDate(head: Buffer): SnapshotDate {
  const dates = DATES.map((at) => head.subarray(at, at + DATE_OCTETS))
    .filter((octets) => octets.readUInt32BE(12) === dateSum(octets, head))
    .map((octets) => ({ at: octets.readUIntBE(0, WIDE), sequence: octets.readUInt32BE(8) }));
  const newest = dates.toSorted((one, other) => other.sequence - one.sequence)[0];
  if (newest === undefined) throw new SnapshotRefused('its dates are damaged');
  return newest;
}

function dateSum(octets: Buffer, head: Buffer): number {
  return crc32(octets.subarray(0, 12), head.readUInt32BE(HEAD_SUM));
}

export function slotsFor(records: number): number {
  return Math.ceil(records * SLOTS_PER_RECORD) + 1;
}

/** FNV-1a with the last step of MurmurHash3, which spreads it over all bits. */
export function hashKey(seed: number, octets: Uint8Array, from = 0, to = octets.length): number {
  let hash = seed;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ octets[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The slot where the search for a record begins; grows with the hash, so that the index can be made in pieces. */
export function homeOf(hash: number, slots: number): number {
  return Math.floor((hash / 2 ** 32) * slots);
}

/** The part of the hash that a slot holds: the home tells the upper bits already. */
export function tagOf(hash: number): number {
  return hash & 0xffff;
}
