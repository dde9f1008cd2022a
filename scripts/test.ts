/**
 * Everything that `npm test` checks: types, lint and format, the unit tests on both runtimes, the system tests. Runs
 * all of it, then fails if any part failed. The last line is `N passed, M failed`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Part, type Run, testParts } from './test-parts.ts';
import { perform, type Result } from './test-run.ts';

/** Tests wait more than they compute: two runs more than there are processors keep those busy. */
const AT_ONCE = availableParallelism() + 2;

type Ended = { passed: number; failed: number };

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'teapop-proxy-reports-'));
  let parts: Ended[] = [];
  try {
    parts = await performAll(testParts(folder), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const passed = sumOf(parts, ({ passed }) => passed);
  const failed = sumOf(parts, ({ failed }) => failed);
  say('', `${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** One queue over all parts, so that what waits and what computes overlap. */
async function performAll(parts: readonly Part[], folder: string): Promise<Ended[]> {
  const queue = parts.flatMap((part) => part.runs.map((run) => ({ part, run })));
  queue.sort((a, b) => b.run.length - a.run.length);
  const results = new Map<Part, Map<Run, Result>>(parts.map((part) => [part, new Map()]));
  const ended: Ended[] = [];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const own = results.get(next.part)!;
      own.set(next.run, await perform(next.run, folder));
      // Each part is shown when its last run has ended.
      if (own.size === next.part.runs.length) ended.push(show(next.part, [...own.values()]));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return ended;
}

/** @param results of all its runs */
function show({ name, runs }: Part, results: readonly Result[]): Ended {
  const passed = sumOf(results, (result) => result.passed);
  const failed = sumOf(results, (result) => result.failed);
  const seconds = sumOf(results, (result) => result.seconds);
  const counts = runs.some(({ tests }) => tests !== undefined) ? `, ${passed} passed, ${failed} failed` : '';
  say(`== ${name}: ${failed === 0 ? 'ok' : 'FAILED'}${counts} (${seconds.toFixed(1)} s)`);
  for (const { output, problems } of results.filter((result) => result.failed > 0)) {
    if (output !== '') say(output.trimEnd());
    for (const problem of problems) say(`== ${name}: ${problem}`);
  }
  return { passed, failed };
}

function sumOf<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((sum, one) => sum + of(one), 0);
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

await main();
