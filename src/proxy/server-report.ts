import type { Log } from '../ops/log.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { LoginFailure } from './pool-opening.ts';
import { countedFailure } from './reasons.ts';
import { Seldom } from './seldom.ts';
import type { Upstream, UpstreamServer } from './upstream.ts';
import type { PoolEvents, ServerFailure } from './upstream-pool.ts';

type ReportServices = { log: Log; metrics: Metrics; wheel: { readonly now: number } };

/**
 * What the log and the metrics are told of the servers of all upstreams. In an outage each login fails alike: one line
 * of a kind a minute tells how many there were, and each server that goes down or comes back has a line of its own.
 */
export class ServerReport implements PoolEvents {
  readonly #services: ReportServices;
  readonly #failures = new Seldom();
  readonly #untold = new Seldom();

  constructor(services: ReportServices) {
    this.#services = services;
  }

  /** A login failed at a server, whether or not another one was tried. */
  failed(server: UpstreamServer, failure: ServerFailure): void {
    this.#services.metrics.serverFailed(server.upstream.name, server.name);
    this.#loginFailed(server.upstream, failure.failure, {
      ...placeOf(server, failure),
      detail: failure.detail,
    });
  }

  /** A login that no server was asked for. */
  unrouted(upstream: Upstream, failure: LoginFailure): void {
    this.#loginFailed(upstream, failure, {});
  }

  down(server: UpstreamServer, failure: ServerFailure, all: boolean): void {
    const { log, metrics } = this.#services;
    const upstream = server.upstream.name;
    metrics.serverUp(upstream, server.name, false);
    const why = { failure: failure.failure, detail: failure.detail };
    log.event('warn', 'upstream-server-down', { upstream, ...placeOf(server, failure), ...why });
    if (all) log.event('error', 'upstream-down', { upstream });
  }

  up(server: UpstreamServer, ms: number, all: boolean): void {
    const { log, metrics } = this.#services;
    const upstream = server.upstream.name;
    metrics.serverUp(upstream, server.name, true);
    const { name, port } = server;
    log.event('info', 'upstream-server-up', { upstream, server: name, port, down: Math.round(ms) });
    if (all) log.event('info', 'upstream-up', { upstream });
  }

  checked(server: UpstreamServer, ok: boolean): void {
    this.#services.metrics.serverChecked(server.upstream.name, server.name, ok ? 'ok' : 'failed');
  }

  /** Its log and its limits by address go wrong, no login does: said now and then is enough. */
  untold(server: UpstreamServer, address: string | null, result: 'not-offered' | 'refused'): void {
    const upstream = server.upstream.name;
    const unlogged = this.#untold.happened(`${upstream} ${server.name}`, this.#services.wheel.now);
    if (unlogged === null) return;
    const place = placeOf(server, { address });
    this.#services.log.event('warn', 'xclient-not-taken', { upstream, ...place, result, unlogged });
  }

  #loginFailed({ name }: Upstream, failure: LoginFailure, more: { server?: string; detail?: string }): void {
    const { log, metrics, wheel } = this.#services;
    metrics.upstreamFailed(name, countedFailure(failure));
    const unlogged = this.#failures.happened(`${name} ${more.server} ${failure}`, wheel.now);
    if (unlogged !== null)
      log.event('warn', 'upstream-failed', { upstream: name, ...more, failure, unlogged });
  }
}

function placeOf({ name, host, port }: UpstreamServer, { address }: { address: string | null }) {
  return { server: name, address: address ?? host, port };
}
