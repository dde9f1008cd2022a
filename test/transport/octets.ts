/** Octets whose order can be checked, and a writer that keeps to the rules of back-pressure. */
import { createHash } from 'node:crypto';
import type { Probe } from './probe.ts';

const BLOCK = 262_144;

/** Not compressible, not periodic within a block, and the same in each run (xorshift32). */
function noise(length: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  let word = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[i] = word;
  }
  return new Uint8Array(words.buffer);
}

const block = noise(BLOCK);

/** Cuts of many lengths, so that records, buffers and windows are met off their borders. */
const CUTS = [1, 13, 1460, 16_383, 16_384, 16_385, 65_536, 100_003, 200_000];

/** The sequence of writes that make up `total` octets, another for each `first`. Each is a view into one shared block. */
function* pieces(total: number, first: number): Generator<Uint8Array> {
  for (let left = total, turn = first; left > 0; turn++) {
    const length = Math.min(left, CUTS[turn % CUTS.length]!);
    const from = (turn * 4099) % (BLOCK - length);
    yield block.subarray(from, from + length);
    left -= length;
  }
}

export function digestOf(total: number, first = 0): string {
  const hash = createHash('sha256');
  for (const piece of pieces(total, first)) hash.update(piece);
  return hash.digest('hex');
}

/** Writes `total` octets as fast as `write` and `drained` allow; the array written is overwritten at once. */
export class Pump {
  readonly #probe: Probe;
  readonly #pieces: Generator<Uint8Array>;
  readonly #done: () => void;
  readonly #scratch = new Uint8Array(Math.max(...CUTS));
  /** The most that was queued at any time. */
  highest = 0;
  written = 0;

  constructor(probe: Probe, total: number, done: () => void = () => {}, first = 0) {
    this.#probe = probe;
    this.#pieces = pieces(total, first);
    this.#done = done;
    probe.reactions.drained = () => this.run();
  }

  run(): void {
    const { connection } = this.#probe;
    for (let step = this.#pieces.next(); !step.done; step = this.#pieces.next()) {
      const piece = step.value;
      this.#scratch.set(piece);
      const own = this.#scratch.subarray(0, piece.length);
      const more = connection.write(own);
      own.fill(0);
      this.written += piece.length;
      this.highest = Math.max(this.highest, connection.queued);
      if (!more) return;
    }
    this.#done();
  }
}

export const longestWrite = Math.max(...CUTS);

export function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
