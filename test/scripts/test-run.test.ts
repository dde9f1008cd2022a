import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ROOT } from '../../scripts/test-parts.ts';
import { perform } from '../../scripts/test-run.ts';
import { temporaryFolder } from '../support/temp.ts';

const folder = temporaryFolder('run');
after(() => folder.remove());

const reportOf = (...files: string[]) =>
  `<testsuites>${files
    .map((file) => `<testsuite name="x" file="${file}"><testcase name="t" file="${file}" /></testsuite>`)
    .join('')}</testsuites>`;

/** A runner that leaves this report and this code. */
function runner(report: string | null, code: number, ...files: string[]) {
  const path = join(folder.path, 'report.xml');
  const write = report === null ? `rm -f ${path}` : `printf '%s' '${report}' >${path}`;
  const command = ['sh', '-c', `${write}; exit ${code}`] as const;
  return perform({ command, length: 1, tests: { files, report: path, seen: null } }, folder.path);
}

test('a run that went well has as many as its report tells', async () => {
  const { passed, failed, problems } = await runner(reportOf('a', 'b'), 0, 'a', 'b');
  assert.deepEqual([passed, failed, problems], [2, 0, []]);
});

test('a file of which no test ran is a failure', async () => {
  const { failed, problems } = await runner(reportOf('a'), 0, 'a', 'b');
  assert.deepEqual([failed, problems], [1, ['files of which no test ran: b']]);
});

test('so is a run without a report, or with a code that its report does not explain', async () => {
  const lost = await runner(null, 0, 'a');
  assert.deepEqual([lost.failed, lost.problems], [1, ['left no whole report, its tests are not counted: a']]);
  const left = await runner(reportOf('a'), 7, 'a');
  assert.deepEqual([left.passed, left.failed, left.problems], [1, 1, ['ended with code 7']]);
});

test('a check has its exit code alone', async () => {
  const well = await perform({ command: ['true'], length: 1 }, folder.path);
  const ill = await perform({ command: ['false'], length: 1 }, folder.path);
  assert.deepEqual([well.failed, ill.failed], [0, 1]);
});

test("Node's reporter names the file that was run, wherever its test is written", async () => {
  const helper = folder.file(
    'helper.ts',
    "import { test } from 'node:test';\nexport const one = () => test('t', () => {});\n",
  );
  const file = folder.file('a.test.ts', `import { one } from '${helper}';\none();\n`);
  const seen = join(folder.path, 'seen');
  const reporter = join(ROOT, 'scripts', 'test-files-reporter.ts');
  const command = [
    // Without what would make it a part of the run that this test is in.
    ...['env', '-u', 'NODE_TEST_CONTEXT', join(ROOT, 'node_modules', '.bin', 'node')],
    ...['--test', `--test-reporter=${reporter}`, `--test-reporter-destination=${seen}`, file],
  ] as [string, ...string[]];
  const { failed, output } = await perform({ command, length: 1 }, folder.path);
  assert.equal(failed, 0, output);
  assert.equal(readFileSync(seen, 'utf8'), `${file}\n`);
});
