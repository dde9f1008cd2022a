/** In what order it is measured, and how long it takes. */
import type { Options } from './options.ts';
import type { Peer } from './peers/peer.ts';
import { leftOut } from './peers/peers.ts';
import type { Traffic, Workload } from './workloads.ts';

/** One workload with one peer, for the so manieth time. */
export type Measurement = { repetition: number; workload: Workload; peer: Peer };

type Seconds = Pick<Options, 'warmup' | 'duration'>;

/** What is compiled beforehand needs but its caches filled. */
const SHORT_WARMUP = 0.5;
/** So many times the duration: good logins come but twice a second, before the flood and during it; hashes take long. */
const FLOOD_TIMES = 5;
const FIRST_TIMES = 2;
/** Seconds that a start and an end take besides, and idle sessions until they are open and counted; as measured. */
const AROUND = 1;
const HOLDING = 2;
const HOLDING_STAGE = 2;
const MINUTE = 60;

/** Every second time the other way round. */
export function planned(
  reps: number,
  workloads: readonly Workload[],
  peers: readonly Peer[],
): readonly Measurement[] {
  return Array.from({ length: reps }, (_, repetition) => repetition).flatMap((repetition) =>
    workloads
      .filter(({ once }) => once !== true || repetition === 0)
      .flatMap((workload) => {
        const taking = peers.filter((peer) => leftOut(peer, workload) === null);
        if (repetition % 2 === 1) taking.reverse();
        return taking.map((peer) => ({ repetition, workload, peer }));
      }),
  );
}

/** The load generator's, of one stage. */
export function secondsOf(traffic: Traffic, peer: Peer, { warmup, duration }: Seconds): Seconds {
  return { warmup: warmupOf(traffic, peer, warmup), duration: timesOf(traffic) * duration };
}

function warmupOf(traffic: Traffic, peer: Peer, warmup: number): number {
  if (traffic.kind === 'open' && traffic.fresh === true) return 0;
  return peer.warms === true ? warmup : Math.min(warmup, SHORT_WARMUP);
}

function timesOf({ kind }: Traffic): number {
  if (kind === 'flood') return FLOOD_TIMES;
  return kind === 'first' ? FIRST_TIMES : 1;
}

export class Progress {
  readonly #plan: readonly Measurement[];
  readonly #options: Options;
  readonly #total: number;
  readonly #began = performance.now();
  #done = 0;
  #doneSeconds = 0;

  constructor(plan: readonly Measurement[], options: Options) {
    this.#plan = plan;
    this.#options = options;
    this.#total = plan.reduce((sum, each) => sum + estimated(each, options), 0);
  }

  announced(): string {
    return `${this.#plan.length} measurements, about ${minutes(this.#total)}`;
  }

  /** What is left takes as much more or less than thought as what is done did. */
  after(measurement: Measurement): string {
    this.#done++;
    this.#doneSeconds += estimated(measurement, this.#options);
    const elapsed = (performance.now() - this.#began) / 1_000;
    const left = (this.#total - this.#doneSeconds) * (elapsed / this.#doneSeconds);
    return `${this.#done}/${this.#plan.length}, ${minutes(left)} left:`;
  }
}

/** Seconds. */
export function estimated({ workload, peer }: Measurement, options: Seconds): number {
  if (peer.bare !== undefined) return AROUND + FIRST_TIMES * options.duration;
  return workload.stages.reduce((sum, { traffic }) => {
    const { warmup, duration } = secondsOf(traffic, peer, options);
    return sum + AROUND + timeOf(traffic, warmup, duration);
  }, 0);
}

function timeOf(traffic: Traffic, warmup: number, duration: number): number {
  switch (traffic.kind) {
    case 'closed':
    case 'open':
    case 'first':
      return warmup + duration;
    case 'hold':
      return HOLDING + HOLDING_STAGE * traffic.stages.length;
    case 'flood':
      return warmup + 2 * duration;
  }
}

function minutes(seconds: number): string {
  return seconds < MINUTE ? `${Math.round(seconds)} s` : `${Math.round(seconds / MINUTE)} min`;
}
