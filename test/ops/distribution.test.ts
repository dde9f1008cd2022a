import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Distribution } from '../../src/ops/distribution.ts';
import { Families } from '../../src/ops/families.ts';

test('an observation is in each bucket whose bound it does not pass, the bound itself among them', () => {
  const distribution = new Distribution([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 2.1, 5, 5.1, 1000]) distribution.observe(value);
  assert.deepEqual(distribution.cumulated, [
    { bound: 1, count: 2 },
    { bound: 2, count: 4 },
    { bound: 5, count: 6 },
  ]);
  assert.equal(distribution.count, 8);
  assert.equal(distribution.sum, 0 + 1 + 1.5 + 2 + 2.1 + 5 + 5.1 + 1000);
});

test('the text is what prom-client makes of a histogram', async () => {
  const families = new Families();
  const observe = families.histogram('x_seconds', 'Time.', [0.5, 1]);
  for (const seconds of [0.25, 0.5, 0.75, 3]) observe(seconds);
  assert.equal(
    await families.text(),
    `# HELP x_seconds Time.
# TYPE x_seconds histogram
x_seconds_bucket{le="0.5"} 2
x_seconds_bucket{le="1"} 3
x_seconds_bucket{le="+Inf"} 4
x_seconds_sum 4.5
x_seconds_count 4
`,
  );
});

test('by label each value is there from the start, and what is not known is other', async () => {
  const families = new Families();
  const observe = families.histograms('y_seconds', 'Time.', [1], 'upstream', ['a', 'b']);
  observe('b', 0.5);
  assert.doesNotMatch(await families.text(), /other/);
  observe('made-up', 2);
  observe('made-up too', 3);
  assert.equal(
    await families.text(),
    `# HELP y_seconds Time.
# TYPE y_seconds histogram
y_seconds_bucket{le="1",upstream="a"} 0
y_seconds_bucket{le="+Inf",upstream="a"} 0
y_seconds_sum{upstream="a"} 0
y_seconds_count{upstream="a"} 0
y_seconds_bucket{le="1",upstream="b"} 1
y_seconds_bucket{le="+Inf",upstream="b"} 1
y_seconds_sum{upstream="b"} 0.5
y_seconds_count{upstream="b"} 1
y_seconds_bucket{le="1",upstream="other"} 0
y_seconds_bucket{le="+Inf",upstream="other"} 2
y_seconds_sum{upstream="other"} 5
y_seconds_count{upstream="other"} 2
`,
  );
});
