/** Fuzzes in a thread of its own, so that the one that watches it can tell when it hangs. */
import { parentPort, workerData } from 'node:worker_threads';
import { readKept, replaceCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { chanceOf, mutated } from './mutate.ts';
import { Running } from './running.ts';
import { latin1, type Target } from './target.ts';
import { TARGETS } from './targets.ts';

export type Task = {
  targets: string[];
  seed: number;
  /** In milliseconds. */
  time: number;
  /** Of a Running. */
  shared: SharedArrayBuffer;
};

export type Told =
  | { told: 'progress'; target: string; runs: number; kept: number; heap: number }
  | { told: 'fault'; target: string; input: Uint8Array; error: string }
  | { told: 'over' };

/** Coverage is asked for after so many inputs, and for each of them again where they have brought something new. */
const BATCH = 64;
/** In ms: how long one target is fuzzed before the next has its turn. */
const TURN = 5_000;
/** Inputs above this are not kept: they would make the tree heavy. */
const KEPT_LENGTH = 4_096;

const task = workerData as Task;
const running = new Running(task.shared);
const chance = chanceOf(task.seed);
const coverage = new Coverage();
const tell = (message: Told) => parentPort!.postMessage(message);

/** False where it found a fault. */
async function tryInput(target: Target, input: string): Promise<boolean> {
  const octets = latin1(input);
  running.note(TARGETS.indexOf(target), octets);
  try {
    await target.run(octets);
    return true;
  } catch (error) {
    tell({
      told: 'fault',
      target: target.name,
      input: octets,
      error: (error as Error).stack ?? String(error),
    });
    return false;
  }
}

async function turn(target: Target, pool: string[], until: number): Promise<number> {
  let runs = 0;
  coverage.news(true);
  while (performance.now() < until) {
    const batch = Array.from({ length: BATCH }, () =>
      mutated(pool[chance(pool.length)]!, target.words, pool, chance),
    );
    const good: string[] = [];
    for (const input of batch) if (await tryInput(target, input)) good.push(input);
    runs += batch.length;
    if (coverage.news(false) === 0) continue;
    for (const input of good) {
      await tryInput(target, input);
      if (coverage.news(true) > 0 && input.length <= KEPT_LENGTH) pool.push(input);
    }
  }
  return runs;
}

/** The inputs that cover all that all of them do, small ones first. */
async function fewest(target: Target, pool: readonly string[]): Promise<string[]> {
  const fresh = new Coverage();
  fresh.start();
  fresh.news(true);
  const kept: string[] = [];
  const sorted = [...new Set(pool)].toSorted((a, b) => a.length - b.length);
  for (const input of sorted) {
    await tryInput(target, input);
    if (fresh.news(true) > 0) kept.push(input);
  }
  fresh.stop();
  return kept;
}

async function main(): Promise<void> {
  const targets = TARGETS.filter(({ name }) => task.targets.includes(name));
  const pools = new Map(
    targets.map((target) => [
      target.name,
      [...target.seeds, ...readKept(target.name).map((octets) => octets.toString('latin1'))],
    ]),
  );
  coverage.start();
  for (const target of targets) for (const input of pools.get(target.name)!) await tryInput(target, input);
  coverage.news(true);
  const end = performance.now() + task.time;
  while (performance.now() < end) {
    for (const target of targets) {
      const pool = pools.get(target.name)!;
      const runs = await turn(target, pool, Math.min(end, performance.now() + TURN));
      tell({
        told: 'progress',
        target: target.name,
        runs,
        kept: pool.length,
        heap: process.memoryUsage().heapUsed,
      });
    }
  }
  coverage.stop();
  for (const target of targets) {
    const kept = await fewest(target, pools.get(target.name)!);
    replaceCorpus(target.name, kept.map(latin1));
  }
  tell({ told: 'over' });
}

await main();
process.exit(0);
