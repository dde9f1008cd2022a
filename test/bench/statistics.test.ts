import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram, median } from '../../bench/compare/statistics.ts';

test('median takes the middle, or the mean of the middle two, and changes nothing', () => {
  const values = [9, 1, 10];
  assert.equal(median(values), 9);
  assert.deepEqual(values, [9, 1, 10]);
  assert.equal(median([100, 20, 3, 4]), 12);
  assert.ok(Number.isNaN(median([])));
});

test('a histogram finds each quantile to 2 %', () => {
  const histogram = new Histogram();
  for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
  assert.equal(histogram.count, 1_000);
  for (const [part, ms] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const found = histogram.quantile(part);
    assert.ok(Math.abs(found / ms - 1) < 0.02, `${part}: ${found}`);
  }
});

test('a histogram holds what is shorter than its first bucket, and says NaN of nothing', () => {
  const histogram = new Histogram();
  assert.ok(Number.isNaN(histogram.quantile(0.5)));
  histogram.add(0);
  assert.ok(histogram.quantile(0.5) <= 0.001);
});
