import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import { type Part, ROOT, testParts } from '../../scripts/test-parts.ts';

const parts = testParts('/nowhere');
const filesOf = (part: Part) => part.runs.flatMap(({ tests }) => tests?.files ?? []).sort();
const on = (runtime: string) => parts.filter(({ name }) => name.endsWith(runtime)).flatMap(filesOf);
const all = globSync('test/**/*.test.ts', { cwd: ROOT }).sort();

test('each file is in one run on Bun', () => {
  assert.ok(all.length > 200);
  assert.deepEqual(on('Bun').sort(), all);
});

test("each unit tests' file is in one run on Node, but those about Bun", () => {
  const wanted = all.filter((file) => !file.startsWith('test/system/') && !file.includes('/bun/'));
  assert.deepEqual(on('Node').sort(), wanted);
});

test('no two runs write one report', () => {
  const reports = parts.flatMap(({ runs }) => runs.flatMap(({ tests }) => tests?.report ?? []));
  assert.equal(new Set(reports).size, reports.length);
});

test('types and format are checked', () => {
  const checks = parts.filter(({ runs }) => runs.some(({ tests }) => tests === undefined));
  assert.deepEqual(
    checks.map(({ name }) => name),
    ['types', 'lint and format'],
  );
});
