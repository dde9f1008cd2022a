/** Who waits for a permit, and whose turn is next. The verifier bounds the number; a queue only orders. */
export interface WaitingQueue<T> {
  readonly size: number;
  add(entry: T): void;
  /** Takes the next one out. */
  take(): T | undefined;
  /** Takes one out that no longer wants to wait. */
  remove(entry: T): void;
}

/** First come, first served. A set keeps the order of insertion and forgets an entry wherever it stands. */
export class ArrivalQueue<T> implements WaitingQueue<T> {
  readonly #entries = new Set<T>();

  get size(): number {
    return this.#entries.size;
  }

  add(entry: T): void {
    this.#entries.add(entry);
  }

  take(): T | undefined {
    const [first] = this.#entries;
    if (first !== undefined) this.#entries.delete(first);
    return first;
  }

  remove(entry: T): void {
    this.#entries.delete(entry);
  }
}
