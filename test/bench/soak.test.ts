import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEAST_SAMPLES, type Sample, verdicts } from '../../bench/soak/verdict.ts';

function samples(count: number, pss: (seconds: number) => number): Sample[] {
  return Array.from({ length: count }, (_, index) => {
    const seconds = 10 * (index + 1);
    return { seconds, rss: 200_000, pss: pss(seconds), descriptors: 100 };
  });
}

function pssOf(all: readonly Sample[]) {
  return verdicts(all).find(({ measure }) => measure === 'pss')!;
}

test('what stays is flat, and so is what grew only in the first third', () => {
  const flat = verdicts(samples(30, () => 100_000));
  assert.deepEqual(
    flat.map(({ measure, flat }) => [measure, flat]),
    [
      ['rss', true],
      ['pss', true],
      ['descriptors', true],
    ],
  );
  assert.ok(pssOf(samples(30, (seconds) => (seconds <= 100 ? 500 * seconds : 50_000))).flat);
});

test('what grows on is not flat, and the slope says how fast', () => {
  const leaking = pssOf(samples(180, (seconds) => 100_000 + 100 * seconds));
  assert.equal(leaking.flat, false);
  assert.ok(Math.abs(leaking.slope - 360_000) < 1);
  const left = verdicts(
    samples(30, () => 1).map((sample) => ({ ...sample, descriptors: 5 * sample.seconds })),
  );
  assert.deepEqual(
    left.filter(({ flat }) => !flat).map(({ measure }) => measure),
    ['descriptors'],
  );
});

test('too few samples are no verdict', () => {
  assert.throws(() => verdicts(samples(LEAST_SAMPLES - 1, () => 1)), /5 samples are too few/);
});
