import { copyOf } from './copy.ts';

/** Octets that were accepted for sending and that the kernel has not taken yet, in order. */
export class Outbox {
  #chunks: Uint8Array[] = [];
  octets = 0;

  /** Copies: the caller may reuse its array. */
  add(octets: Uint8Array): void {
    if (octets.length === 0) return;
    this.#chunks.push(copyOf(octets));
    this.octets += octets.length;
  }

  /**
   * Hands out chunk after chunk until one is not taken whole. `take` says how many octets it took; what is left
   * of a chunk comes first next time, unchanged: a TLS library insists on seeing the same octets again.
   */
  flush(take: (octets: Uint8Array) => number): void {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const taken = take(chunk);
      this.octets -= taken;
      if (taken < chunk.length) {
        if (taken > 0) this.#chunks[0] = chunk.subarray(taken);
        return;
      }
      this.#chunks.shift();
    }
  }

  clear(): void {
    this.#chunks = [];
    this.octets = 0;
  }
}
