import type { TableId } from '../teapop/model.ts';
import { varint } from '../teapop/octets.ts';
import { SnapshotRefused } from './format.ts';

/** The records of a snapshot: key and value, each behind its length. */

/** The first octet of a key tells what it names, whatever octets the name holds. */
const DOMAIN = 'd';
const USER = 'u';
const SECTION = 't';

/** The records of one table, or of the domain table. */
export type Section = {
  /** Stands in the keys of its users instead of the table's id: shorter, and it stays when the section is copied. */
  number: number;
  /** The generation in which the table was switched in, and the fingerprint of its source. */
  generation: number;
  source: string;
  /** Place and length of its records. */
  at: number;
  octets: number;
  records: number;
};

/** The id of the section of all domains; no table has it. */
export const DOMAINS_ID = '';

export function domainKey(domain: string): Buffer {
  return Buffer.from(DOMAIN + domain, 'latin1');
}

export function userKey(section: number, userid: string): Buffer {
  return Buffer.from(USER + varint(section) + userid, 'latin1');
}

export function sectionKey(table: TableId): Buffer {
  return Buffer.from(SECTION + table, 'latin1');
}

/** The id that a section's key names. */
export function idOfSection(key: Buffer): TableId {
  return key.toString('latin1', SECTION.length);
}

export function encodeSection({ number, generation, source, at, octets, records }: Section): Buffer {
  return Buffer.from(JSON.stringify([number, generation, source, at, octets, records]), 'latin1');
}

/** @throws SnapshotRefused */
export function decodeSection(value: Buffer): Section {
  try {
    const [number, generation, source, at, octets, records] = JSON.parse(value.toString('latin1'));
    return { number, generation, source, at, octets, records };
  } catch {
    throw new SnapshotRefused('a section of it is damaged');
  }
}

/** Octets that the lengths of a record take at most. */
export const MOST_LENGTHS = 10;
/** A longer one is none that was written: Redis itself takes 512 MB a value, a row has some hundred octets. */
const MOST_LENGTH = 2 ** 28;

/** Writes a length and returns where the next octet goes. */
export function writeLength(octets: Buffer, length: number, at: number): number {
  let rest = length;
  let place = at;
  while (rest >= 0x80) {
    octets[place++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  octets[place++] = rest;
  return place;
}

/** Where the parts of a record lie in `octets`; `end` may be beyond them. */
export type RecordPlace = { key: number; value: number; end: number };

/** Null where even the lengths are not all there. @throws SnapshotRefused */
export function recordAt(octets: Buffer, at: number): RecordPlace | null {
  let place = at;
  const lengths = [0, 0];
  for (let which = 0; which < 2; which++) {
    for (let shift = 0; ; shift += 7) {
      if (place >= octets.length) return null;
      const octet = octets[place++]!;
      lengths[which]! += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) break;
      if (shift >= 28) throw new SnapshotRefused('a record of it is damaged');
    }
  }
  const [key, value] = lengths as [number, number];
  if (key > MOST_LENGTH || value > MOST_LENGTH) throw new SnapshotRefused('a record of it is damaged');
  return { key: place, value: place + key, end: place + key + value };
}
