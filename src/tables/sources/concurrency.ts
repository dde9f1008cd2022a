/** Runs work when it is its turn; settles as the work does. */
export type Limit = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Lets `atOnce` pieces of work run at the same time, in the order in which they were asked for. */
export function limitTo(atOnce: number): Limit {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // Whoever waits gets the place handed over, so that nobody can step in between.
      if (next === undefined) free++;
      else next();
    }
  };
}

/**
 * Works through the items, `atOnce` of them at a time; the results are in their order. Begins no more after a
 * failure, and rejects with the first one when all that had begun has ended.
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: unknown[] = [];
  const left = items.entries();
  const worker = async () => {
    for (const [i, item] of left) {
      if (failures.length > 0) return;
      try {
        results[i] = await work(item, i);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
