/** Medians, and latencies in buckets. */

/** The middle of the values, or the mean of the middle two; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return sorted.length === 0 ? Number.NaN : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Each bucket's upper end is 2 % above its lower end: finer than one run differs from the next. */
const GROWTH = Math.log(1.02);
/** The first bucket ends there, in ms: nothing on a loopback is faster. */
const LEAST = 0.001;

/** Durations in ms. */
export class Histogram {
  readonly #counts: number[] = [];
  #count = 0;

  add(ms: number): void {
    const bucket = Math.max(0, Math.ceil(Math.log(ms / LEAST) / GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns ms, the middle of the bucket; NaN where nothing was added */
  quantile(part: number): number {
    let left = Math.max(1, Math.ceil(part * this.#count));
    for (const [bucket, count = 0] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return LEAST * Math.exp(GROWTH * (bucket - 0.5));
    }
    return Number.NaN;
  }
}
