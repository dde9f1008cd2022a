import { timingSafeEqual } from 'node:crypto';

export type RememberedBounds = {
  /** Entries; of more, those used longest ago go. 0 keeps none. */
  entries: number;
  /** Milliseconds from the last use, and from the first. */
  idle: number;
  lifetime: number;
};

/** What is kept under a mark. */
type Entry = { tag: string; value: number; usedAt: number; until: number };

/** A mark is 32 octets of a MAC: one half finds the entry, the other is compared. */
export const MARK_OCTETS = 32;
const INDEX_OCTETS = 16;

/**
 * Numbers under marks, for a time, from the one used longest ago to the one used last. Nothing of what a mark was made
 * of is kept. The time of a look-up tells nothing: a mark cannot be steered without the key of its MAC, and what is
 * compared is compared in constant time.
 */
export class Remembered {
  readonly #bounds: RememberedBounds;
  readonly #entries = new Map<string, Entry>();

  constructor(bounds: RememberedBounds) {
    this.#bounds = bounds;
  }

  /** Entries that are still good, but for those that have lived their time in use. @param now in milliseconds */
  size(now: number): number {
    this.#sweep(now);
    return this.#entries.size;
  }

  /** Undefined where nothing is remembered; a use begins the idle time anew. */
  recall(mark: string, now: number): number | undefined {
    const index = mark.slice(0, INDEX_OCTETS);
    const entry = this.#entries.get(index);
    if (entry === undefined || !isEqual(entry.tag, mark.slice(INDEX_OCTETS))) return undefined;
    this.#entries.delete(index);
    if (now >= entry.until || now >= entry.usedAt + this.#bounds.idle) return undefined;
    entry.usedAt = now;
    this.#entries.set(index, entry);
    return entry.value;
  }

  keep(mark: string, value: number, now: number): void {
    const { entries, lifetime } = this.#bounds;
    if (entries === 0) return;
    const index = mark.slice(0, INDEX_OCTETS);
    // To its place at the end, whatever stood there.
    this.#entries.delete(index);
    this.#entries.set(index, { tag: mark.slice(INDEX_OCTETS), value, usedAt: now, until: now + lifetime });
    this.#sweep(now);
    if (this.#entries.size > entries) this.#entries.delete(this.#entries.keys().next().value!);
  }

  /** The idle ones stand first. */
  #sweep(now: number): void {
    for (const [index, { usedAt }] of this.#entries) {
      if (now < usedAt + this.#bounds.idle) return;
      this.#entries.delete(index);
    }
  }
}

function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1'));
}
