/** From a failure to the next try: long enough for a mailstore to restart. */
const FIRST_MS = 1000;
/** It doubles up to this, so that a mailstore that is back is noticed in a minute at most. */
const MOST_MS = 60_000;

/** Times between tries that fail. */
export class Backoff {
  readonly #firstMs: number;
  #nextMs: number;

  constructor(firstMs = FIRST_MS) {
    this.#firstMs = firstMs;
    this.#nextMs = firstMs;
  }

  /** A try has failed: how long to wait for the next. */
  failed(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(2 * ms, MOST_MS);
    return ms;
  }

  /** It has been well for that long, in milliseconds. One that is well for a moment and fails again stays suspect. */
  well(forMs: number): void {
    if (forMs >= MOST_MS) this.#nextMs = this.#firstMs;
  }

  /** It has done what it is there for. */
  reset(): void {
    this.#nextMs = this.#firstMs;
  }
}
