import { merged, type Snapshot } from '../ops/registry.ts';

/**
 * Counts of workers that are gone: a sum that fell with them would look to Prometheus like counters that began anew.
 */
export class WorkerTotals {
  #gone: Snapshot = [];

  /** @param last what was heard of a worker's counts before it ended */
  async keep(last: Snapshot): Promise<void> {
    const counts = last.filter(({ type }) => type !== 'gauge');
    this.#gone = await merged([this.#gone, counts]).snapshot();
  }

  /** The exposition of all, as if they were one process. */
  text(snapshots: readonly Snapshot[]): Promise<string> {
    // Those that run come first: what is taken from the first of all is theirs.
    return merged([...snapshots, this.#gone]).text();
  }
}
