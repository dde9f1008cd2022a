import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitTo, mapConcurrently } from '../../../src/tables/sources/concurrency.ts';

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

/** Work that notes how much of it runs at the same time. */
function gauge() {
  let running = 0;
  const seen = { most: 0 };
  const work = async <Value>(value: Value) => {
    running++;
    seen.most = Math.max(seen.most, running);
    await pause();
    running--;
    return value;
  };
  return { seen, work };
}

test('a limit is reached and not passed, and everything is done', async () => {
  const { seen, work } = gauge();
  const limit = limitTo(3);
  const results = await Promise.all(Array.from({ length: 20 }, (_, i) => limit(() => work(i))));
  assert.deepEqual(
    results,
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(seen.most, 3);
});

test('work that fails gives its place back', async () => {
  const limit = limitTo(1);
  await assert.rejects(
    limit(() => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(await limit(async () => 'next'), 'next');
});

test('results are in the order of the items, so many at a time', async () => {
  const { seen, work } = gauge();
  assert.deepEqual(await mapConcurrently([3, 1, 2], 2, work), [3, 1, 2]);
  assert.equal(seen.most, 2);
  assert.deepEqual(await mapConcurrently([], 2, work), []);
});

test('after a failure nothing begins, and what had begun has ended', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = async (item: number) => {
    begun.push(item);
    await pause();
    if (item === 0) throw new Error('first');
    await pause();
    ended++;
  };
  await assert.rejects(mapConcurrently([0, 1, 2, 3], 2, work), /first/);
  assert.deepEqual(begun, [0, 1]);
  assert.equal(ended, 1);
});
