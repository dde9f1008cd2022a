/** What is measured: the traffic, and the figures that come of it. */
import { type Argon2id, named, type Setup, USUAL } from './setup.ts';

export type Script = 'poll' | 'large' | 'many' | 'pipelined';
/** `hybrid`: full handshakes as well, of clients that know the exchange of keys by X25519MLKEM768. */
export type Tls = 'off' | 'full' | 'hybrid' | 'resumed';

/** `per` names the column's value: of one session, of one octet … */
export type Column = { key: string; title: string; digits: number };

/** One run of the load generator. `users` are those that log in, in turn; without it 100. */
export type Traffic =
  | { kind: 'closed'; script: Script; tls: Tls; atOnce: number; users?: number }
  /** `fresh`: from the proxy's first session on. */
  | { kind: 'open'; script: Script; tls: Tls; rate: number; fresh?: true }
  | { kind: 'hold'; tls: Tls; stages: readonly number[] }
  /** Each login of another user whom the proxy has not seen. */
  | { kind: 'first'; tls: 'off' }
  /** Good logins a second; after a while so many wrong passwords a second besides. */
  | { kind: 'flood'; tls: 'off'; good: number; wrong: number };

/** A traffic's figures get `suffix`. Where the setup is another than before, so is the instance. */
export type Stage = { suffix: string; traffic: Traffic; setup?: Partial<Setup> };

export type Workload = {
  id: string;
  title: string;
  stages: readonly Stage[];
  columns: readonly Column[];
  /** For all stages. */
  setup?: Partial<Setup>;
  /** Only these peers, for whom it tells something. */
  only?: readonly string[];
  /** It shows how something grows, not a tenth more or less: measured in the first repetition alone. */
  once?: true;
};

const CPU_SESSION: Column = { key: 'cpuPerSession', title: 'CPU µs per session', digits: 1 };
const RATE: Column = { key: 'sessionsPerSecond', title: 'sessions/s', digits: 0 };
const LOGIN_50: Column = { key: 'loginP50', title: 'login p50, ms', digits: 2 };
const LOGIN_99: Column = { key: 'loginP99', title: 'login p99, ms', digits: 2 };
const CPU_MESSAGE: Column = { key: 'cpuPerMessage', title: 'CPU µs per message', digits: 2 };
const CPU_OCTET: Column = { key: 'cpuPerOctet', title: 'CPU ns per octet', digits: 3 };
const SPEED: Column = { key: 'megabytesPerSecond', title: 'MB/s', digits: 0 };
const RESUMED: Column = { key: 'resumedPercent', title: 'resumed, %', digits: 1 };
const CPU_HASH: Column = { key: 'cpuPerLogin-cold', title: 'first login: CPU ms', digits: 2 };
const HASHES: Column = { key: 'loginsPerSecond-cold', title: 'logins/s', digits: 1 };
const BUSY: Column = { key: 'busyPercent-cold', title: 'CPUs busy, %', digits: 0 };
const STARTED: Column = { key: 'startMs', title: 'start, ms', digits: 0 };
const MEMORY: Column = { key: 'pssMiB', title: 'PSS, MiB', digits: 0 };

/** Sessions at once where nothing else is said: enough to keep the proxy's core busy. */
const AT_ONCE = 64;
const STEADY = { kind: 'open', script: 'poll', tls: 'off', rate: 200 } as const;
const IDLE: readonly number[] = [1_000, 5_000];
const GROWTH: readonly number[] = [AT_ONCE, 1_000, 6_000];
const TABLES: readonly number[] = [10_000, 100_000, 1_000_000];
const WORKERS: readonly number[] = [1, 2];

/** What `doveadm pw -s ARGON2ID` makes, and what teapop-proxy makes where the config says nothing. */
const DOVECOTS: Argon2id = { memory: 64, time: 3 };
const OURS: Argon2id = { memory: 19, time: 2 };
/** Enough that none logs in for the second time while first logins are measured, whatever the number of CPUs. */
const STRANGERS = 10_000;
/** As many at once as would come of a few phones. */
const HASHED_AT_ONCE = 4;
const HASHED_USERS = 8;

export const WORKLOADS: readonly Workload[] = [
  closed('w1', 'Polls: USER, PASS, STAT, QUIT; 64 sessions at once', 'poll', AT_ONCE, [
    CPU_SESSION,
    RATE,
    LOGIN_50,
    LOGIN_99,
  ]),
  {
    id: 'w1l',
    title:
      'The same polls, 200 a second however fast they are answered; of a proxy that has just started, and after as many as it can take for a while',
    stages: [
      { suffix: '-fresh', traffic: { ...STEADY, fresh: true } },
      { suffix: '', traffic: STEADY },
    ],
    columns: [
      ...[LOGIN_50, LOGIN_99, CPU_SESSION],
      ...[LOGIN_50, LOGIN_99].map((column) => headed(suffixed(column, '-fresh'), 'just started')),
    ],
  },
  {
    id: 'w2',
    title: `Argon2id, ${named(DOVECOTS)}, on all CPUs: each login of a user whom the proxy has not seen; then ${HASHED_USERS} users again and again, ${HASHED_AT_ONCE} at once`,
    setup: { argon2id: DOVECOTS, users: STRANGERS, allCores: true },
    stages: [
      { suffix: '-cold', traffic: { kind: 'first', tls: 'off' } },
      { suffix: '-again', traffic: polls(HASHED_AT_ONCE, HASHED_USERS) },
    ],
    columns: [
      ...[CPU_HASH, HASHES, BUSY, suffixed({ ...CPU_SESSION, title: 'again: CPU µs per login' }, '-again')],
      suffixed({ ...RATE, title: 'logins/s' }, '-again'),
    ],
  },
  {
    id: 'w2s',
    title: `The first logins of w2 with teapop-proxy's own default, ${named(OURS)}`,
    setup: { argon2id: OURS, users: STRANGERS, allCores: true },
    stages: [{ suffix: '-cold', traffic: { kind: 'first', tls: 'off' } }],
    columns: [CPU_HASH, HASHES, BUSY],
  },
  closed('w3', 'RETR of 4 messages of 10 MiB; 8 sessions at once', 'large', 8, [CPU_OCTET, SPEED]),
  closed('w3b', 'RETR of 200 messages of 4 KiB, one after the other; 32 sessions at once', 'many', 32, [
    CPU_MESSAGE,
    SPEED,
  ]),
  closed('w3p', 'The same mailbox, pipelined: all commands after the login in one piece', 'pipelined', 32, [
    CPU_MESSAGE,
    SPEED,
  ]),
  idle('w4', 'Idle sessions, logged in', 'off', IDLE),
  idle('w4t', 'Idle sessions over TLS, logged in', 'full', [1_000]),
  closed('w5', 'The polls over TLS, full handshakes', 'poll', AT_ONCE, [CPU_SESSION, RATE, LOGIN_50], 'full'),
  closed(
    'w5r',
    'The polls over TLS, resumed sessions',
    'poll',
    AT_ONCE,
    [CPU_SESSION, RATE, LOGIN_50, RESUMED],
    'resumed',
  ),
  {
    id: 'w5h',
    title:
      'The polls over TLS, full handshakes, keys exchanged by X25519MLKEM768, which the OpenSSL of the others here has not',
    stages: [{ suffix: '', traffic: { kind: 'closed', script: 'poll', tls: 'hybrid', atOnce: AT_ONCE } }],
    columns: [CPU_SESSION, RATE, LOGIN_50],
    only: ['bun', 'node'],
    once: true,
  },
  {
    id: 'w6a',
    title: `Argon2id, ${named(DOVECOTS)}: 2 logins a second of ${HASHED_USERS} users seen before, before and during a flood of 20 wrong passwords a second from 50 other addresses`,
    setup: { argon2id: DOVECOTS, users: STRANGERS },
    stages: [{ suffix: '', traffic: { kind: 'flood', tls: 'off', good: 2, wrong: 20 } }],
    columns: [
      { key: 'beforeP50', title: 'before: p50, ms', digits: 2 },
      { key: 'beforeP99', title: 'p99', digits: 2 },
      { key: 'duringP50', title: 'during: p50, ms', digits: 2 },
      { key: 'duringP99', title: 'p99', digits: 2 },
      { key: 'p99Ratio', title: 'p99 during / before', digits: 2 },
      { key: 'lost', title: 'good logins lost', digits: 0 },
      { key: 'guesses', title: 'wrong passwords sent', digits: 0 },
      { key: 'answered', title: 'answered meanwhile', digits: 0 },
    ],
  },
  {
    id: 'growth',
    title: 'The polls of w1, ever more at once',
    stages: GROWTH.map((atOnce) => ({ suffix: `-${atOnce}`, traffic: polls(atOnce) })),
    columns: GROWTH.flatMap((atOnce) => [
      headed(suffixed(CPU_SESSION, `-${atOnce}`), `${counted(atOnce)} at once`),
      { ...suffixed(LOGIN_99, `-${atOnce}`), digits: 1 },
    ]),
    once: true,
  },
  {
    id: 'users',
    title: 'The polls of w1 by all the users in turn, ever more of them in the tables',
    stages: TABLES.map((users) => ({
      suffix: `-${users}`,
      traffic: polls(AT_ONCE, users),
      setup: { users },
    })),
    columns: TABLES.flatMap((users) => [
      headed(suffixed(CPU_SESSION, `-${users}`), `${counted(users)} users`),
      ...[STARTED, MEMORY].map((column) => suffixed(column, `-${users}`)),
    ]),
    only: ['bun', 'node'],
    once: true,
  },
  {
    id: 'workers',
    title:
      'The polls of w1 with one worker and with two, on all CPUs; where there are but two, the load generator and the mailstore have their part of them',
    setup: { allCores: true },
    stages: WORKERS.map((workers) => ({
      suffix: `-${workers}`,
      traffic: polls(AT_ONCE),
      setup: { workers },
    })),
    columns: WORKERS.flatMap((workers) => [
      headed(suffixed(CPU_SESSION, `-${workers}`), workers === 1 ? '1 worker' : `${workers} workers`),
      ...[RATE, LOGIN_99].map((column) => suffixed(column, `-${workers}`)),
    ]),
    only: ['bun', 'node', 'haproxy', 'nginx', 'dovecot'],
    once: true,
  },
];

function polls(atOnce: number, users?: number): Traffic {
  return { kind: 'closed', script: 'poll', tls: 'off', atOnce, ...(users === undefined ? {} : { users }) };
}

function closed(
  id: string,
  title: string,
  script: Script,
  atOnce: number,
  columns: readonly Column[],
  tls: Tls = 'off',
): Workload {
  return { id, title, stages: [{ suffix: '', traffic: { kind: 'closed', script, tls, atOnce } }], columns };
}

function idle(id: string, title: string, tls: Tls, stages: readonly number[]): Workload {
  const columns = stages.map((count) => ({
    key: `pssPerSession-${count}`,
    title: `${counted(count)} sessions: PSS KiB per session`,
    digits: 2,
  }));
  return { id, title, stages: [{ suffix: '', traffic: { kind: 'hold', tls, stages } }], columns };
}

function suffixed(column: Column, suffix: string): Column {
  return { ...column, key: `${column.key}${suffix}` };
}

function headed(column: Column, head: string): Column {
  return { ...column, title: `${head}: ${column.title}` };
}

function counted(count: number): string {
  return count.toLocaleString('en');
}

export function setupOf(workload: Workload, { traffic, setup }: Stage): Setup {
  return { ...USUAL, tls: traffic.tls !== 'off', ...workload.setup, ...setup };
}

/** Whether its instances have nothing that others have not: their starts can be told in one figure. */
export function isUsual(workload: Workload): boolean {
  const { setup = {}, stages } = workload;
  return Object.keys(setup).length === 0 && stages.every((stage) => stage.setup === undefined);
}
