import { merged, type Snapshot } from '../ops/families.ts';

/**
 * Counts of workers that are gone: a sum that fell with them would look to Prometheus like counters that began anew.
 */
export class WorkerTotals {
  #gone: Snapshot = [];

  /**
   * At once: what two workers leave behind at the same moment is kept of both.
   * @param last what was heard of a worker's counts before it ended
   */
  keep(last: Snapshot): void {
    const counts = last.filter(({ type }) => type !== 'gauge');
    this.#gone = merged([this.#gone, counts]).snapshot();
  }

  /** The exposition of all, as if they were one process. */
  text(snapshots: readonly Snapshot[]): Promise<string> {
    // Those that run come first: what is taken from the first of all is theirs.
    return merged([...snapshots, this.#gone]).text();
  }
}
