/**
 * Observations by bucket, as plain numbers: one costs an addition. prom-client's own makes and checks a set of labels
 * each time, and reads these when it is scraped.
 */
export class Distribution {
  readonly #bounds: readonly number[];
  /** Of each bucket alone; the last is what lies above all bounds. */
  readonly #counts: number[];
  sum = 0;
  count = 0;

  /** @param bounds upper ones, each counted with its bucket; ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.sum += value;
    this.count++;
  }

  /** How many were at most each bound. */
  get cumulated(): { bound: number; count: number }[] {
    let count = 0;
    return this.#bounds.map((bound, bucket) => {
      count += this.#counts[bucket]!;
      return { bound, count };
    });
  }
}
