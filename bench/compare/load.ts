/**
 * The load generator, a process of its own: one job as JSON in, one line of JSON out.
 *
 *     bun bench/compare/load.ts JOB
 */
import { type Account, cpuSeconds, pssKiB } from './accounting.ts';
import { ClientSession, type Ending, type Watcher } from './client.ts';
import { dialler } from './dial.ts';
import { USERS_OF_EACH, userName } from './mailboxes.ts';
import { MAILBOX_OF, type Step, steps } from './script.ts';
import { Histogram } from './statistics.ts';
import type { Script, Traffic } from './workloads.ts';

export type Job = {
  port: number;
  password: string;
  traffic: Traffic;
  /** Seconds. */
  warmup: number;
  duration: number;
  /** Read by the load generator itself, so that the window is the same for sessions and for CPU time. */
  accounts: readonly Account[];
};

export type Result = {
  figures: Record<string, number>;
  errors: number;
  firstError: string | null;
  /** Of this process and the accounts from its start to its end: what of the machine's was nobody else's. */
  cpuSeconds: number;
};

/** A session that takes longer than that is lost. */
const LONGEST = 20_000;
/** Short sessions before the memory of idle ones is read: code is loaded, and little garbage is made. */
const FIRST_SESSIONS = 200;
/** Open loop: more at once than that, and the proxy does not keep up at all. */
const MOST_AT_ONCE = 5_000;
/** Before memory is read: buffers have been given back, collectors have run. */
const SETTLE = 1_500;
/** Sessions in the making while idle ones are opened: no listener's backlog overflows. */
const OPENING_AT_ONCE = 32;
const TICK = 1;

const job = JSON.parse(process.argv[2] ?? '') as Job;
const dial = dialler(job.port, job.traffic.tls);
const active = new Set<ClientSession>();
const scripts = new Map<string, readonly Step[]>();
let logins = new Histogram();
let counts = { sessions: 0, messages: 0, octets: 0, resumed: 0 };
let errors = 0;
let firstError: string | null = null;
let started = 0;
let onEnd: () => void = () => {};
let onLogin: () => void = () => {};

const watcher: Watcher = {
  loggedIn(session) {
    logins.add(performance.now() - session.startedAt);
    if (session.resumed) counts.resumed++;
    onLogin();
  },
  received(octets) {
    counts.octets += octets;
  },
  stepped(messages) {
    counts.messages += messages;
  },
  ended(session, ending) {
    active.delete(session);
    count(ending);
    onEnd();
  },
};

const { traffic } = job;
const cpuAtStart = accountsSeconds();
const figures = traffic.kind === 'hold' ? await hold(traffic.stages) : await timed(traffic);
const { user, system } = process.cpuUsage();
const usedSeconds = accountsSeconds() - cpuAtStart + (user + system) / 1e6;
const result: Result = { figures, errors, firstError, cpuSeconds: usedSeconds };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);

function accountsSeconds(): number {
  return job.accounts.reduce((total, account) => total + cpuSeconds(account), 0);
}

function count(ending: Ending): void {
  if (ending.kind === 'done') counts.sessions++;
  else fail(ending.why);
}

function fail(why: string): void {
  errors++;
  firstError ??= why;
}

function open(script: Script, waits: boolean): ClientSession {
  const user = userName(MAILBOX_OF[script], started++ % USERS_OF_EACH);
  const known = scripts.get(user) ?? steps(script, user);
  scripts.set(user, known);
  const session = new ClientSession({ user, password: job.password }, known, watcher, waits);
  active.add(session);
  return session.dial(dial);
}

async function timed(run: Exclude<Traffic, { kind: 'hold' }>): Promise<Record<string, number>> {
  const sweep = setInterval(endLost, 1_000);
  const stop =
    run.kind === 'closed' ? await keepOpen(run.script, run.atOnce) : keepComing(run.script, run.rate);
  await pause(job.warmup * 1_000);
  const before = reading();
  logins = new Histogram();
  counts = { sessions: 0, messages: 0, octets: 0, resumed: 0 };
  await pause(job.duration * 1_000);
  const after = reading();
  const made = figuresOf(before, after);
  stop();
  clearInterval(sweep);
  for (const session of active) session.abandon();
  return made;
}

/** Closed loop: as soon as one session has ended, the next begins. Resolves when so many are open at once. */
async function keepOpen(script: Script, atOnce: number): Promise<() => void> {
  // Not at once from within the handler: the socket that has just ended is closed first.
  onEnd = () => queueMicrotask(() => open(script, false));
  for (let left = atOnce; left > 0; left -= OPENING_AT_ONCE) {
    for (let many = Math.min(left, OPENING_AT_ONCE); many > 0; many--) open(script, false);
    await pause(TICK);
  }
  return () => {
    onEnd = () => {};
  };
}

/** Open loop: so many a second, whatever becomes of them. */
function keepComing(script: Script, rate: number): () => void {
  const begin = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    const now = ((performance.now() - begin) / 1_000) * rate;
    for (; due < now; due++) {
      if (active.size < MOST_AT_ONCE) open(script, false);
      else fail(`more than ${MOST_AT_ONCE} sessions at once`);
    }
  }, TICK);
  return () => clearInterval(timer);
}

function endLost(): void {
  const now = performance.now();
  for (const session of active) {
    if (now - session.startedAt < LONGEST) continue;
    active.delete(session);
    session.abandon();
    fail(`a session took longer than ${LONGEST} ms`);
    onEnd();
  }
}

type Reading = { at: number; cpu: number };

function reading(): Reading {
  return { at: performance.now(), cpu: accountsSeconds() };
}

function figuresOf(before: Reading, after: Reading): Record<string, number> {
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

/** Opens ever more sessions and reads the memory at each stage; each must still answer at the end. */
async function hold(stages: readonly number[]): Promise<Record<string, number>> {
  while (started < FIRST_SESSIONS) {
    for (let many = 0; many < OPENING_AT_ONCE && started < FIRST_SESSIONS; many++) open('poll', false);
    await whenNone();
  }
  await pause(SETTLE);
  const empty = memory();
  const made: Record<string, number> = { pssEmpty: empty };
  for (const stage of stages) {
    await openTo(stage);
    await pause(SETTLE);
    made[`pssPerSession-${stage}`] = (memory() - empty) / stage;
  }
  for (const session of [...active]) session.resume();
  await whenNone();
  return made;
}

function memory(): number {
  return job.accounts.reduce((total, account) => total + pssKiB(account), 0);
}

function openTo(stage: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const failed = errors;
  let waiting = stage - active.size;
  let unopened = waiting;
  const further = () => {
    if (waiting === 0 || errors > failed) resolve();
    else if (unopened-- > 0) open('poll', true);
  };
  onLogin = () => {
    waiting--;
    further();
  };
  onEnd = further;
  for (let many = Math.min(OPENING_AT_ONCE, unopened); many > 0; many--, unopened--) open('poll', true);
  return promise.finally(() => {
    onLogin = () => {};
    onEnd = () => {};
  });
}

async function whenNone(): Promise<void> {
  const deadline = performance.now() + LONGEST;
  while (active.size > 0 && performance.now() < deadline) await pause(10);
  if (active.size > 0) fail(`${active.size} sessions did not end`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
