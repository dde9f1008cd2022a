const LF = 0x0a;
const CR = 0x0d;
const NUL = 0x00;

/** First store of a buffer: room for what usually comes of a line in pieces. */
const SMALL_STORE = 128;
/** A store above this is given back when little is left in it, so that neither one long line nor one big read stays in memory. */
const KEPT_STORE = 1024;
/** Little: less than half of what a store that has just grown holds, so that no line is copied over and over. */
const LITTLE = 1 / 4;

const NO_OCTETS = Buffer.alloc(0);

/** What `take` found: a whole line, one that passed the limit (told once a line), or nothing complete yet. */
export type Taken = 'line' | 'overlong' | 'partial';

/**
 * Octets from one peer, taken off line by line. CRLF and a bare LF both end a line (RFC 1939 §3 has CRLF; old
 * clients send LF). Lines are copied neither in nor out: most come whole, and are read where they were received; `keep`
 * copies what is left of them. After 'line' the octets are `octets[lineStart..lineEnd)`, terminator excluded, valid
 * until the next call that changes the buffer.
 */
export class LineBuffer {
  octets: Buffer = NO_OCTETS;
  lineStart = 0;
  lineEnd = 0;
  #start = 0;
  /** Everything before it is known to hold no LF, so that octets fed one by one are looked at once. */
  #scanned = 0;
  #end = 0;
  /** The octets are the caller's, until `keep`. */
  #borrowed = false;
  /** Inside a line that was too long: its rest is dropped as it comes. */
  #skipping = false;

  /** Octets kept and not taken yet. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Takes octets, which must not change until `keep`. */
  append(octets: Uint8Array): void {
    const kept = this.#skipping ? this.#skip(octets) : octets;
    if (this.#start === this.#end && kept instanceof Buffer) {
      this.#borrow(kept);
      return;
    }
    this.#reserve(kept.length);
    this.octets.set(kept, this.#end);
    this.#end += kept.length;
  }

  /** The octets appended last are the caller's again: copies what has not been taken of them. */
  keep(): void {
    if (!this.#borrowed) return;
    if (this.#start === this.#end) {
      this.#release();
      return;
    }
    const kept = this.octets.subarray(this.#start, this.#end);
    const scanned = this.#scanned - this.#start;
    this.#release();
    this.#reserve(kept.length);
    this.octets.set(kept, 0);
    this.#scanned = scanned;
    this.#end = kept.length;
  }

  /** @param limit octets that a line may have, its terminator counted */
  take(limit: number): Taken {
    const stop = Math.min(this.#end, this.#start + limit);
    for (let at = this.#scanned; at < stop; at++) {
      if (this.octets[at] === LF) return this.#lineAt(at);
    }
    this.#scanned = stop;
    return stop - this.#start < limit ? this.#partial() : this.#overlong();
  }

  /** The first octets of what `take` would look at next equal `prefix`, letter case ignored (prefix in lower case). */
  startsWith(prefix: string): boolean {
    if (this.length < prefix.length) return false;
    for (let i = 0; i < prefix.length; i++) {
      const octet = this.octets[this.#start + i]!;
      const lower = octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
      if (lower !== prefix.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Part of the line taken last, as an octet string. */
  text(start: number, end: number): string {
    return start >= end ? '' : this.octets.toString('latin1', start, end);
  }

  /** True where the line taken last holds NUL or a CR: no text may, and a CR could end a line for a lax reader. */
  lineIsForged(): boolean {
    for (let at = this.lineStart; at < this.lineEnd; at++) {
      const octet = this.octets[at];
      if (octet === CR || octet === NUL) return true;
    }
    return false;
  }

  /** Hands over every octet not taken yet and forgets them. */
  rest(): Uint8Array {
    this.keep();
    const rest = this.length === 0 ? NO_OCTETS : this.octets.subarray(this.#start, this.#end);
    this.clear();
    return rest;
  }

  clear(): void {
    this.#release();
    this.#skipping = false;
  }

  #lineAt(feed: number): Taken {
    this.lineStart = this.#start;
    this.lineEnd = feed > this.#start && this.octets[feed - 1] === CR ? feed - 1 : feed;
    this.#start = this.#scanned = feed + 1;
    return 'line';
  }

  #partial(): Taken {
    const size = this.octets.length;
    if (!this.#borrowed && size > KEPT_STORE && this.length < size * LITTLE) this.#shrink();
    return 'partial';
  }

  #shrink(): void {
    const kept = this.octets.subarray(this.#start, this.#end);
    this.#release();
    this.#reserve(kept.length);
    this.octets.set(kept, 0);
    this.#scanned = this.#end = kept.length;
  }

  #borrow(octets: Buffer): void {
    this.octets = octets;
    this.#borrowed = true;
    this.#start = this.#scanned = 0;
    this.#end = octets.length;
  }

  #release(): void {
    this.octets = NO_OCTETS;
    this.#borrowed = false;
    this.lineStart = this.lineEnd = 0;
    this.#start = this.#scanned = this.#end = 0;
  }

  #overlong(): Taken {
    this.#skipping = true;
    const behind = this.#skip(this.octets.subarray(this.#start, this.#end));
    this.#start = this.#scanned = this.#end - behind.length;
    return 'overlong';
  }

  /** What follows the line that was too long; nothing while its end has not come. */
  #skip(octets: Uint8Array): Uint8Array {
    const feed = octets.indexOf(LF);
    this.#skipping = feed < 0;
    return octets.subarray(feed < 0 ? octets.length : feed + 1);
  }

  #reserve(more: number): void {
    if (this.#borrowed) this.keep();
    if (this.#start === this.#end) this.#start = this.#scanned = this.#end = 0;
    if (this.#end + more <= this.octets.length) return;
    const length = this.length;
    const needed = length + more;
    // Doubling keeps a line that comes octet by octet from being copied at each of them.
    const store =
      needed <= this.octets.length
        ? this.octets
        : Buffer.allocUnsafeSlow(Math.max(needed, 2 * length, SMALL_STORE));
    store.set(this.octets.subarray(this.#start, this.#end), 0);
    this.octets = store;
    this.#scanned -= this.#start;
    this.#start = 0;
    this.#end = length;
  }
}

/**
 * True for an octet string that can stand inside a line: no NUL, CR or LF. Characters above 255 are no octets;
 * written as latin1 they would be cut to one, and U+010A becomes a LF.
 */
export function fitsInLine(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === NUL || code === LF || code === CR || code > 0xff) return false;
  }
  return true;
}
