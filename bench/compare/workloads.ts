/** What is measured: the traffic, and the figures that come of it. */

export type Script = 'poll' | 'large' | 'many' | 'pipelined';
export type Tls = 'off' | 'full' | 'resumed';

/** `per` names the column's value: of one session, of one octet … */
export type Column = { key: string; title: string; digits: number };

/** One run of the load generator. */
export type Traffic =
  | { kind: 'closed'; script: Script; tls: Tls; atOnce: number }
  | { kind: 'open'; script: Script; tls: Tls; rate: number }
  | { kind: 'hold'; tls: Tls; stages: readonly number[] };

export type Workload = {
  id: string;
  title: string;
  /** In the order of the columns' keys: those of a traffic with a suffix have it after a dash. */
  traffic: readonly { suffix: string; traffic: Traffic }[];
  columns: readonly Column[];
};

const CPU_SESSION: Column = { key: 'cpuPerSession', title: 'CPU µs per session', digits: 1 };
const RATE: Column = { key: 'sessionsPerSecond', title: 'sessions/s', digits: 0 };
const LOGIN_50: Column = { key: 'loginP50', title: 'login p50, ms', digits: 2 };
const LOGIN_99: Column = { key: 'loginP99', title: 'login p99, ms', digits: 2 };
const CPU_MESSAGE: Column = { key: 'cpuPerMessage', title: 'CPU µs per message', digits: 2 };
const CPU_OCTET: Column = { key: 'cpuPerOctet', title: 'CPU ns per octet', digits: 3 };
const SPEED: Column = { key: 'megabytesPerSecond', title: 'MB/s', digits: 0 };
const RESUMED: Column = { key: 'resumedPercent', title: 'resumed, %', digits: 1 };

/** Sessions at once where nothing else is said: enough to keep the proxy's core busy. */
const AT_ONCE = 64;
const IDLE: readonly number[] = [1_000, 5_000];
/** 64 at once is w1. */
const GROWTH: readonly number[] = [1_000, 6_000];

export const WORKLOADS: readonly Workload[] = [
  closed('w1', 'Polls: USER, PASS, STAT, QUIT; 64 sessions at once', 'poll', AT_ONCE, [
    CPU_SESSION,
    RATE,
    LOGIN_50,
    LOGIN_99,
  ]),
  {
    id: 'w1l',
    title: 'The same polls, 200 a second however fast they are answered',
    traffic: [{ suffix: '', traffic: { kind: 'open', script: 'poll', tls: 'off', rate: 200 } }],
    columns: [LOGIN_50, LOGIN_99, CPU_SESSION],
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
    id: 'growth',
    title: 'The polls of w1, more at once',
    traffic: GROWTH.map((atOnce) => ({
      suffix: `-${atOnce}`,
      traffic: { kind: 'closed', script: 'poll', tls: 'off', atOnce },
    })),
    columns: GROWTH.flatMap((atOnce) => [
      {
        key: `cpuPerSession-${atOnce}`,
        title: `${atOnce.toLocaleString('en')} at once: CPU µs per session`,
        digits: 1,
      },
      { key: `loginP99-${atOnce}`, title: 'login p99, ms', digits: 1 },
    ]),
  },
];

function closed(
  id: string,
  title: string,
  script: Script,
  atOnce: number,
  columns: readonly Column[],
  tls: Tls = 'off',
): Workload {
  return { id, title, traffic: [{ suffix: '', traffic: { kind: 'closed', script, tls, atOnce } }], columns };
}

function idle(id: string, title: string, tls: Tls, stages: readonly number[]): Workload {
  const columns = stages.map((count) => ({
    key: `pssPerSession-${count}`,
    title: `${count.toLocaleString('en')} sessions: PSS KiB per session`,
    digits: 2,
  }));
  return { id, title, traffic: [{ suffix: '', traffic: { kind: 'hold', tls, stages } }], columns };
}

/** True for a workload whose listener speaks TLS. */
export function needsTls(workload: Workload): boolean {
  return workload.traffic.some(({ traffic }) => traffic.tls !== 'off');
}
