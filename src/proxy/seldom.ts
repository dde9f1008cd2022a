/** A minute: soon enough for whoever watches the log, and no more lines than one can read. */
const INTERVAL_MS = 60_000;

/**
 * What strangers can make happen as often as they like is said once in an interval, and then with how often it has
 * happened unsaid. The keys must be bounded.
 */
export class Seldom {
  readonly #said = new Map<string, { at: number; unsaid: number }>();
  readonly #intervalMs: number;

  constructor(intervalMs = INTERVAL_MS) {
    this.#intervalMs = intervalMs;
  }

  /**
   * @param now milliseconds of a monotonic clock
   * @returns null where it is not to be said now; else how often it was not since it was said last
   */
  happened(key: string, now: number): number | null {
    const last = this.#said.get(key);
    if (last !== undefined && now - last.at < this.#intervalMs) {
      last.unsaid += 1;
      return null;
    }
    this.#said.set(key, { at: now, unsaid: 0 });
    return last?.unsaid ?? 0;
  }
}
