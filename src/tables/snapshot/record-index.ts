import type { FileHandle } from 'node:fs/promises';
import { homeOf, SLOT_OCTETS, tagOf } from './format.ts';

/** A record's hash and its place, as the writer notes them in a file of their own. */
export const PAIR_OCTETS = 10;
/** Worked off within some milliseconds, between which logins go on. */
const PAIRS_AT_ONCE = 4_000;

/** The index is made in pieces, so that it never is in memory as a whole; each takes one pass over the pairs. */
const LEAST_PIECE = 2 ** 20;
const MOST_PIECES = 16;

/** Pairs from one to the one before another. */
export type PairRange = { from: number; to: number };

type Pair = readonly [hash: number, place: number];

export function writePair(octets: Buffer, hash: number, place: number): void {
  octets.writeUInt32BE(hash, 0);
  octets.writeUIntBE(place, 4, 6);
}

/**
 * The index, piece by piece, over the pairs of these ranges. A record stands in the first free slot from its home
 * on; those that find none in their piece come first in the next one, so that every slot between is taken.
 */
export async function* indexPieces(
  pairs: FileHandle,
  ranges: readonly PairRange[],
  slots: number,
  least = LEAST_PIECE,
): AsyncGenerator<Buffer> {
  const length = Math.max(least, Math.ceil(slots / MOST_PIECES));
  let carried: Pair[] = [];
  for (let from = 0; from < slots; from += length) {
    const piece = Buffer.alloc(Math.min(length, slots - from) * SLOT_OCTETS);
    const left: Pair[] = [];
    for (const [hash, place] of carried) if (!put(piece, 0, hash, place)) left.push([hash, place]);
    await eachPair(pairs, ranges, (hash, place) => {
      const home = homeOf(hash, slots) - from;
      if (home < 0 || home * SLOT_OCTETS >= piece.length) return;
      if (!put(piece, home, hash, place)) left.push([hash, place]);
    });
    yield piece;
    carried = left;
  }
  const end = Buffer.alloc(carried.length * SLOT_OCTETS);
  for (const [hash, place] of carried) put(end, 0, hash, place);
  yield end;
}

/** False where every slot from there on is taken. */
function put(piece: Buffer, home: number, hash: number, place: number): boolean {
  for (let at = home * SLOT_OCTETS; at < piece.length; at += SLOT_OCTETS) {
    if (readPlace(piece, at + 2) !== 0) continue;
    piece.writeUInt16BE(tagOf(hash), at);
    piece.writeUIntBE(place, at + 2, 6);
    return true;
  }
  return false;
}

/** The same as readUIntBE of 6, in a third of the time. */
function readPlace(octets: Buffer, at: number): number {
  return octets.readUInt16BE(at) * 2 ** 32 + octets.readUInt32BE(at + 2);
}

async function eachPair(
  pairs: FileHandle,
  ranges: readonly PairRange[],
  use: (hash: number, place: number) => void,
): Promise<void> {
  const octets = Buffer.allocUnsafe(PAIRS_AT_ONCE * PAIR_OCTETS);
  for (const { from, to } of ranges) {
    for (let pair = from; pair < to; pair += PAIRS_AT_ONCE) {
      const length = Math.min(PAIRS_AT_ONCE, to - pair) * PAIR_OCTETS;
      const { bytesRead } = await pairs.read(octets, 0, length, pair * PAIR_OCTETS);
      if (bytesRead < length) throw new Error('the pairs of the index were cut short');
      for (let at = 0; at < length; at += PAIR_OCTETS)
        use(octets.readUInt32BE(at), readPlace(octets, at + 4));
    }
  }
}

/** Ranges in order, those that follow one another as one. */
export function joinRanges(ranges: readonly PairRange[]): PairRange[] {
  const joined: PairRange[] = [];
  for (const range of ranges.toSorted((one, other) => one.from - other.from)) {
    const last = joined.at(-1);
    if (last?.to === range.from) last.to = range.to;
    else joined.push({ ...range });
  }
  return joined;
}
