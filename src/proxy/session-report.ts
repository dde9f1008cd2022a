import type { Log, LoggedCertificate, SessionRecord } from '../ops/log.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { EndReason, LoginReason, LoginResult } from '../ops/outcome.ts';
import type { Phase } from '../ops/phase.ts';
import type { CommandName } from '../pop3/command.ts';
import type { Connection, Endpoint, Ends, TlsSession } from '../transport/transport.ts';
import type { Introduced } from './introduction.ts';
import type { LoginEnd } from './login.ts';
import type { LoginFacts } from './login-facts.ts';

/** Whose a session is: both ends as the client sees them, and the session's name in the log. */
export type SessionClient = Readonly<Ends> & { readonly session: string };

/** What the log and the metrics are told of one session. Nothing here decides anything. */
export class SessionReport implements SessionClient {
  /** Why the session ends; the first cause is the one that counts. */
  end: EndReason | null = null;
  readonly #connection: Connection;
  readonly #listener: string;
  readonly #via: SessionRecord['via'];
  /** The load balancer's own: a health check, unless somebody logs in. */
  readonly #balancers: boolean;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #startedAt = performance.now();
  readonly #serial = nextSerial();
  #tls: TlsSession | null = null;
  #phase: Phase = 'authorization';
  #facts: LoginFacts | null = null;
  #result: LoginResult | 'none' = 'none';
  #reason: LoginReason = 'none';
  #toClient = 0;
  #toUpstream = 0;

  constructor(
    connection: Connection,
    listener: string,
    services: { metrics: Metrics; log: Log },
    introduced: Pick<Introduced, 'via' | 'own'> | null,
  ) {
    this.#connection = connection;
    this.#via = introduced?.via ?? null;
    this.#balancers = introduced?.own === true;
    this.#listener = listener;
    this.#metrics = services.metrics;
    this.#log = services.log;
    this.#metrics.connectionOpened(listener);
    this.#metrics.phase(null, 'authorization');
  }

  /** Its name in the log, made when it is asked for: an idle session keeps a number. */
  get session(): string {
    return `${ID_PREFIX}-${this.#serial.toString(36)}`;
  }

  get remote(): Endpoint {
    const { remoteAddress: address, remotePort: port } = this.#connection;
    return { address, port };
  }

  get local(): Endpoint {
    const { localAddress: address, localPort: port } = this.#connection;
    return { address, port };
  }

  get phase(): Phase {
    return this.#phase;
  }

  enter(phase: Phase): void {
    this.#metrics.phase(this.#phase, phase);
    this.#phase = phase;
  }

  /** @param refused why the session ends all the same: the client's certificate */
  secured(refused: EndReason | null): void {
    this.#tls = this.#connection.tls;
    if (refused !== null) this.#metrics.handshake(this.#listener, null, 'certificate');
    else if (this.#tls !== null)
      this.#metrics.handshake(this.#listener, this.#tls.version, this.#tls.resumed ? 'resumed' : 'full');
  }

  handshakeFailed(end: 'handshake-failed' | 'handshake-timeout' | 'client-lost'): void {
    this.end = end;
    if (!this.#balancers)
      this.#metrics.handshake(this.#listener, null, end === 'handshake-timeout' ? 'timeout' : 'failed');
  }

  /** A fault of the proxy's own: where it is, and in which session. */
  fault(error: unknown): void {
    this.end ??= 'internal';
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.event('error', 'session-error', { id: this.session, detail });
  }

  loginStarted(facts: LoginFacts): void {
    this.#facts = facts;
    this.#result = 'none';
    this.#reason = 'none';
  }

  loginEnded(end: Pick<LoginEnd, 'outcome' | 'reason'>): void {
    this.#result = end.outcome.result;
    this.#reason = end.reason;
    this.#metrics.login(end.outcome.result, end.reason);
    this.#countLogin(this.#facts!, end.outcome.result);
  }

  /** The client went away, or the proxy stops, before the login was decided. */
  loginAbandoned(): void {
    const reason = this.end === 'shutdown' ? 'shutdown' : 'client-gone';
    this.#result = 'unavailable';
    this.#reason = reason;
    this.#metrics.login('unavailable', reason);
  }

  /** Counts octets since the last call: as a relay goes on, and at the end. */
  transferred(toClient: number, toUpstream: number): void {
    this.#toClient += toClient;
    this.#toUpstream += toUpstream;
    if (toClient > 0) this.#metrics.octets('to-client', toClient);
    if (toUpstream > 0) this.#metrics.octets('to-upstream', toUpstream);
  }

  /** The one line of the session; none for a health check. To be called once, last. */
  close(attempts: number, command: CommandName | null): void {
    const { octetsOut, octetsIn } = this.#connection;
    this.transferred(octetsOut - this.#toClient, octetsIn - this.#toUpstream);
    this.enter('closed');
    if (this.#result === 'accepted') {
      const { upstream, name } = this.#facts!.server!;
      this.#metrics.serverSessions(upstream.name, name, -1);
    }
    this.#metrics.connectionClosed(this.#listener);
    if (this.#balancers && this.#facts === null && this.end !== 'internal') {
      this.#metrics.healthCheck(this.#listener);
      return;
    }
    this.#metrics.sessionEnded(this.end ?? 'internal');
    this.#log.session(this.#record(attempts, command));
  }

  #countLogin({ timings, upstream, server, opened }: LoginFacts, result: LoginResult): void {
    this.#metrics.lookup(timings.lookup / 1000);
    if (timings.verify > 0) this.#metrics.verify(timings.verify / 1000);
    if (upstream === null || opened === null) return;
    const { name } = upstream;
    if (opened.notice !== 'none') this.#metrics.upstreamTold(name, opened.notice);
    if (opened.connectMs !== null) this.#metrics.upstreamConnect(name, opened.connectMs / 1000);
    if (!opened.failed) this.#metrics.upstreamLogin(name, opened.loginMs / 1000);
    if (result === 'accepted') this.#metrics.serverSessions(name, server!.name, 1);
  }

  #record(attempts: number, command: CommandName | null): SessionRecord {
    const connection = this.#connection;
    const facts = this.#facts;
    const opened = facts?.opened ?? null;
    const server = facts?.server ?? null;
    return {
      id: this.session,
      listener: this.#listener,
      client: this.remote,
      local: this.local,
      via: this.#via,
      login: facts?.user ?? null,
      authzid: facts?.authzid || null,
      mechanism: facts?.mechanism ?? null,
      localUser: facts?.account?.localUser ?? null,
      upstream: server && {
        name: server.upstream.name,
        server: server.name,
        address: opened?.address ?? server.host,
        port: server.port,
      },
      tls: this.#tls && { ...this.#tls, certificate: loggedCertificate(this.#tls) },
      result: this.#result,
      reason: this.#reason,
      end: this.end ?? 'internal',
      command: command === 'http' || command === 'unknown' ? 'other' : command,
      attempts,
      durations: {
        total: performance.now() - this.#startedAt,
        lookup: facts?.timings.lookup ?? null,
        verify: facts?.timings.verify ?? null,
        upstreamConnect: opened?.connectMs ?? null,
        upstreamLogin: opened?.failed === false ? opened.loginMs : null,
      },
      octets: { toClient: connection.octetsOut, toUpstream: connection.octetsIn },
    };
  }
}

/** What the log tells of a client's certificate, believed or not. */
function loggedCertificate({ peer, distrusted }: TlsSession): LoggedCertificate | null {
  const shown = peer ?? distrusted?.certificate ?? null;
  if (shown === null && distrusted === null) return null;
  return {
    name: shown?.commonName ?? null,
    fingerprint: shown?.fingerprint256 ?? null,
    fault: distrusted?.reason ?? null,
  };
}

/** Unique over restarts and proxies that write to one log: when the process began, at random, and a count. */
const ID_PREFIX = `${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 4)
  .toString(36)
  .padStart(4, '0')}`;
let lastSerial = 0;

function nextSerial(): number {
  lastSerial += 1;
  return lastSerial;
}
