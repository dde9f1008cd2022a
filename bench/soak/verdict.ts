/** Whether memory and descriptors stay where they are. */

/** `seconds` since the start; RSS and PSS in KiB, over all processes. */
export type Sample = { seconds: number; rss: number; pss: number; descriptors: number };
export type Measure = Exclude<keyof Sample, 'seconds'>;

export type Verdict = {
  measure: Measure;
  /** The means of the middle and of the last third. */
  middle: number;
  last: number;
  /** An hour's growth by least squares, without the first third. */
  slope: number;
  flat: boolean;
};

/**
 * The last third may be so much above the middle one: as a part, and in the measure's own unit, for collectors run when
 * they like. In half an hour, 1 KiB lost in each of a hundred sessions a second would be four times that.
 */
const ALLOWED: Record<Measure, { part: number; own: number }> = {
  rss: { part: 0.05, own: 8_192 },
  pss: { part: 0.05, own: 8_192 },
  descriptors: { part: 0.05, own: 20 },
};
/** Fewer, and a third is no mean of anything. */
export const LEAST_SAMPLES = 6;
/** Ms between two samples. */
export const EVERY = 10_000;
export const LEAST_MINUTES = (LEAST_SAMPLES * EVERY) / 60_000;
export const MOST_MINUTES = 24 * 60;

export function verdicts(samples: readonly Sample[]): Verdict[] {
  if (samples.length < LEAST_SAMPLES) throw new Error(`${samples.length} samples are too few for a verdict`);
  const third = Math.floor(samples.length / 3);
  const middle = samples.slice(third, samples.length - third);
  const last = samples.slice(-third);
  return (Object.keys(ALLOWED) as Measure[]).map((measure) => {
    const before = mean(middle.map((sample) => sample[measure]));
    const after = mean(last.map((sample) => sample[measure]));
    const { part, own } = ALLOWED[measure];
    const slope = slopeOf(samples.slice(third), measure) * 3_600;
    return { measure, middle: before, last: after, slope, flat: after <= before * (1 + part) + own };
  });
}

/** Of the line through the samples, a second. */
function slopeOf(samples: readonly Sample[], measure: Measure): number {
  const x = mean(samples.map(({ seconds }) => seconds));
  const y = mean(samples.map((sample) => sample[measure]));
  const above = samples.reduce((total, one) => total + (one.seconds - x) * (one[measure] - y), 0);
  const below = samples.reduce((total, { seconds }) => total + (seconds - x) ** 2, 0);
  return above / below;
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
