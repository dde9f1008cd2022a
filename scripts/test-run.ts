/** Performs one run of `npm test`, and tells from its exit code and its report what came of it. */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { start } from '../test/support/process.ts';
import { ROOT, type Run } from './test-parts.ts';
import { readReport } from './test-report.ts';

/** A run that takes longer hangs; in milliseconds. */
const DEADLINE = 600_000;

export type Result = {
  passed: number;
  failed: number;
  problems: string[];
  output: string;
  seconds: number;
};

/** @param folder for what Node compiles: its processes load the same files again and again */
export async function perform({ command, tests }: Run, folder: string): Promise<Result> {
  const began = performance.now();
  const { code, output, late } = await runCommand(command, join(folder, 'compiled'));
  const seconds = (performance.now() - began) / 1000;
  const result: Result = { passed: 0, failed: 0, problems: [], output, seconds };
  if (late) result.problems.push(`was ended after ${DEADLINE / 1000} s: ${command.join(' ')}`);
  if (tests !== undefined) addReport(result, tests);
  if (code !== 0 && result.failed === 0) result.problems.push(`ended with code ${code}`);
  // What fails without the name of a test counts as one: the sum must not read as if all were well.
  if (result.problems.length > 0 && result.failed === 0) result.failed = 1;
  return result;
}

type Ended = { code: number | null; output: string; late: boolean };

async function runCommand(command: Run['command'], compiled: string): Promise<Ended> {
  const env = { NO_COLOR: '1', FORCE_COLOR: undefined, NODE_COMPILE_CACHE: compiled };
  const runner = await start(command, { cwd: ROOT, env });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void runner.stop();
  }, DEADLINE);
  const { code } = await runner.exited;
  clearTimeout(timer);
  return { code, output: runner.output(), late };
}

function addReport(result: Result, { files, report, seen }: NonNullable<Run['tests']>): void {
  const read = existsSync(report) ? readReport(readFileSync(report, 'utf8')) : null;
  if (read === null) {
    result.problems.push(`left no whole report, its tests are not counted: ${files.join(', ')}`);
    return;
  }
  result.passed = read.passed;
  result.failed = read.failed.length;
  if (read.skipped.length > 0) result.problems.push(`skipped tests: ${read.skipped.join(', ')}`);
  if (read.empty.length > 0) result.problems.push(`files without a test: ${read.empty.join(', ')}`);
  const ran = new Set(seen === null ? read.files : linesOf(seen).map((path) => relative(ROOT, path)));
  const unseen = files.filter((file) => !ran.has(file));
  if (unseen.length > 0) result.problems.push(`files of which no test ran: ${unseen.join(', ')}`);
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}
