import { argon2Dummy } from '../../src/auth/argon2.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import type { Authenticator } from '../../src/auth/authenticator.ts';
import { createLoginCache } from '../../src/auth/login-cache.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import { livedTime } from './clock.ts';
import { openNear } from './near.ts';
import { until } from './process.ts';
import { startRedis } from './redis.ts';
import { CHEAP, makeSite, redisAt, type Site } from './site.ts';

/** Within which a change has to be believed, from the end of its sync on, in ms. */
const SECOND = 1_000;
const TABLES = 4;
const USERS_IN_A_TABLE = 100;
/** Every so many publications the domain table changes as well. */
const DOMAINS_EVERY = 10;

export type CheckerOptions = {
  /** Passwords changed, users removed and users added. */
  changes: number;
  changesAtOnce: number;
  /** Logins at the same time, half of them at a proxy that hears no nudge. */
  clients: number;
  random?: () => number;
};

export type CheckerReport = {
  changes: number;
  publications: number;
  accepted: number;
  rejected: number;
  /** Accepted with a password that was replaced, or of a user that was removed, more than a second before. */
  stale: number;
  /** Refused with the password that had been the right one for more than a second, or not decided at all. */
  refused: number;
  unavailable: number;
  /** The longest that one was accepted behind its replacement, of the nudged proxy and of the other; in ms. */
  behind: { nudged: number; polling: number };
  /** Look-ups answered from memory, of all. */
  hot: number;
};

/** A password, or none, and when the sync that published it began and returned. */
type State = { password: string | null; began: number; done: number };

/**
 * Flips passwords, removes and adds users through `sync` while clients log in at two proxies, with passwords that are
 * right, that were, and that never were; and holds every answer against what was published when.
 */
export async function checkTables(options: CheckerOptions): Promise<CheckerReport> {
  const server = await startRedis();
  const site = makeSite('checker');
  const open = (nudged: boolean) =>
    openNear(redisAt(server.port), { nudged, bounds: { octets: 2 ** 24 }, timeout: 10_000 });
  const truth = new Truth(site, options.random ?? Math.random);
  try {
    await truth.publish(server.port, 0);
    const proxies = await Promise.all([open(true), open(false)]);
    for (const { feed } of proxies) await until('the feed follows', () => feed.trusted);
    let ended = false;
    const clients = Array.from({ length: options.clients }, async (_, i) => {
      const authenticator = authenticatorOver(proxies[i % 2]!.near);
      while (!ended) {
        await truth.tryOne(authenticator, i % 2 === 0);
        // A login that is remembered gives nobody else a turn of the loop.
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const publishing = publishAll(truth, server.port, options).finally(() => {
      ended = true;
    });
    await Promise.all([publishing, ...clients]);
    const counts = proxies.map(({ near }) => near.counts);
    for (const proxy of proxies) await proxy.close();
    const memory = counts.reduce((sum, each) => sum + each.memory, 0);
    const all = counts.reduce((sum, each) => sum + each.memory + each.redis + each.unavailable, 0);
    return { ...truth.report, hot: memory / all };
  } finally {
    truth.stop();
    await server.stop();
    site.remove();
  }
}

async function publishAll(
  truth: Truth,
  port: number,
  { changes, changesAtOnce }: CheckerOptions,
): Promise<void> {
  while (truth.report.changes < changes) await truth.publish(port, changesAtOnce);
  // The last changes have to be believed, too.
  await new Promise((resolve) => setTimeout(resolve, SECOND + 200));
}

function authenticatorOver(store: Parameters<typeof createAuthenticator>[0]['store']): Authenticator {
  return createAuthenticator({
    store,
    dividers: '@%',
    passwords: createPasswords({ sealer: null }),
    verifier: createVerifier({ concurrency: 2, queue: 1_000 }),
    cache: createLoginCache({ accepted: 10_000, rejected: 10_000, idle: 600_000, lifetime: 600_000 }),
    dummy: argon2Dummy(CHEAP),
    localUserRule: () => 'userid',
    onError: (error) => {
      throw error;
    },
  });
}

/** What was published when, and how the answers compare with it. */
class Truth {
  readonly report: Omit<CheckerReport, 'hot'> = {
    ...{ changes: 0, publications: 0, accepted: 0, rejected: 0, stale: 0, refused: 0, unavailable: 0 },
    behind: { nudged: 0, polling: 0 },
  };
  /** A stall of the machine makes nobody wait: what it delays is told later, and seen later. */
  readonly #clock = livedTime();
  readonly #site: Site;
  readonly #random: () => number;
  /** By number of the user, oldest first. */
  readonly #states: State[][];
  #passwords = 0;

  constructor(site: Site, random: () => number) {
    this.#site = site;
    this.#random = random;
    this.#states = Array.from({ length: TABLES * USERS_IN_A_TABLE }, () => []);
  }

  stop(): void {
    this.#clock.stop();
  }

  /** Changes some users, all of them the first time, and publishes that. */
  async publish(port: number, changesAtOnce: number): Promise<void> {
    const first = this.report.publications === 0;
    const changed = first
      ? [...this.#states.keys()]
      : Array.from({ length: changesAtOnce }, () => this.#below(this.#states.length));
    const began = this.#clock.now();
    const states = [...new Set(changed)].map((user) => {
      const gone = !first && this.#now(user) !== null && this.#random() < 0.2;
      const state = {
        password: gone ? null : `pw${++this.#passwords}`,
        began,
        done: Number.POSITIVE_INFINITY,
      };
      this.#states[user]!.push(state);
      return state;
    });
    this.#write();
    await this.#site.sync(port);
    const done = this.#clock.now();
    for (const state of states) state.done = done;
    this.report.publications++;
    if (!first) this.report.changes += states.length;
  }

  /** One login: mostly with what is right now, else with what was before or never. */
  async tryOne(authenticator: Authenticator, nudged: boolean): Promise<void> {
    const user = this.#below(this.#states.length);
    const states = this.#states[user]!;
    const kind = this.#random();
    const state = kind < 0.5 ? states.at(-1) : kind < 0.9 ? states.at(-2) : undefined;
    const password = state?.password ?? 'never';
    const credentials = { user: loginOf(user), password, authzid: '', mechanism: 'USER' } as const;
    const began = this.#clock.now();
    const { result } = await authenticator.authenticate(credentials, '127.0.0.1', { lookup: 0, verify: 0 });
    this.#judge(result, states, state?.password == null ? undefined : state, { began, nudged });
  }

  #judge(
    result: 'accepted' | 'rejected' | 'unavailable',
    states: readonly State[],
    state: State | undefined,
    { began, nudged }: { began: number; nudged: boolean },
  ): void {
    const ended = this.#clock.now();
    this.report[result]++;
    const next = state && states[states.indexOf(state) + 1];
    if (result === 'unavailable') this.report.refused++;
    if (result === 'rejected' && state && began > state.done + SECOND && (next?.began ?? ended) >= ended)
      this.report.refused++;
    if (result !== 'accepted') return;
    const behind = ended - (next?.done ?? ended);
    if (state === undefined || behind > SECOND) this.report.stale++;
    const who = nudged ? 'nudged' : 'polling';
    this.report.behind[who] = Math.max(this.report.behind[who], behind);
  }

  #write(): void {
    const spool = Math.floor(this.report.publications / DOMAINS_EVERY);
    const tables = Array.from({ length: TABLES }, (_, table) => table);
    const line = (table: number) =>
      `d${table}.com:*:textfile:/spool${spool}:0:mail:mail:{dir}/users${table}:${USERS_IN_A_TABLE}:\n`;
    this.#site.write('teapop.passwd', tables.map(line).join(''));
    for (const table of tables) {
      const users = Array.from({ length: USERS_IN_A_TABLE }, (_, i) => table * USERS_IN_A_TABLE + i);
      const lines = users.flatMap((user) =>
        this.#now(user) === null ? [] : `u${user}:${this.#now(user)}:box\n`,
      );
      this.#site.write(`users${table}`, lines.join(''));
    }
  }

  /** As the files are to have it. */
  #now(user: number): string | null {
    return this.#states[user]!.at(-1)?.password ?? null;
  }

  #below(most: number): number {
    return Math.floor(this.#random() * most);
  }
}

function loginOf(user: number): string {
  return `u${user}@d${Math.floor(user / USERS_IN_A_TABLE)}.com`;
}
