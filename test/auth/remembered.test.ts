import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MARK_OCTETS, Remembered } from '../../src/auth/remembered.ts';

const BOUNDS = { entries: 3, idle: 100, lifetime: 1_000 };

/** A mark of two halves. */
const mark = (first: string, second = first) =>
  first.padEnd(MARK_OCTETS / 2, '.') + second.padEnd(MARK_OCTETS / 2, '.');

test('a number is remembered until it was not used for the idle time', () => {
  const remembered = new Remembered(BOUNDS);
  remembered.keep(mark('a'), 7, 0);
  assert.equal(remembered.recall(mark('b'), 0), undefined);
  // Each use begins it anew.
  for (const now of [99, 198, 297]) assert.equal(remembered.recall(mark('a'), now), 7);
  assert.equal(remembered.recall(mark('a'), 397), undefined);
  assert.equal(remembered.size(397), 0);
});

test('and never longer than its lifetime, however often it is used', () => {
  const remembered = new Remembered(BOUNDS);
  remembered.keep(mark('a'), 7, 0);
  for (let now = 50; now < 1_000; now += 50) assert.equal(remembered.recall(mark('a'), now), 7);
  assert.equal(remembered.recall(mark('a'), 1_000), undefined);
  assert.equal(remembered.recall(mark('a'), 1_001), undefined);
  remembered.keep(mark('a'), 8, 1_002);
  assert.equal(remembered.recall(mark('a'), 1_003), 8);
});

test('both halves of a mark must be the same', () => {
  const remembered = new Remembered(BOUNDS);
  remembered.keep(mark('a', 'x'), 7, 0);
  assert.equal(remembered.recall(mark('a', 'y'), 1), undefined);
  assert.equal(remembered.recall(mark('b', 'x'), 1), undefined);
  assert.equal(remembered.recall(mark('a', 'x'), 1), 7);
});

test('of more than the bound those used longest ago go', () => {
  const remembered = new Remembered(BOUNDS);
  for (const name of ['a', 'b', 'c']) remembered.keep(mark(name), 1, 0);
  remembered.recall(mark('a'), 1);
  remembered.keep(mark('d'), 1, 2);
  const left = ['a', 'b', 'c', 'd'].filter((name) => remembered.recall(mark(name), 3) !== undefined);
  assert.deepEqual(left, ['a', 'c', 'd']);
  assert.equal(remembered.size(3), 3);
});

test('what is kept again takes the place of what was', () => {
  const remembered = new Remembered(BOUNDS);
  remembered.keep(mark('a'), 1, 0);
  remembered.keep(mark('b'), 1, 1);
  remembered.keep(mark('a'), 2, 2);
  assert.equal(remembered.size(2), 2);
  for (const name of ['c', 'd']) remembered.keep(mark(name), 1, 3);
  assert.equal(remembered.recall(mark('a'), 4), 2);
  assert.equal(remembered.recall(mark('b'), 4), undefined);
});

test('what is idle for too long takes no room', () => {
  const remembered = new Remembered({ ...BOUNDS, entries: 1_000 });
  for (let i = 0; i < 500; i++) remembered.keep(mark(`${i}`), 1, i);
  assert.equal(remembered.size(499), 100);
  remembered.keep(mark('last'), 1, 10_000);
  assert.equal(remembered.size(10_000), 1);
});

test('with room for none nothing is kept', () => {
  const remembered = new Remembered({ ...BOUNDS, entries: 0 });
  remembered.keep(mark('a'), 1, 0);
  assert.equal(remembered.recall(mark('a'), 0), undefined);
  assert.equal(remembered.size(0), 0);
});
