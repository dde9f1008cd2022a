import { Families, type Merging, type Snapshot } from './families.ts';
import {
  type LoginCacheState,
  registerLoginCache,
  registerVerifier,
  type VerifierState,
} from './login-metrics.ts';
import {
  DIRECTIONS,
  type Direction,
  END_REASONS,
  type EndReason,
  HANDSHAKE_FAILURES,
  HANDSHAKE_SUCCESSES,
  type HandshakeResult,
  LOGIN_REASONS,
  LOGIN_RESULTS,
  type LoginReason,
  type LoginResult,
  REFUSAL_REASONS,
  type RefusalReason,
  TLS_VERSIONS,
} from './outcome.ts';
import { PHASES, type Phase } from './phase.ts';
import { runtime } from './process.ts';
import { registerProcess } from './process-metrics.ts';
import { type SpareMetrics, spareMetrics } from './spare-metrics.ts';
import { type NearState, registerNearness } from './table-metrics.ts';
import { combinations } from './tally.ts';
import {
  type ServerMetrics,
  type ServerName,
  serverMetrics,
  type UpstreamMetrics,
  upstreamMetrics,
} from './upstream-metrics.ts';
import { registerLogLines, registerWorkers, type WorkersState } from './worker-metrics.ts';

/**
 * What the proxy counts. Every call is cheap enough for each session, `octets` for each read of a socket.
 * Durations are in SECONDS. A label value outside of the known lists is counted as 'other'.
 */
export interface Metrics extends SessionMetrics, UpstreamMetrics, ServerMetrics, SpareMetrics {
  eventLoopLag(seconds: number): void;
  /** The exposition, for `GET /metrics`. */
  text(): Promise<string>;
  /** The same for another process. */
  snapshot(): Promise<Snapshot>;
  readonly contentType: string;
}

export interface SessionMetrics {
  /** A connection that becomes a session; `connectionClosed` follows exactly once. */
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  /** A connection closed on arrival; neither opened nor closed is counted for it. */
  connectionRefused(listener: string, reason: RefusalReason): void;
  /** A load balancer's own connection, which asked for nothing; sessions among them are no `sessionEnded`. */
  healthCheck(listener: string): void;
  /** `version` is null where the handshake failed. */
  handshake(listener: string, version: string | null, result: HandshakeResult): void;
  /** From null at the session's start; the last call goes to 'closed'. */
  phase(from: Phase | null, to: Phase): void;
  lookup(seconds: number): void;
  verify(seconds: number): void;
  login(result: LoginResult, reason: LoginReason): void;
  /** To be called as the octets pass, so that a long session shows: it costs an addition. */
  octets(direction: Direction, count: number): void;
  sessionEnded(reason: EndReason): void;
}

/** What is asked for when the metrics are read. null: not known, or not in use, and then not shown. */
export type States = {
  tables(): { ageSeconds: number | null; domains: number | null; users: number | null; usable: boolean };
  redisUp(): boolean | null;
  /** Null or left out where the tables do not come from Redis. */
  near?(): NearState | null;
  verifier(): VerifierState;
  /** What is remembered of logins; left out where nothing is. */
  loginCache?(): LoginCacheState;
  logLinesDropped(): number;
  /** Left out where another process tells. */
  workers?(): WorkersState | null;
};

export type MetricsOptions = {
  /** Names from the config: the bounds of the labels `listener`, `upstream` and `server`. */
  listeners: readonly string[];
  upstreams: readonly string[];
  servers: readonly ServerName[];
  /** The proxy's own. */
  version: string;
  states: States;
};

/** From a look-up in memory to Redis's command timeout. */
const LOOKUP_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

/** From a DES crypt(3) to an Argon2id behind a long queue; close around the usual 20 to 150 ms. */
const VERIFY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A turn of the loop should take less than a millisecond; a second is an outage. */
const LAG_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export function createMetrics(options: MetricsOptions): Metrics {
  const families = new Families();
  const { name, version } = runtime();
  families.fact('teapop_proxy_build_info', 'The version that runs, always 1.', {
    version: options.version,
    runtime: name,
    runtime_version: version,
  });
  const sessions = sessionMetrics(families, options.listeners);
  const upstreams = upstreamMetrics(families, options.upstreams);
  registerStates(families, options.states);
  registerVerifier(families, options.states.verifier);
  registerLoginCache(families, () => options.states.loginCache?.() ?? null);
  registerWorkers(families, () => options.states.workers?.() ?? null);
  registerNearness(families, () => options.states.near?.() ?? null);
  const eventLoopLag = families.histogram(
    'teapop_proxy_event_loop_lag_seconds',
    'By how much a timer fired late, ten times a second.',
    LAG_BUCKETS,
  );
  const refresh = registerProcess(families);
  return {
    ...sessions,
    ...upstreams,
    ...spareMetrics(families, options.upstreams),
    ...serverMetrics(families, options.servers),
    eventLoopLag,
    contentType: families.contentType,
    async text() {
      await refresh();
      return families.text();
    },
    async snapshot() {
      await refresh();
      return families.snapshot();
    },
  };
}

function sessionMetrics(families: Families, listeners: readonly string[]): SessionMetrics {
  const connections = connectionMetrics(families, listeners);
  const live = PHASES.filter((phase) => phase !== 'closed');
  const phases = families.gauge(
    'teapop_proxy_sessions',
    'Sessions now, by what they are doing.',
    ['phase'],
    combinations(live),
  );
  const logins = families.counter(
    'teapop_proxy_logins_total',
    'Logins, by how and why they came out.',
    ['result', 'reason'],
    LOGIN_RESULTS.flatMap((result) => combinations([result], LOGIN_REASONS[result])),
  );
  const ends = families.counter(
    'teapop_proxy_sessions_ended_total',
    'Sessions that ended, by cause.',
    ['reason'],
    combinations(END_REASONS),
  );
  const transferred = families.counter(
    'teapop_proxy_transferred_bytes_total',
    'Application octets sent, by direction.',
    ['direction'],
    combinations(DIRECTIONS),
  );
  return {
    ...connections,
    phase(from, to) {
      if (from !== null && from !== 'closed') phases.add(-1, from);
      if (to !== 'closed') phases.add(1, to);
    },
    login: (result, reason) => logins.add(1, result, reason),
    sessionEnded: (reason) => ends.add(1, reason),
    octets: (direction, count) => transferred.add(count, direction),
    lookup: families.histogram(
      'teapop_proxy_lookup_seconds',
      'Time to look a login up in the tables.',
      LOOKUP_BUCKETS,
    ),
    verify: families.histogram(
      'teapop_proxy_verify_seconds',
      'Time to check a password, the wait for a turn included.',
      VERIFY_BUCKETS,
    ),
  };
}

function connectionMetrics(families: Families, listeners: readonly string[]) {
  const accepted = families.counter(
    'teapop_proxy_connections_accepted_total',
    'Connections that became a session.',
    ['listener'],
    combinations(listeners),
  );
  const open = families.gauge(
    'teapop_proxy_connections',
    'Client connections now.',
    ['listener'],
    combinations(listeners),
  );
  const refused = families.counter(
    'teapop_proxy_connections_refused_total',
    'Connections closed on arrival, by cause.',
    ['listener', 'reason'],
    combinations(listeners, REFUSAL_REASONS),
  );
  const checks = families.counter(
    'teapop_proxy_health_checks_total',
    "Connections of a load balancer's own, told by the PROXY protocol or by their silence.",
    ['listener'],
    combinations(listeners),
  );
  const handshakes = families.counter(
    'teapop_proxy_tls_handshakes_total',
    'TLS handshakes with clients, by version agreed on and result.',
    ['listener', 'version', 'result'],
    [
      ...combinations(listeners, TLS_VERSIONS, HANDSHAKE_SUCCESSES),
      ...combinations(listeners, [NO_VERSION], HANDSHAKE_FAILURES),
    ],
  );
  return {
    connectionOpened(listener: string) {
      accepted.add(1, listener);
      open.add(1, listener);
    },
    connectionClosed: (listener: string) => open.add(-1, listener),
    healthCheck: (listener: string) => checks.add(1, listener),
    connectionRefused: (listener: string, reason: RefusalReason) => refused.add(1, listener, reason),
    handshake: (listener: string, version: string | null, result: HandshakeResult) =>
      handshakes.add(1, listener, version ?? NO_VERSION, result),
  };
}

/** The label `version` of a handshake that came to nothing. */
const NO_VERSION = 'none';

function registerStates(families: Families, { tables, redisUp, logLinesDropped }: States): void {
  const ask = (name: string, help: string, value: () => number | null, merging: Merging) =>
    families.asked(`teapop_proxy_${name}`, help, value, merging);
  ask('tables_usable', '1 while logins can be decided, else 0.', () => Number(tables().usable), 'min');
  ask('tables_age_seconds', 'Time since the tables were published.', () => tables().ageSeconds, 'max');
  ask('tables_domains', 'Domains in the tables.', () => tables().domains, 'max');
  ask('tables_users', 'Users in the tables.', () => tables().users, 'max');
  const up = () => {
    const isUp = redisUp();
    return isUp === null ? null : Number(isUp);
  };
  ask('redis_up', '1 while Redis answers, else 0.', up, 'min');
  registerLogLines(families, logLinesDropped);
}
