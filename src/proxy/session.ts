import type { EndReason } from '../ops/outcome.ts';
import { Authorization, BUFFERED_LIMIT } from '../pop3/authorization.ts';
import type { ScramSalt } from '../pop3/credentials.ts';
import type { Effect, LoginOutcome } from '../pop3/effect.ts';
import { SHUTTING_DOWN, TIMED_OUT } from '../pop3/reply.ts';
import type { Connection, TransportError } from '../transport/transport.ts';
import { certificateRefusal } from './client-certificate.ts';
import { Timed } from './deadlines.ts';
import type { Introduced } from './introduction.ts';
import type { ListenerPolicy, ProxyServices } from './listener.ts';
import { Patience } from './patience.ts';
import { endOfClose } from './reasons.ts';
import { type Ongoing, RelayedSession, type Sessions } from './relayed-session.ts';
import { SESSION_HANDLER } from './session-handler.ts';
import { SessionLogin, type SessionLoginEvents } from './session-login.ts';
import { SessionReport } from './session-report.ts';

/** How long a client may take to close its side after the proxy's last line. */
const CLOSING_MS = 5000;

/**
 * A client's connection from the accept to its login, or to its end without one. Runs the effects of the protocol
 * machine on the connection, keeps the deadlines before the login, and is followed by a RelayedSession after it: most
 * sessions that are open at any time are idle behind their login, and need nothing of what is kept here. On the wheel
 * for the limits before the login.
 */
export class Session extends Timed implements Ongoing, SessionLoginEvents {
  place = 0;
  readonly #connection: Connection;
  readonly #listener: ListenerPolicy;
  readonly #services: ProxyServices;
  readonly #sessions: Sessions;
  readonly #machine: Authorization;
  readonly #report: SessionReport;
  readonly #patience: Patience;
  readonly #login: SessionLogin;
  /** The relay has the connection: nothing here is used any more. */
  #handedOver = false;
  /** The client does not read its replies: nothing more is answered until it does. */
  #blocked = false;
  /** The client has closed its sending side. */
  #ended = false;
  #closing = false;
  /** The proxy stops: a login that fails from now on was the last one. */
  #draining = false;

  /**
   * @param introduced by a PROXY header, where the listener has it: the connection tells the client's addresses
   * @param sessions told once, when the session is over and logged, or when another follows it
   */
  constructor(
    connection: Connection,
    listener: ListenerPolicy,
    services: ProxyServices,
    introduced: Introduced | null,
    sessions: Sessions,
  ) {
    super();
    this.#connection = connection;
    this.#listener = listener;
    this.#services = services;
    this.#sessions = sessions;
    this.#patience = new Patience(services.limits, services.wheel.now);
    this.#report = new SessionReport(connection, listener.name, services, introduced);
    const tls = listener.tls === 'implicit';
    const clearLogins = listener.clearLogins(connection.remoteAddress);
    this.#machine = new Authorization(listener.authorization, { tls, clearLogins }, services.unique);
    this.#login = new SessionLogin(services, this.#report, this);
    connection.context = this;
    connection.handler = SESSION_HANDLER;
    try {
      this.#begin(introduced);
    } catch (error) {
      this.faulted(error);
    }
  }

  /** The proxy stops: who has not begun to log in is told so and goes; a login under way and a session go on. */
  drain(): void {
    this.#draining = true;
    if (this.#report.phase === 'authorization') this.#shutDown();
  }

  /** The grace time is over. */
  abort(): void {
    if (this.#closing) this.#connection.destroy();
    else this.#shutDown();
  }

  /** A fault of the proxy's own: it ends this session, and no other. */
  faulted(error: unknown): void {
    this.#report.fault(error);
    this.#connection.destroy();
  }

  received(octets: Uint8Array): void {
    if (this.#closing) return;
    this.#machine.receive(octets);
    this.#run();
    this.#machine.keep();
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
    this.#patience.handshakeEnds(this.#services.wheel.now);
    const refusal = certificateRefusal(this.#listener.certificateRequired, this.#connection.tls);
    this.#report.secured(refusal?.end ?? null);
    if (refusal !== null) {
      this.#finish(refusal.end, refusal.farewell);
      return;
    }
    const peer = this.#connection.tls?.peer ?? null;
    if (peer !== null) this.#machine.certified(this.#listener.certifiedUsers(peer));
    if (this.#listener.tls !== 'implicit') this.#machine.secured();
    else this.#reply(this.#machine.greet());
    this.#arm();
    this.#run();
  }

  /** A half-close: what the client sent before it is still answered, a login under way included. */
  ended(): void {
    this.#ended = true;
    if (!this.#closing) this.#run();
  }

  closed(error: TransportError | null): void {
    if (this.#patience.inHandshake && this.#report.end === null)
      this.#report.handshakeFailed(error?.kind === 'tls' ? 'handshake-failed' : 'client-lost');
    this.#report.end ??= error === null ? 'client-closed' : 'client-lost';
    this.#login.abandon();
    this.#over();
  }

  told(salted: ScramSalt): void {
    try {
      this.#machine.told(salted);
      this.#answered();
    } catch (error) {
      this.faulted(error);
    }
  }

  settled(outcome: LoginOutcome): void {
    try {
      this.#machine.settle(outcome);
      this.#answered();
    } catch (error) {
      this.faulted(error);
    }
  }

  override due(): void {
    try {
      this.#expired();
    } catch (error) {
      this.faulted(error);
    }
  }

  #begin(introduced: Introduced | null): void {
    const { tls } = this.#listener;
    if (tls === 'implicit') this.#startTls(introduced?.unread);
    else this.#reply(this.#machine.greet());
    this.#arm();
    if (tls !== 'implicit' && introduced !== null) this.received(introduced.unread);
  }

  #startTls(unread?: Uint8Array): void {
    this.#patience.handshakeBegins(this.#services.wheel.now);
    this.#connection.startTls(this.#listener.serverTls(), unread);
  }

  /** Runs what the machine wants done, until it waits for something. */
  #run(): void {
    while (this.#runs) {
      const effect = this.#machine.next();
      if (effect === null) {
        // Nothing is under way and nothing more can come.
        if (this.#ended && !this.#login.underWay) this.#finish('client-closed');
        return;
      }
      this.#patience.progress(this.#services.wheel.now);
      this.#perform(effect);
    }
  }

  /** The hand-over waits for no reader: until the relay has it, nobody would hear what the mailstore sends. */
  get #runs(): boolean {
    return !this.#closing && !this.#handedOver && (!this.#blocked || this.#login.upstream !== null);
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'reply':
        this.#reply(effect.octets);
        break;
      case 'startTls':
        this.#startTls();
        this.#arm();
        break;
      case 'ask':
        this.#login.ask(effect.user);
        break;
      case 'authenticate':
        this.#login.authenticate(effect.credentials);
        break;
      case 'proceed':
        this.#login.proceed();
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

  /** The machine has got what it waited for. */
  #answered(): void {
    this.#connection.resume();
    this.#patience.progress(this.#services.wheel.now);
    this.#arm();
    this.#run();
    if (this.#draining) this.drain();
  }

  #startRelay(unread: Uint8Array): void {
    const { connection, rest } = this.#login.handOver();
    this.#services.wheel.clear(this);
    this.#handedOver = true;
    const { attempts, lastCommand } = this.#machine;
    const ends = { client: this.#connection, upstream: connection };
    const counted = { attempts, lastCommand };
    const follower = new RelayedSession(ends, this.#services, this.#report, counted, this.#sessions);
    this.#sessions.followed(this, follower);
    // It may not have read all of the replies yet: from here on the relay's own back-pressure applies.
    this.#connection.resume();
    follower.start(unread, rest, this.#ended);
  }

  /** For the next limit before the login. */
  #arm(): void {
    const { wheel } = this.#services;
    wheel.set(this, Math.max(0, this.#patience.end - wheel.now));
  }

  /** Lines that came since have moved the limit; a login under way has deadlines of its own. */
  #expired(): void {
    if (this.#closing) this.#connection.destroy();
    else if (this.#login.underWay) this.#services.wheel.set(this, this.#services.limits.lineMs);
    else if (this.#patience.end > this.#services.wheel.now) this.#arm();
    else if (this.#patience.inHandshake) {
      this.#report.handshakeFailed('handshake-timeout');
      this.#connection.destroy();
    } else {
      const spent = this.#patience.isSpent(this.#services.wheel.now);
      this.#finish(spent ? 'login-timeout' : 'line-timeout', TIMED_OUT);
    }
  }

  #shutDown(): void {
    if (this.#patience.inHandshake) {
      this.#report.end ??= 'shutdown';
      this.#connection.destroy();
    } else this.#finish('shutdown', SHUTTING_DOWN);
  }

  /** A last line where there is one, then the close: what was replied reaches the client first. */
  #finish(reason: EndReason, farewell: Uint8Array | null = null): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#report.end ??= reason;
    this.#login.abandon();
    if (farewell !== null) this.#connection.write(farewell);
    this.#connection.end();
    this.#connection.resume();
    this.#services.wheel.set(this, CLOSING_MS);
  }

  #over(): void {
    this.#services.wheel.clear(this);
    this.#report.close(this.#machine.attempts, this.#machine.lastCommand);
    this.#sessions.gone(this);
  }
}
