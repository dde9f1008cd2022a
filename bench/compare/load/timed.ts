/** Sessions without end, for a time: closed loop, open loop, and each of another user. */
import type { Traffic } from '../workloads.ts';
import { type Generator, pause, type Reading } from './generator.ts';

/** Open loop: more at once than that, and the proxy does not keep up at all. */
const MOST_AT_ONCE = 5_000;
/** So many more at a time: no listener's backlog overflows. */
const ADDED_AT_ONCE = 256;
const TICK = 1;
/** A prime: each user has a turn, and neighbours in the tables do not come one after the other. */
const STRIDE = 7_919;
/** None of those that log in again and again. */
const FIRST_STRANGER = 100;
const WARM_USERS = 8;
const WARM_AT_ONCE = 32;
/** More hashes than CPUs, so that none of these waits for a login. */
const FIRST_AT_ONCE = 4;
const FIRST_FOR_EACH_CPU = 2;

type Closed = Extract<Traffic, { kind: 'closed' }>;
type Open = Extract<Traffic, { kind: 'open' }>;

export async function closed(load: Generator, run: Closed): Promise<Record<string, number>> {
  const stop = await keepOpen(load, run);
  await pause(load.job.warmup * 1_000);
  return measured(load, stop);
}

/** At such a rate code would be compiled for minutes: it is warmed up as fast as it goes. */
export async function open(load: Generator, { script, rate, fresh }: Open): Promise<Record<string, number>> {
  if (fresh !== true) await warmUp(load, { atOnce: WARM_AT_ONCE });
  return measured(
    load,
    everySecond(rate, () => {
      if (load.active.size < MOST_AT_ONCE) load.open(script);
      else load.fail(`more than ${MOST_AT_ONCE} sessions at once`);
    }),
  );
}

async function measured(load: Generator, stop: () => void): Promise<Record<string, number>> {
  const sweep = setInterval(() => load.endLost(), 1_000);
  const before = load.begin();
  await pause(load.job.duration * 1_000);
  const made = figures(load, before, load.reading());
  stop();
  clearInterval(sweep);
  load.abandonAll();
  return made;
}

/** As soon as one session has ended, the next begins. Resolves when so many are open at once. */
export async function keepOpen(load: Generator, { script, atOnce, users }: Closed): Promise<() => void> {
  let next = 0;
  const another = () => load.open(script, users === undefined ? {} : { user: (next++ * STRIDE) % users });
  // Not at once from within the handler: the socket that has just ended is closed first.
  load.onEnd = () => queueMicrotask(another);
  for (let left = atOnce; left > 0; ) {
    const many = Math.min(left, ADDED_AT_ONCE);
    for (let one = 0; one < many; one++) another();
    left -= many;
    // The sessions that are open keep the loop busy, and a turn of it may take long.
    await pause(TICK);
  }
  return () => {
    load.onEnd = () => {};
  };
}

/** Calls back so many times a second, whatever becomes of it. */
export function everySecond(rate: number, one: () => void): () => void {
  const begin = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    const now = ((performance.now() - begin) / 1_000) * rate;
    for (; due < now; due++) one();
  }, TICK);
  return () => clearInterval(timer);
}

/** Polls without a break, for code to be compiled; all of them have ended. */
export async function warmUp(load: Generator, polls: Pick<Closed, 'atOnce' | 'users'>): Promise<void> {
  const stop = await keepOpen(load, { kind: 'closed', script: 'poll', tls: 'off', ...polls });
  await pause(load.job.warmup * 1_000);
  stop();
  await load.whenNone();
}

/**
 * Each login of a user that has not logged in before. From when nothing was under way until nothing is again: a hash
 * that had begun before the window or went on behind it would be counted in part.
 */
export async function first(load: Generator): Promise<Record<string, number>> {
  const { duration, cpus } = load.job;
  await warmUp(load, { atOnce: 1, users: WARM_USERS });
  const sweep = setInterval(() => load.endLost(), 1_000);
  let user = FIRST_STRANGER;
  const another = () => load.open('poll', { user: user++ });
  const before = load.begin();
  load.onEnd = () => queueMicrotask(another);
  for (let many = Math.max(FIRST_AT_ONCE, FIRST_FOR_EACH_CPU * cpus); many > 0; many--) another();
  await pause(duration * 1_000);
  const full = load.reading();
  const { sessions } = load.counts;
  load.onEnd = () => {};
  await load.whenNone();
  const after = load.reading();
  clearInterval(sweep);
  const seconds = (full.at - before.at) / 1_000;
  return {
    cpuPerLogin: ((after.cpu - before.cpu) * 1e3) / load.counts.sessions,
    loginsPerSecond: sessions / seconds,
    busyPercent: (100 * (full.cpu - before.cpu)) / seconds / cpus,
    loginP50: load.logins.quantile(0.5),
  };
}

function figures({ counts, logins }: Generator, before: Reading, after: Reading): Record<string, number> {
  const seconds = (after.at - before.at) / 1_000;
  const cpu = after.cpu - before.cpu;
  return {
    cpuPerSession: (cpu * 1e6) / counts.sessions,
    cpuPerMessage: (cpu * 1e6) / counts.messages,
    cpuPerOctet: (cpu * 1e9) / counts.octets,
    sessionsPerSecond: counts.sessions / seconds,
    megabytesPerSecond: counts.octets / seconds / 1e6,
    loginP50: logins.quantile(0.5),
    loginP99: logins.quantile(0.99),
    resumedPercent: (100 * counts.resumed) / logins.count,
    proxyCorePercent: (100 * cpu) / seconds,
  };
}
