/**
 * Everything that `npm test` checks: types, lint and format, the unit tests on both runtimes, the system tests. Runs
 * all of it, then fails if any part failed. The last line is `N passed, M failed`.
 */
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start } from '../test/support/process.ts';
import { readReport } from './test-report.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, 'node_modules', '.bin');

/** Files about what Node does not have: its run leaves them out. */
const BUN_ONLY = ['test/transport/bun.test.ts'];

/** Node starts a process for each file; its own choice, one less than there are cores, leaves half of two idle. */
const NODE_FILES_AT_ONCE = 2;

/** A part that takes longer hangs; in milliseconds. */
const PART_DEADLINE = 1_800_000;
/** For one test, in milliseconds: far above what one takes, so that a busy machine fails none. */
const UNIT_TEST_DEADLINE = 90_000;
const SYSTEM_TEST_DEADLINE = 120_000;

type Part = {
  name: string;
  command: readonly [string, ...string[]];
  /** Tests have files, and a report that their runner writes; a part without is a check. */
  tests?: { files: string[]; report: string };
};

type Result = {
  name: string;
  passed: number;
  failed: number;
  problems: string[];
  output: string;
  seconds: number;
};

async function main(): Promise<void> {
  const reports = mkdtempSync(join(tmpdir(), 'teapop-proxy-reports-'));
  const results: Result[] = [];
  try {
    for (const stage of stages(reports)) {
      // A stage's parts run side by side; each is shown when it ends.
      results.push(...(await Promise.all(stage.map(runPart))));
    }
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  say('', `${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function stages(reports: string): Part[][] {
  const system = testFiles('test/system/**/*.test.ts');
  const unit = testFiles('test/**/*.test.ts').filter((file) => !system.includes(file));
  const lost = BUN_ONLY.filter((file) => !unit.includes(file));
  if (lost.length > 0) throw new Error(`${lost.join(', ')}: named as Bun's own, but not there`);
  const forNode = unit.filter((file) => !BUN_ONLY.includes(file));
  return [
    [
      { name: 'types', command: [join(BIN, 'tsc')] },
      { name: 'lint and format', command: [join(BIN, 'biome'), 'check', '--error-on-warnings', '.'] },
    ],
    [bunTests('unit tests on Bun', unit, UNIT_TEST_DEADLINE, join(reports, 'bun.xml'))],
    [nodeTests('unit tests on Node', forNode, UNIT_TEST_DEADLINE, join(reports, 'node.xml'))],
    [bunTests('system tests on Bun', system, SYSTEM_TEST_DEADLINE, join(reports, 'system.xml'))],
  ];
}

function testFiles(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT }).sort();
}

function bunTests(name: string, files: string[], timeout: number, report: string): Part {
  const options = [
    'test',
    '--only-failures',
    `--timeout=${timeout}`,
    '--reporter=junit',
    `--reporter-outfile=${report}`,
  ];
  // Without "./" Bun takes a name as a pattern.
  const command = [join(BIN, 'bun'), ...options, ...files.map((file) => `./${file}`)] as const;
  return { name, command, tests: { files, report } };
}

function nodeTests(name: string, files: string[], timeout: number, report: string): Part {
  const shown = ['--test-reporter=dot', '--test-reporter-destination=stdout'];
  const written = ['--test-reporter=junit', `--test-reporter-destination=${report}`];
  const command = [
    join(BIN, 'node'),
    '--test',
    `--test-concurrency=${NODE_FILES_AT_ONCE}`,
    `--test-timeout=${timeout}`,
    ...shown,
    ...written,
    ...files,
  ] as const;
  return { name, command, tests: { files, report } };
}

async function runPart(part: Part): Promise<Result> {
  const began = performance.now();
  // Either runner would look for files of its own if it were given none.
  const nothing = part.tests?.files.length === 0;
  const { code, output, late } = nothing ? NOT_RUN : await runCommand(part.command);
  const result: Result = { name: part.name, passed: 0, failed: 0, problems: [], output, seconds: 0 };
  result.seconds = (performance.now() - began) / 1000;
  if (late) result.problems.push(`was ended after ${PART_DEADLINE / 1000} s`);
  if (nothing) result.problems.push('there are no test files');
  else if (part.tests !== undefined) addReport(result, part.tests.report);
  if (code !== 0 && result.failed === 0) result.problems.push(`ended with code ${code}`);
  // What fails without the name of a test counts as one: the sum must not read as if all were well.
  if (result.problems.length > 0 && result.failed === 0) result.failed = 1;
  show(result, part.tests !== undefined);
  return result;
}

type Ended = { code: number | null; output: string; late: boolean };
const NOT_RUN: Ended = { code: 0, output: '', late: false };

async function runCommand(command: Part['command']): Promise<Ended> {
  const runner = await start(command, { cwd: ROOT, env: { NO_COLOR: '1', FORCE_COLOR: undefined } });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void runner.stop();
  }, PART_DEADLINE);
  const { code } = await runner.exited;
  clearTimeout(timer);
  return { code, output: runner.output(), late };
}

function addReport(result: Result, path: string): void {
  const report = existsSync(path) ? readReport(readFileSync(path, 'utf8')) : null;
  if (report === null) {
    result.problems.push('left no whole report: its tests are not counted');
    return;
  }
  result.passed = report.passed;
  result.failed = report.failed.length;
  if (report.skipped.length > 0) result.problems.push(`skipped tests: ${report.skipped.join(', ')}`);
  if (report.empty.length > 0) result.problems.push(`files without a test: ${report.empty.join(', ')}`);
  if (report.passed + report.failed.length === 0) result.problems.push('no test ran');
}

function show(result: Result, counted: boolean): void {
  const good = result.failed === 0;
  const counts = counted ? `, ${result.passed} passed, ${result.failed} failed` : '';
  say(`== ${result.name}: ${good ? 'ok' : 'FAILED'}${counts} (${result.seconds.toFixed(1)} s)`);
  if (good) return;
  if (result.output !== '') say(result.output.trimEnd());
  for (const problem of result.problems) say(`== ${result.name}: ${problem}`);
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

await main();
