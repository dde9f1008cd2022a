import assert from 'node:assert/strict';
import { test } from 'node:test';
import { page, type Report } from '../../bench/compare/report.ts';
import { isWell, type Soaked, soakTable } from '../../bench/soak/soak.ts';
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

function soaked(pss: (seconds: number) => number, errors = 0): Soaked {
  const counts = { sessions: 250_000, slow: 900, refused: 18_000, cut: 18_000, errors };
  const firstError = errors === 0 ? null : 'poll off: closed';
  return {
    ...{ title: '**ours**', minutes: 30, counts: { ...counts, firstError } },
    verdicts: verdicts(samples(180, pss)),
  };
}

test('a soak is well where nothing grew and nothing went wrong', () => {
  assert.ok(isWell(soaked(() => 100_000)));
  assert.equal(isWell(soaked((seconds) => 100_000 + 100 * seconds)), false);
  assert.equal(isWell(soaked(() => 100_000, 1)), false);
});

test('its table tells what grew, and stays on the page when the rest is measured anew', () => {
  const growing = soaked((seconds) => 102_400 + 102.4 * seconds, 1);
  const written = soakTable([growing]);
  assert.match(written, /\| \*\*ours\*\*: PSS, MiB \| 190\.5 \| 250\.5 \| \+360\.0 \| \*\*not flat\*\* \|/);
  assert.match(written, /\| \*\*ours\*\*: descriptors \| 100\.0 \| 100\.0 \| \+0\.0 \| flat \|/);
  assert.match(written, /- ours, 30 minutes: 250,000 sessions, .* 1 errors, the first: poll off: closed\./);
  const nothing = { cells: [], workloads: [], peers: [], targets: [], absent: [], facts: [] };
  const report: Report = {
    ...{ ...nothing, command: 'npm run bench', date: '2026-01-02', accounting: 'by ticks' },
    soaked: [growing],
  };
  const first = page(report, null);
  assert.ok(first.includes(written));
  assert.equal(page({ ...report, soaked: [] }, first), first);
  assert.match(page({ ...report, soaked: [] }, null), /Not run yet: `npm run bench -- --soak 30`/);
});
