import type { EndReason } from '../ops/outcome.ts';
import { Authorization, BUFFERED_LIMIT } from '../pop3/authorization.ts';
import type { Effect } from '../pop3/effect.ts';
import { SHUTTING_DOWN, TIMED_OUT } from '../pop3/reply.ts';
import type { Credentials } from '../pop3/sasl.ts';
import type { Connection, ConnectionHandler, TransportError } from '../transport/transport.ts';
import { Deadline } from './deadlines.ts';
import type { ListenerPolicy, ProxyServices } from './listener.ts';
import { Login, type LoginEnd, type OpenedUpstream } from './login.ts';
import { endOfClose, endOfRelay } from './reasons.ts';
import { Relay } from './relay.ts';
import { SessionReport } from './session-report.ts';

/** How long a client may take to close its side after the proxy's last line. */
const CLOSING_MS = 5000;

/**
 * Most sessions are over within a second; a keepalive costs 10 to 20 µs, so that only an upstream connection which
 * has lived longer than this gets it. The client's side inherits it from the listener for nothing.
 */
const KEEPALIVE_AFTER_MS = 60_000;

/**
 * A client's connection from the accept to its end. Runs the effects of the protocol machine on the connection,
 * keeps the deadlines before the login, and hands both connections to a relay after it.
 */
export class Session {
  readonly #connection: Connection;
  readonly #listener: ListenerPolicy;
  readonly #services: ProxyServices;
  readonly #gone: (session: Session) => void;
  readonly #machine: Authorization;
  readonly #report: SessionReport;
  readonly #deadline = new Deadline(() => this.#expired());
  readonly #startedAt: number;
  #lineAt: number;
  /** When the TLS handshake under way began; null outside of one. */
  #handshakeAt: number | null = null;
  #login: Login | null = null;
  #upstream: OpenedUpstream | null = null;
  #relay: Relay | null = null;
  /** The relay's upstream side. */
  #relayed: Connection | null = null;
  /** The client does not read its replies: nothing more is answered until it does. */
  #blocked = false;
  /** The client has closed its sending side. */
  #ended = false;
  #closing = false;

  /** @param gone called once, when the session is over and logged */
  constructor(
    connection: Connection,
    listener: ListenerPolicy,
    services: ProxyServices,
    gone: (session: Session) => void,
  ) {
    this.#connection = connection;
    this.#listener = listener;
    this.#services = services;
    this.#gone = gone;
    this.#startedAt = services.wheel.now;
    this.#lineAt = this.#startedAt;
    this.#report = new SessionReport(connection, listener.name, services);
    this.#machine = new Authorization(listener.authorization, {
      tls: listener.tls === 'implicit',
      plaintextAllowed: listener.plaintextAllowed(connection.remoteAddress),
    });
    connection.context = this;
    connection.handler = SESSION_HANDLER;
    if (listener.tls === 'implicit') this.#startTls();
    else this.#greet();
  }

  /** The proxy stops: who has not begun to log in is told so and goes; a login under way and a session go on. */
  drain(): void {
    if (this.#report.phase === 'authorization') this.#shutDown();
  }

  /** The grace time is over. */
  abort(): void {
    if (this.#relay !== null) {
      this.#report.end ??= 'shutdown';
      this.#relay.destroy();
    } else if (this.#closing) this.#connection.destroy();
    else this.#shutDown();
  }

  received(octets: Uint8Array): void {
    if (this.#closing) return;
    this.#machine.receive(octets);
    this.#run();
    // While a login is checked nothing is parsed: what the client sends meanwhile is kept up to a bound.
    if (this.#machine.waiting && this.#machine.buffered >= BUFFERED_LIMIT) this.#connection.pause();
  }

  drained(): void {
    this.#blocked = false;
    if (this.#closing) return;
    this.#connection.resume();
    this.#run();
  }

  secured(): void {
    this.#handshakeAt = null;
    this.#report.secured();
    if (this.#listener.tls === 'implicit') this.#greet();
    else this.#machine.secured();
    this.#run();
  }

  /** A half-close: what the client sent before it is still answered, a login under way included. */
  ended(): void {
    this.#ended = true;
    if (!this.#closing) this.#run();
  }

  closed(error: TransportError | null): void {
    if (this.#handshakeAt !== null && this.#report.end === null) {
      this.#report.handshakeFailed('failed');
      this.#report.end = error?.kind === 'tls' ? 'handshake-failed' : 'client-lost';
    }
    this.#report.end ??= error === null ? 'client-closed' : 'client-lost';
    this.#abandonLogin();
    this.#over();
  }

  #greet(): void {
    this.#arm();
    this.#reply(this.#machine.greet());
  }

  #startTls(): void {
    this.#handshakeAt = this.#services.wheel.now;
    this.#connection.startTls(this.#listener.serverTls());
    this.#arm();
  }

  /** Runs what the machine wants done, until it waits for something. */
  #run(): void {
    this.#lineAt = this.#services.wheel.now;
    while (!this.#blocked && !this.#closing && this.#relay === null) {
      const effect = this.#machine.next();
      if (effect === null) {
        // Nothing is under way and nothing more can come.
        if (this.#ended && this.#login === null) this.#finish('client-closed');
        return;
      }
      this.#perform(effect);
    }
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'reply':
        this.#reply(effect.octets);
        break;
      case 'startTls':
        this.#startTls();
        break;
      case 'authenticate':
        this.#authenticate(effect.credentials);
        break;
      case 'relay':
        this.#startRelay(effect.unread);
        break;
      case 'close':
        this.#finish(endOfClose(effect.reason));
        break;
    }
  }

  #reply(octets: Uint8Array): void {
    if (this.#connection.write(octets)) return;
    this.#blocked = true;
    this.#connection.pause();
  }

  #authenticate(credentials: Credentials): void {
    this.#report.enter('authenticating');
    this.#login = new Login(this.#services, credentials, this.#connection.localAddress, {
      connecting: () => this.#report.enter('connecting'),
      ended: (end) => this.#settle(end),
    });
    this.#report.loginStarted(this.#login.facts);
  }

  #settle(end: LoginEnd): void {
    this.#report.loginEnded(end);
    this.#login = null;
    this.#upstream = end.upstream;
    if (end.upstream === null) this.#report.enter('authorization');
    this.#machine.settle(end.outcome);
    if (!this.#blocked) this.#connection.resume();
    this.#arm();
    this.#run();
  }

  #startRelay(unread: Uint8Array): void {
    const { connection, rest } = this.#upstream!;
    this.#upstream = null;
    this.#relayed = connection;
    this.#services.wheel.set(this.#deadline, KEEPALIVE_AFTER_MS);
    this.#report.enter('transaction');
    this.#report.transferred(this.#connection.octetsOut, this.#connection.octetsIn);
    this.#relay = new Relay(
      this.#connection,
      connection,
      this.#services.wheel,
      this.#services.limits.sessionIdleMs,
      {
        transferred: (toClient, toUpstream) => this.#report.transferred(toClient, toUpstream),
        finished: (how) => {
          this.#report.end ??= endOfRelay(how);
          this.#over();
        },
      },
    );
    this.#relay.start(unread, rest, this.#ended);
  }

  /** The next limit before the login: all of the time, or that between two lines; a handshake has its own. */
  #arm(): void {
    this.#services.wheel.set(this.#deadline, Math.max(0, this.#due() - this.#services.wheel.now));
  }

  #due(): number {
    const { loginMs, lineMs, handshakeMs } = this.#services.limits;
    if (this.#handshakeAt !== null) return this.#handshakeAt + handshakeMs;
    return Math.min(this.#startedAt + loginMs, this.#lineAt + lineMs);
  }

  /** Lines that came since have moved the limit; a login under way has deadlines of its own. */
  #expired(): void {
    if (this.#relayed !== null) this.#keepAlive(this.#relayed);
    else if (this.#closing) this.#connection.destroy();
    else if (this.#login !== null) this.#services.wheel.set(this.#deadline, this.#services.limits.lineMs);
    else if (this.#due() > this.#services.wheel.now) this.#arm();
    else if (this.#handshakeAt !== null) {
      this.#report.handshakeFailed('timeout');
      this.#report.end = 'handshake-timeout';
      this.#connection.destroy();
    } else {
      const whole = this.#services.wheel.now >= this.#startedAt + this.#services.limits.loginMs;
      this.#finish(whole ? 'login-timeout' : 'line-timeout', TIMED_OUT);
    }
  }

  #keepAlive(upstream: Connection): void {
    const { transport, keepAlive } = this.#services;
    if (keepAlive !== null) transport.keepAlive(upstream, keepAlive);
  }

  #shutDown(): void {
    if (this.#handshakeAt !== null) {
      this.#report.end ??= 'shutdown';
      this.#connection.destroy();
    } else this.#finish('shutdown', SHUTTING_DOWN);
  }

  /** A last line where there is one, then the close: what was replied reaches the client first. */
  #finish(reason: EndReason, farewell: Uint8Array | null = null): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#report.end ??= reason;
    this.#abandonLogin();
    if (farewell !== null) this.#connection.write(farewell);
    this.#connection.end();
    this.#connection.resume();
    this.#services.wheel.set(this.#deadline, CLOSING_MS);
  }

  /** Never a QUIT to the mailstore: the client has not said one. */
  #abandonLogin(): void {
    if (this.#login !== null) this.#report.loginAbandoned();
    this.#login?.cancel();
    this.#login = null;
    this.#upstream?.connection.destroy();
    this.#upstream = null;
  }

  #over(): void {
    this.#services.wheel.clear(this.#deadline);
    this.#report.close(this.#machine.attempts, this.#machine.lastCommand);
    this.#gone(this);
  }
}

const session = (connection: Connection) => connection.context as Session;

const SESSION_HANDLER: ConnectionHandler = {
  opened() {},
  received: (connection, octets) => session(connection).received(octets),
  drained: (connection) => session(connection).drained(),
  ended: (connection) => session(connection).ended(),
  secured: (connection) => session(connection).secured(),
  closed: (connection, error) => session(connection).closed(error),
};
