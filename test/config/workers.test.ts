import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { good, onlyError, withRest } from './configs.ts';

const workers = (text: string) => good(withRest(text)).config.workers;

test('one process, unless told otherwise', () => {
  assert.equal(workers(''), 1);
  assert.equal(workers('workers: 7\n'), 7);
  assert.equal(workers('workers: auto\n'), availableParallelism());
});

test('what is no number of processes is told with what would be', () => {
  for (const value of ['0', '257', 'many', '1.5', '[1]']) {
    const { path, message } = onlyError(withRest(`workers: ${value}\n`));
    assert.equal(`${path}: ${message}`, 'workers: expected auto, or a whole number from 1 to 256', value);
  }
});

test('more workers than passwords at once: one for each is more than was allowed', () => {
  const warnings = (text: string) =>
    good(withRest(text)).warnings.map(({ path, message, hint }) => `${path}: ${message} (${hint})`);
  const found = warnings('workers: 4\npasswords: { concurrency: 3 }\n');
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^workers: more than passwords\.concurrency .* raise passwords\.concurrency to 4/);
  assert.deepEqual(warnings('workers: 4\npasswords: { concurrency: 4 }\n'), []);
  assert.deepEqual(warnings('workers: 1\npasswords: { concurrency: 1 }\n'), []);
});
