/** The sessions of one job: those under way, what has become of the others. */
import { type Account, cpuSeconds } from '../accounting.ts';
import { ClientSession, type Ending, type Watcher } from '../client.ts';
import { type Dial, dialler } from '../dial.ts';
import { USERS_OF_EACH, userName } from '../mailboxes.ts';
import { MAILBOX_OF, type Step, steps } from '../script.ts';
import { Histogram } from '../statistics.ts';
import type { Script, Traffic } from '../workloads.ts';

export type Job = {
  port: number;
  password: string;
  traffic: Traffic;
  /** Seconds. */
  warmup: number;
  duration: number;
  /** CPUs that the proxy may use. */
  cpus: number;
  /** Read by the load generator itself, so that the window is the same for sessions and for CPU time. */
  accounts: readonly Account[];
};

export type Counts = { sessions: number; messages: number; octets: number; resumed: number };
export type Reading = { at: number; cpu: number };
/** `user` is the number of one; `from` how to connect. */
export type Opening = { user?: number; waits?: boolean; from?: Dial };

/** A session that takes longer than that is lost. */
const LONGEST = 20_000;
/** Scripts are kept for so many users: to make one takes longer than to play it. */
const MOST_SCRIPTS = 1_000;

export class Generator implements Watcher {
  readonly job: Job;
  readonly active = new Set<ClientSession>();
  logins = new Histogram();
  counts: Counts = nothingYet();
  errors = 0;
  firstError: string | null = null;
  onEnd: () => void = () => {};
  onLogin: () => void = () => {};
  readonly #dial: Dial;
  readonly #scripts = new Map<string, readonly Step[]>();
  #started = 0;

  constructor(job: Job) {
    this.job = job;
    this.#dial = dialler(job.port, job.traffic.tls);
  }

  get started(): number {
    return this.#started;
  }

  /** Users log in in turn. */
  open(script: Script, { user = this.#started % USERS_OF_EACH, waits = false, from }: Opening = {}): void {
    this.#started++;
    const login = { user: userName(MAILBOX_OF[script], user), password: this.job.password };
    const session = new ClientSession(login, this.#steps(script, login.user), this, waits);
    this.active.add(session);
    session.dial(from ?? this.#dial);
  }

  #steps(script: Script, user: string): readonly Step[] {
    const known = this.#scripts.get(user);
    if (known !== undefined) return known;
    const made = steps(script, user);
    if (this.#scripts.size < MOST_SCRIPTS) this.#scripts.set(user, made);
    return made;
  }

  loggedIn(session: ClientSession): void {
    this.logins.add(performance.now() - session.startedAt);
    if (session.resumed) this.counts.resumed++;
    this.onLogin();
  }

  received(octets: number): void {
    this.counts.octets += octets;
  }

  stepped(messages: number): void {
    this.counts.messages += messages;
  }

  ended(session: ClientSession, ending: Ending): void {
    this.active.delete(session);
    if (ending.kind === 'done') this.counts.sessions++;
    else this.fail(ending.why);
    this.onEnd();
  }

  fail(why: string): void {
    this.errors++;
    this.firstError ??= why;
  }

  /** What is counted begins here. */
  begin(): Reading {
    this.logins = new Histogram();
    this.counts = nothingYet();
    return this.reading();
  }

  reading(): Reading {
    return { at: performance.now(), cpu: this.accountsSeconds() };
  }

  accountsSeconds(): number {
    return this.job.accounts.reduce((total, account) => total + cpuSeconds(account), 0);
  }

  endLost(): void {
    const now = performance.now();
    for (const session of this.active) {
      if (now - session.startedAt < LONGEST) continue;
      this.active.delete(session);
      session.abandon();
      this.fail(`a session took longer than ${LONGEST} ms`);
      this.onEnd();
    }
  }

  abandonAll(): void {
    this.onEnd = () => {};
    for (const session of this.active) session.abandon();
    this.active.clear();
  }

  async whenNone(): Promise<void> {
    const deadline = performance.now() + LONGEST;
    while (this.active.size > 0 && performance.now() < deadline) await pause(10);
    if (this.active.size > 0) this.fail(`${this.active.size} sessions did not end`);
  }
}

function nothingYet(): Counts {
  return { sessions: 0, messages: 0, octets: 0, resumed: 0 };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
