import type { Families } from './families.ts';
import {
  CHECK_RESULTS,
  type CheckResult,
  NOTICE_RESULTS,
  type NoticeResult,
  UPSTREAM_FAILURES,
  type UpstreamFailure,
} from './outcome.ts';
import { combinations } from './tally.ts';

export interface UpstreamMetrics {
  upstreamConnect(upstream: string, seconds: number): void;
  upstreamLogin(upstream: string, seconds: number): void;
  upstreamFailed(upstream: string, reason: UpstreamFailure): void;
  /** Only where the mailstore is set to be told. */
  upstreamTold(upstream: string, result: NoticeResult): void;
}

/** Of the single servers of upstreams; both names are those of the config. */
export interface ServerMetrics {
  /** When it goes down or comes back; at the start all are up. */
  serverUp(upstream: string, server: string, up: boolean): void;
  /** A session there begins (1) or ends (-1). */
  serverSessions(upstream: string, server: string, change: 1 | -1): void;
  /** A login failed there before the hand-over. */
  serverFailed(upstream: string, server: string): void;
  serverChecked(upstream: string, server: string, result: CheckResult): void;
}

/** Both bounded by the config. */
export type ServerName = { upstream: string; server: string };

export function serverMetrics(families: Families, servers: readonly ServerName[]): ServerMetrics {
  const names = servers.map(({ upstream, server }) => [upstream, server]);
  const labels: ('upstream' | 'server')[] = ['upstream', 'server'];
  const up = families.gauge(
    'teapop_proxy_upstream_server_up',
    '1 while a server counts as up, else 0.',
    labels,
    names,
    // Of workers each finds out for itself: down is what is down for all of them.
    'max',
  );
  for (const { upstream, server } of servers) up.add(1, upstream, server);
  const sessions = families.gauge(
    'teapop_proxy_upstream_server_sessions',
    'Sessions now, by the server that they are at.',
    labels,
    names,
  );
  const failures = families.counter(
    'teapop_proxy_upstream_server_failures_total',
    'Logins that failed at a server before the hand-over; another one may have served them.',
    labels,
    names,
  );
  const checks = families.counter(
    'teapop_proxy_upstream_server_checks_total',
    'Checks of servers, by result.',
    [...labels, 'result'],
    names.flatMap((name) => CHECK_RESULTS.map((result) => [...name, result])),
  );
  return {
    serverUp: (upstream, server, isUp) => up.add(isUp ? 1 : -1, upstream, server),
    serverSessions: (upstream, server, change) => sessions.add(change, upstream, server),
    serverFailed: (upstream, server) => failures.add(1, upstream, server),
    serverChecked: (upstream, server, result) => checks.add(1, upstream, server, result),
  };
}

/** From a neighbour on the same host to the default deadline of 20 s. */
const UPSTREAM_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

export function upstreamMetrics(families: Families, upstreams: readonly string[]): UpstreamMetrics {
  const failures = families.counter(
    'teapop_proxy_upstream_failures_total',
    'Upstream sessions that failed before the hand-over, by cause.',
    ['upstream', 'reason'],
    combinations(upstreams, UPSTREAM_FAILURES),
  );
  const notices = families.counter(
    'teapop_proxy_upstream_xclient_total',
    'Logins of which the mailstore was to be told the client by XCLIENT, by result.',
    ['upstream', 'result'],
    combinations(upstreams, NOTICE_RESULTS),
  );
  return {
    upstreamConnect: families.histograms(
      'teapop_proxy_upstream_connect_seconds',
      'Time until the TCP connection to the mailstore stood.',
      UPSTREAM_BUCKETS,
      'upstream',
      upstreams,
    ),
    upstreamLogin: families.histograms(
      'teapop_proxy_upstream_login_seconds',
      "Time from the connection to the mailstore's answer to the login, TLS included.",
      UPSTREAM_BUCKETS,
      'upstream',
      upstreams,
    ),
    upstreamFailed: (upstream, reason) => failures.add(1, upstream, reason),
    upstreamTold: (upstream, result) => notices.add(1, upstream, result),
  };
}
