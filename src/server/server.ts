import { randomBytes } from 'node:crypto';
import packageJson from '../../package.json' with { type: 'json' };
import type { Config, ListenerConfig } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import { type Admin, startAdmin } from '../ops/admin.ts';
import { watchEventLoop } from '../ops/event-loop.ts';
import type { Log } from '../ops/log.ts';
import { createMetrics, type Metrics } from '../ops/metrics.ts';
import { youngCollector } from '../ops/young-garbage.ts';
import { KnownCapabilities } from '../proxy/capabilities.ts';
import { DeadlineWheel } from '../proxy/deadlines.ts';
import { SessionSet } from '../proxy/listener.ts';
import { PoolChecks } from '../proxy/pool-checks.ts';
import { Resolver } from '../proxy/resolver.ts';
import { Seldom } from '../proxy/seldom.ts';
import { ServerReport } from '../proxy/server-report.ts';
import { Spares } from '../proxy/spares.ts';
import type { UpstreamPool } from '../proxy/upstream-pool.ts';
import type { Listener, Transport } from '../transport/transport.ts';
import { atMost, FLUSH_MS } from './at-most.ts';
import { createHashing, type Hashing, openAuthenticator } from './authenticator.ts';
import { ListenerCertificates } from './certificates.ts';
import { endpointOf } from './endpoint.ts';
import { keepAliveOf, limitsOf } from './limits.ts';
import { cannotListen } from './listen-failure.ts';
import { listenerPolicy } from './listener-policy.ts';
import { ownWord, refuseLoops } from './own-upstream.ts';
import { openTables, type Tables } from './tables.ts';
import {
  askedServers,
  awayUpstreams,
  loadUpstreams,
  serverNames,
  serversOf,
  upstreamRule,
} from './upstreams.ts';

export type ServerOptions = {
  config: Config;
  secrets: Secrets;
  transport: Transport;
  log: Log;
  /** One of several processes: it shares its ports with the others. */
  isWorker?: boolean;
  /** What the others have for TLS tickets, where no file holds it. */
  ticketSecret?: Uint8Array | null;
  /** What the others have in their greetings. */
  own?: string;
};

/** How long a start waits for the mailstores' capabilities: one that is well answers in milliseconds. */
const FIRST_ANSWERS_MS = 1000;

/** Of a challenge or nonce: nobody meets or guesses one of 2 ** 128. */
const UNIQUE_OCTETS = 16;

/** Where a listener listens in fact: the port that the system chose where the config says 0. */
export type Bound = { name: string; address: string; port: number };

/**
 * One running proxy: the only place where its parts are constructed, drained and reloaded.
 */
export class Server {
  readonly #options: ServerOptions;
  readonly #wheel = new DeadlineWheel();
  readonly #hashing: Hashing;
  readonly #metrics: Metrics;
  readonly #certificates: ListenerCertificates;
  readonly #unwatch: () => void;
  #state: 'starting' | 'serving' | 'draining' = 'starting';
  #tables: Tables | null = null;
  #capabilities: KnownCapabilities | null = null;
  #spares: Spares | null = null;
  /** In every greeting: an upstream that says it is this proxy. */
  readonly #own: string;
  #pools: UpstreamPool[] = [];
  #checks: PoolChecks[] = [];
  #sessions: SessionSet | null = null;
  #admin: Admin | null = null;
  #reloading: Promise<void> = Promise.resolve();
  #listeners: { bound: Bound; listener: Listener }[] = [];

  private constructor(options: ServerOptions) {
    const { config, transport, log } = options;
    this.#options = options;
    this.#own = options.own ?? ownWord();
    this.#hashing = createHashing(config);
    this.#certificates = new ListenerCertificates(config, transport, options.ticketSecret ?? null);
    this.#metrics = createMetrics({
      listeners: config.listeners.map(({ name }) => name),
      upstreams: config.upstreams.map(({ name }) => name),
      servers: serverNames(config),
      version: packageJson.version,
      states: {
        tables: () => this.#tableState(),
        redisUp: () => this.#tables?.redisUp() ?? null,
        near: () => this.#tables?.near() ?? null,
        verifier: () => this.#hashing.verifier.state,
        loginCache: () => this.#hashing.cache.state,
        logLinesDropped: () => log.dropped,
        workers: () => this.#workers(),
      },
    });
    this.#unwatch = watchEventLoop((seconds) => this.#metrics.eventLoopLag(seconds));
  }

  /**
   * Resolves when every listener listens. Rejects with an Error that says what cannot be used or bound; nothing
   * is left running then.
   */
  static async start(options: ServerOptions): Promise<Server> {
    const server = new Server(options);
    try {
      await server.#start();
    } catch (error) {
      await server.#release();
      throw error;
    }
    return server;
  }

  get bound(): readonly Bound[] {
    return this.#listeners.map(({ bound }) => bound);
  }

  get metrics(): Metrics {
    return this.#metrics;
  }

  /** Where health and metrics are served; null where they are not. */
  get admin(): { address: string; port: number } | null {
    return this.#admin && { address: this.#admin.address, port: this.#admin.port };
  }

  /**
   * Reads certificates and tables anew, and asks the mailstores what they announce. What cannot be read is logged and stays as it was; sessions go on. One
   * reload after the other, so that what was read last is what serves. Never rejects.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async #reload(): Promise<void> {
    const { log } = this.#options;
    this.#capabilities?.ask();
    this.#spares?.renew();
    const parts = { certificates: () => this.#certificates.load(), tables: () => this.#tables!.reload() };
    for (const [part, load] of Object.entries(parts)) {
      try {
        await load();
        log.event('info', 'reloaded', { part });
      } catch (error) {
        log.event('error', 'reload-failed', { part, detail: (error as Error).message });
      }
    }
  }

  /**
   * Stops accepting at once, lets sessions finish for the grace time, then releases everything. Health and
   * metrics answer to the end.
   */
  async stop(): Promise<void> {
    const { config, log } = this.#options;
    this.#state = 'draining';
    log.event('info', 'draining', { sessions: this.#sessions?.size ?? 0 });
    await this.#closeListeners();
    this.#spares?.close();
    await this.#sessions?.drain(config.shutdown.grace);
    await this.#release();
    log.event('info', 'stopped');
    await atMost(FLUSH_MS, log.flush());
  }

  /** Ends a drain: cuts off the sessions that are left. */
  abort(): void {
    this.#sessions?.abort();
  }

  async #start(): Promise<void> {
    const { config, secrets, transport, log } = this.#options;
    if (config.admin !== null) {
      this.#admin = await this.#startAdmin(config.admin);
    }
    await refuseLoops(config);
    await this.#certificates.load();
    if (config.tls.ticketSecretFile !== null && !transport.sharesTickets)
      log.event('warn', 'tickets-not-shared', { runtime: transport.name });
    const reach = { transport, wheel: this.#wheel, resolver: new Resolver(), log };
    const servers = new ServerReport({ log, metrics: this.#metrics, wheel: this.#wheel });
    this.#pools = await loadUpstreams(
      config,
      transport,
      (name) => secrets.upstream(name),
      servers,
      this.#own,
    );
    const capabilities = new KnownCapabilities(askedServers(config, this.#pools), reach);
    this.#capabilities = capabilities;
    const spares = new Spares(this.#pools.flatMap(serversOf), {
      ...reach,
      metrics: this.#metrics,
      failing: new Seldom(),
      lost: (server) => capabilities.askAgain(server),
    });
    this.#spares = spares;
    const heard = capabilities.ask();
    this.#checks = this.#pools.map((pool) => new PoolChecks(pool, { ...reach, servers }));
    for (const checks of this.#checks) checks.start();
    this.#tables = await openTables(config, secrets, log);
    this.#sessions = new SessionSet({
      ...reach,
      capabilities,
      spares,
      authenticator: await openAuthenticator(config, this.#tables.store, this.#hashing, log),
      upstreamOf: upstreamRule(config, this.#pools),
      failureDelayMs: config.limits.failureDelay,
      metrics: this.#metrics,
      servers,
      keepAlive: keepAliveOf(config),
      unique: () => randomBytes(UNIQUE_OCTETS).toString('hex'),
      limits: limitsOf(config),
      collect: await youngCollector(),
    });
    // The first clients shall hear what the later ones will; but no mailstore that is away holds up the start.
    await atMost(FIRST_ANSWERS_MS, heard);
    for (const listener of config.listeners) await this.#listen(this.#sessions, listener);
    spares.open();
    this.#state = 'serving';
  }

  async #startAdmin(endpoint: { address: string; port: number }): Promise<Admin> {
    try {
      const readiness = () => this.unready();
      return await startAdmin({ ...endpoint, readiness, metrics: this.#metrics });
    } catch (error) {
      throw cannotListen('admin', endpoint, error);
    }
  }

  async #listen(sessions: SessionSet, config: ListenerConfig): Promise<void> {
    const known = () => this.#capabilities!.common;
    const policy = listenerPolicy(config, this.#options.config, this.#certificates, known, this.#own);
    const listener = await sessions
      .listen(policy, endpointOf(config, this.#options.config, this.#options.isWorker === true))
      .catch((error) => {
        throw cannotListen(`listener ${config.name}`, config, error);
      });
    const bound = { name: config.name, address: listener.address, port: listener.port };
    this.#listeners.push({ bound, listener });
    this.#options.log.event('info', 'listening', { ...bound, tls: config.tls });
  }

  /** Why no login should be sent here now. */
  unready(): string[] {
    if (this.#state !== 'serving') return [this.#state];
    const status = this.#tables!.store.status();
    return [...(status.usable ? [] : [`tables: ${status.detail}`]), ...awayUpstreams(this.#pools)];
  }

  /** Of several the primary tells. */
  #workers() {
    const configured = 1;
    return this.#options.isWorker
      ? null
      : { configured, ready: Number(this.unready().length === 0), restarts: 0 };
  }

  #tableState() {
    const status = this.#tables?.store.status();
    const publishedAt = status?.publishedAt ?? null;
    return {
      ageSeconds: publishedAt === null ? null : Math.max(0, (Date.now() - publishedAt) / 1000),
      domains: status?.domains ?? null,
      users: status?.users ?? null,
      usable: status?.usable ?? false,
    };
  }

  async #closeListeners(): Promise<void> {
    await Promise.all(this.#listeners.map(({ listener }) => listener.close()));
    this.#listeners = [];
  }

  async #release(): Promise<void> {
    await this.#closeListeners();
    this.#capabilities?.close();
    this.#spares?.close();
    for (const checks of this.#checks) checks.stop();
    await this.#tables?.store.close();
    await this.#admin?.close();
    this.#unwatch();
    this.#wheel.stop();
  }
}
