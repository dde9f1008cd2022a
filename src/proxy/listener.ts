import type { Metrics } from '../ops/metrics.ts';
import type { RefusalReason } from '../ops/outcome.ts';
import type { AuthorizationPolicy, ClearLogins } from '../pop3/capability.ts';
import { SHUTTING_DOWN, TOO_MANY_CONNECTIONS } from '../pop3/reply.ts';
import type {
  Connection,
  ConnectionHandler,
  KeepAlive,
  Listener,
  ListenOptions,
  PeerCertificate,
  ServerTls,
} from '../transport/transport.ts';
import { closeSilently } from './close-silently.ts';
import { Crowd } from './crowd.ts';
import { Deadline } from './deadlines.ts';
import { Growth } from './growth.ts';
import { type Introduced, Introduction, type ProxyProtocol } from './introduction.ts';
import type { LoginServices } from './login.ts';
import type { Ongoing, Sessions } from './relayed-session.ts';
import { Seldom } from './seldom.ts';
import { Session } from './session.ts';

/** Bounds for clients; durations in milliseconds. */
export type Limits = {
  /** All of the time before the login. */
  loginMs: number;
  /** Between two lines before the login. */
  lineMs: number;
  handshakeMs: number;
  /** No octet either way in a relayed session. */
  sessionIdleMs: number;
  /** Sessions at once, over all listeners. */
  connections: number;
};

/** What is the same for all sessions of a listener. */
export type ListenerPolicy = {
  name: string;
  tls: 'off' | 'starttls' | 'implicit';
  /** The certificates in use now: a reload changes the answer. Called only where there is TLS. */
  serverTls(): ServerTls;
  /** Nobody gets in without a client certificate of the authorities that `serverTls` has. */
  certificateRequired: boolean;
  /** The login names of a client's certificate, octet strings; none where EXTERNAL is not offered. */
  certifiedUsers(certificate: PeerCertificate): readonly string[];
  /** Which logins may come without TLS. */
  clearLogins(clientAddress: string): ClearLogins;
  /** Null where connections come from clients themselves. */
  proxyProtocol: ProxyProtocol | null;
  authorization: AuthorizationPolicy;
};

/** What all sessions of a proxy share. */
export type ProxyServices = LoginServices & {
  metrics: Metrics;
  limits: Limits;
  /** An unguessable text of hex digits, at each call another one, for challenges and nonces. */
  unique(): string;
  /** For upstream connections; null where it is off. */
  keepAlive: KeepAlive | null;
  /** Collects the garbage that was made lately. */
  collect(): void;
};

/** Where to listen, and the keepalive that each accepted connection inherits. */
export type Endpoint = Omit<ListenOptions, 'accept'>;

/** How long a refused client may take to read its one line. */
const REFUSAL_MS = 2000;

/** The sessions of all listeners: counted, drained and ended together. */
export class SessionSet implements Sessions {
  readonly #services: ProxyServices;
  readonly #sessions = new Crowd<Ongoing>();
  /** Connections that have not said yet whose they are. */
  readonly #strangers = new Set<Introduction>();
  readonly #refusals = new Seldom();
  readonly #growth: Growth;
  #draining = false;
  #empty: (() => void) | null = null;

  constructor(services: ProxyServices) {
    this.#services = services;
    this.#growth = new Growth(() => services.collect());
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Listens and makes a session of each connection. Rejects as Transport.listen does. */
  listen(policy: ListenerPolicy, endpoint: Endpoint): Promise<Listener> {
    return this.#services.transport.listen({
      ...endpoint,
      accept: (connection) => this.#accept(connection, policy),
    });
  }

  /**
   * Sends away who has not logged in and lets the others finish. Resolves when no session is left: after
   * `graceMs` what is left is cut off.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const stranger of this.#strangers) stranger.cancel();
    this.#strangers.clear();
    for (const session of this.#sessions.members) session.drain();
    if (this.#sessions.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#empty = resolve;
    });
    const cutOff = setTimeout(() => this.abort(), graceMs);
    await empty;
    clearTimeout(cutOff);
  }

  /** Cuts off every session; a client that has not logged in gets its last line first. */
  abort(): void {
    for (const session of this.#sessions.members) session.abort();
  }

  followed(session: Ongoing, by: Ongoing): void {
    this.#sessions.add(by);
    this.#sessions.delete(session);
    this.#growth.open(this.#sessions.size);
  }

  gone(session: Ongoing): void {
    this.#sessions.delete(session);
    this.#growth.open(this.#sessions.size);
    if (this.#sessions.size === 0) this.#empty?.();
  }

  #accept(connection: Connection, policy: ListenerPolicy): void {
    const { proxyProtocol } = policy;
    if (proxyProtocol !== null && !this.#isBelieved(connection, policy, proxyProtocol))
      closeSilently(connection);
    else if (this.#draining) this.#refuse(connection, policy, 'draining');
    else if (this.#sessions.size + this.#strangers.size >= this.#services.limits.connections)
      this.#refuse(connection, policy, 'connection-limit');
    else if (proxyProtocol === null) this.#begin(connection, policy, null);
    else this.#askWhose(connection, policy, proxyProtocol.timeoutMs);
  }

  /** Whether it comes from where a header is believed; counts it where it does not. */
  #isBelieved(connection: Connection, policy: ListenerPolicy, { trusts }: ProxyProtocol): boolean {
    const { remoteAddress } = connection;
    // Reset before it was accepted, as a balancer's plain check may be: who it was cannot be told any more.
    if (remoteAddress === '') this.#services.metrics.healthCheck(policy.name);
    else if (trusts(remoteAddress)) return true;
    else this.#turnAway(connection, policy, 'proxy-untrusted');
    return false;
  }

  #begin(connection: Connection, policy: ListenerPolicy, introduced: Introduced | null): void {
    this.#sessions.add(new Session(connection, policy, this.#services, introduced, this));
  }

  #askWhose(connection: Connection, policy: ListenerPolicy, timeoutMs: number): void {
    const { wheel, metrics } = this.#services;
    const stranger = new Introduction(connection, timeoutMs, wheel, {
      introduced: (how) => {
        this.#strangers.delete(stranger);
        this.#begin(connection, policy, how);
      },
      failed: (why) => {
        this.#strangers.delete(stranger);
        if (why.reason === 'nothing-said') metrics.healthCheck(policy.name);
        else this.#turnAway(connection, policy, why.reason, why.detail);
      },
    });
    this.#strangers.add(stranger);
  }

  /** Counts each connection that does not keep to the PROXY protocol, and logs one of them now and then. */
  #turnAway(connection: Connection, policy: ListenerPolicy, reason: RefusalReason, detail = ''): void {
    const { metrics, log, wheel } = this.#services;
    metrics.connectionRefused(policy.name, reason);
    const unlogged = this.#refusals.happened(`${policy.name} ${reason}`, wheel.now);
    if (unlogged === null) return;
    const { remoteAddress: address, remotePort: port } = connection;
    log.event('warn', 'connection-refused', {
      listener: policy.name,
      ...{ address, port, reason, detail, unlogged },
    });
  }

  /** On an implicit TLS port a plain line would be noise: there the connection is closed without a word. */
  #refuse(connection: Connection, policy: ListenerPolicy, reason: 'draining' | 'connection-limit'): void {
    this.#services.metrics.connectionRefused(policy.name, reason);
    connection.handler = REFUSED_HANDLER;
    if (policy.tls === 'implicit') {
      connection.destroy();
      return;
    }
    connection.write(reason === 'draining' ? SHUTTING_DOWN : TOO_MANY_CONNECTIONS);
    connection.end();
    this.#services.wheel.set(new Deadline(() => connection.destroy()), REFUSAL_MS);
  }
}

const REFUSED_HANDLER: ConnectionHandler = {
  opened() {},
  received() {},
  drained() {},
  ended: (connection) => connection.destroy(),
  secured() {},
  closed() {},
};
