import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Seldom } from '../../src/proxy/seldom.ts';

test('a thing is said once in an interval, then with how often it was not; each key by itself', () => {
  const seldom = new Seldom(1000);
  const said = (key: string, ...times: number[]) => times.map((now) => seldom.happened(key, now));
  assert.deepEqual(said('a', 0, 1, 999), [0, null, null]);
  assert.deepEqual(said('b', 500), [0]);
  assert.deepEqual(said('a', 1000, 1001), [2, null]);
  assert.deepEqual(said('a', 5000, 6000), [1, 0]);
  assert.deepEqual(said('b', 1499, 1500), [null, 1]);
});
