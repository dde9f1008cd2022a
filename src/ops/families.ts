import {
  AggregatorRegistry as Aggregator,
  Counter,
  Gauge,
  Histogram,
  type HistogramConfiguration,
  Registry as PromRegistry,
} from 'prom-client';
import { Distribution } from './distribution.ts';
import { OTHER } from './outcome.ts';
import { Tally } from './tally.ts';

/** Seconds into a histogram. */
export type Observe = (seconds: number) => void;

/** How the values that several processes have of a metric become one. */
export type Merging = 'sum' | 'min' | 'max' | 'first';

/** The metrics of one process at a moment, as they can be sent to another. */
export type Snapshot = readonly Family[];
export type Family = {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  aggregator: Merging;
  values: readonly {
    value: number;
    labels: Readonly<Record<string, string | number>>;
    /** Of a histogram: which of its series. */
    metricName?: string | undefined;
  }[];
};

/** The metrics of several processes as if they were one. */
export function merged(snapshots: readonly Snapshot[]): { text(): Promise<string>; snapshot(): Snapshot } {
  const together = Aggregator.aggregate(snapshots as unknown as object[]);
  // What is aggregated is there, and nothing is asked for it.
  const families = together.getMetricsAsArray() as unknown as { get(): Family }[];
  return { text: () => together.metrics(), snapshot: () => families.map((family) => family.get()) };
}

/** prom-client, behind the little that the proxy needs of it. A registry of its own: nothing is global. */
export class Families {
  readonly #prom = new PromRegistry();

  get contentType(): string {
    return this.#prom.contentType;
  }

  text(): Promise<string> {
    return this.#prom.metrics();
  }

  async snapshot(): Promise<Snapshot> {
    return (await this.#prom.getMetricsAsJSON()) as unknown as Snapshot;
  }

  /** Counts that only grow, by the given combinations of label values. */
  counter<L extends string>(name: string, help: string, labels: L[], values: readonly string[][]): Tally<L> {
    const tally = new Tally<L>(labels, values);
    const counter = new Counter({
      ...this.#family(name, help),
      labelNames: labels,
      collect() {
        counter.reset();
        for (const cell of tally.cells()) counter.inc(cell.labels, cell.value);
      },
    });
    return tally;
  }

  /** Counts that go up and down. */
  gauge<L extends string>(
    name: string,
    help: string,
    labels: L[],
    values: readonly string[][],
    merging: Merging = 'sum',
  ): Tally<L> {
    const tally = new Tally<L>(labels, values);
    const gauge = new Gauge({
      ...this.#family(name, help),
      aggregator: merging,
      labelNames: labels,
      collect() {
        gauge.reset();
        for (const cell of tally.cells()) gauge.inc(cell.labels, cell.value);
      },
    });
    return tally;
  }

  /** A value asked for when the metrics are read; null leaves it out. */
  asked(name: string, help: string, ask: () => number | null, merging: Merging = 'sum'): void {
    const gauge = new Gauge({
      ...this.#family(name, help),
      aggregator: merging,
      collect() {
        const value = ask();
        if (value === null) gauge.remove();
        else gauge.set(value);
      },
    });
  }

  /** The same for a count that somebody else keeps. */
  askedCount(name: string, help: string, ask: () => number): void {
    const counter = new Counter({
      ...this.#family(name, help),
      collect() {
        counter.reset();
        counter.inc(ask());
      },
    });
  }

  /** The same by the values of a label; each is there from the start. */
  askedCounts(
    name: string,
    help: string,
    label: string,
    ask: () => Readonly<Record<string, number>>,
    values: readonly string[],
  ): void {
    const counter = new Counter({
      ...this.#family(name, help),
      labelNames: [label],
      collect() {
        counter.reset();
        const counts = ask();
        for (const value of values) counter.inc({ [label]: value }, counts[value] ?? 0);
      },
    });
  }

  /** The same for values that go up and down. */
  askedByLabel(
    name: string,
    help: string,
    label: string,
    ask: () => Readonly<Record<string, number>>,
    values: readonly string[],
  ): void {
    const gauge = new Gauge({
      ...this.#family(name, help),
      labelNames: [label],
      collect() {
        const numbers = ask();
        for (const value of values) gauge.set({ [label]: value }, numbers[value] ?? 0);
      },
    });
  }

  /** A value that never changes, told by its labels. */
  fact(name: string, help: string, labels: Record<string, string>): void {
    const family = {
      ...this.#family(name, help),
      labelNames: Object.keys(labels),
      aggregator: 'first' as const,
    };
    new Gauge(family).set(labels, 1);
  }

  histogram(name: string, help: string, buckets: number[]): Observe {
    const distribution = new Distribution(buckets);
    const kept = [{ labels: {}, distribution }];
    new KeptHistogram({ ...this.#family(name, help), buckets }, () => kept);
    return (seconds) => distribution.observe(seconds);
  }

  /** A histogram for each value of one label, all shown from the start; any other value goes to 'other'. */
  histograms(name: string, help: string, buckets: number[], label: string, values: readonly string[]) {
    const kept = new Map(values.map((value) => [value, new Distribution(buckets)]));
    const labelled = () =>
      Array.from(kept, ([value, distribution]) => ({ labels: { [label]: value }, distribution }));
    new KeptHistogram({ ...this.#family(name, help), buckets, labelNames: [label] }, labelled);
    return (value: string, seconds: number) => {
      const bounded = kept.has(value) ? value : OTHER;
      if (!kept.has(bounded)) kept.set(bounded, new Distribution(buckets));
      kept.get(bounded)!.observe(seconds);
    };
  }

  #family(name: string, help: string) {
    return { name, help, registers: [this.#prom] };
  }
}

type Samples = Iterable<{ labels: Record<string, string>; distribution: Distribution }>;

/** A histogram whose observations are kept outside of prom-client. */
class KeptHistogram extends Histogram<string> {
  readonly #family: { name: string; help: string };
  readonly #kept: () => Samples;

  constructor(family: HistogramConfiguration<string>, kept: () => Samples) {
    super(family);
    this.#family = family;
    this.#kept = kept;
  }

  /** What prom-client's own get() and its text are made of; not in its type declarations. */
  async getForPromString() {
    const { name, help } = this.#family;
    const values = Array.from(this.#kept(), (kept) => samples(name, kept)).flat();
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  }
}

function samples(name: string, { labels, distribution }: { labels: object; distribution: Distribution }) {
  const sample = (suffix: string, value: number, le: { le?: number | string } = {}) => ({
    labels: le,
    sharedLabels: labels,
    value,
    metricName: `${name}_${suffix}`,
  });
  const { cumulated, count, sum } = distribution;
  return [
    ...cumulated.map(({ bound, count }) => sample('bucket', count, { le: bound })),
    sample('bucket', count, { le: '+Inf' }),
    sample('sum', sum),
    sample('count', count),
  ];
}
