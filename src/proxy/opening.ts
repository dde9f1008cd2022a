import type { UpstreamFailure } from '../pop3/upstream-failure.ts';
import { UpstreamLogin, type UpstreamPlan } from '../pop3/upstream-login.ts';
import type { NoticeResult } from '../pop3/xclient.ts';
import type { Connection, ConnectionHandler, Transport, TransportError } from '../transport/transport.ts';
import { Deadline, type DeadlineWheel } from './deadlines.ts';
import type { Resolver } from './resolver.ts';
import type { Upstream } from './upstream.ts';

/** Why no session was opened: before the protocol began, or in it. */
export type OpenFailure = ConnectFailure | UpstreamFailure;
export type ConnectFailure =
  | 'not-resolved'
  | 'connect-refused'
  | 'connect-failed'
  | 'connect-timeout'
  | 'tls-failed'
  | 'certificate-invalid'
  | 'login-timeout';

export type OpenResult = OpenTimes & {
  address: string | null;
  notice: NoticeResult;
  /** The login command is out: the maildrop may be locked, and no other server is to be asked. */
  loginSent: boolean;
} & (
    | {
        ok: true;
        connection: Connection;
        /** The mailstore's final +OK line, with CRLF. */
        reply: Uint8Array;
        /** What the mailstore sent behind it. */
        rest: Uint8Array;
      }
    | { ok: false; failure: OpenFailure; detail: string }
  );

/** In milliseconds. `connect` ends when the TCP connection stands (null: it never did), `login` with the final reply. */
export type OpenTimes = { connectMs: number | null; loginMs: number };

/** In milliseconds: until the login is answered, and until its command is out where that has to be sooner. */
export type OpenPatience = { allMs: number; greetingMs: number };

export type UpstreamServices = {
  transport: Transport;
  wheel: DeadlineWheel;
  resolver: Pick<Resolver, 'resolve'>;
};

/** Opens one logged-in session at a server of a mailstore. `done` is called once, unless cancelled first. */
export class UpstreamOpening {
  readonly #upstream: Upstream;
  readonly #header: Uint8Array | null;
  readonly #patience: OpenPatience;
  readonly #services: UpstreamServices;
  readonly #done: (result: OpenResult) => void;
  readonly #deadline = new Deadline(() => this.#expired());
  readonly #startedAt = performance.now();
  readonly #machine: UpstreamLogin;
  #connectedAt = 0;
  #addresses: readonly string[] = [];
  #next = 0;
  #address: string | null = null;
  #connection: Connection | null = null;
  /** For the log: how the connection broke. */
  #loss = '';
  #over = false;

  /** @param header what goes before all else, TLS included; null for nothing */
  constructor(
    upstream: Upstream,
    plan: UpstreamPlan,
    header: Uint8Array | null,
    patience: OpenPatience,
    services: UpstreamServices,
    done: (result: OpenResult) => void,
  ) {
    this.#upstream = upstream;
    this.#header = header;
    this.#patience = patience;
    this.#services = services;
    this.#done = done;
    this.#machine = new UpstreamLogin(plan);
    this.#start();
  }

  /** The client is gone: closes what was opened; `done` is not called any more. */
  cancel(): void {
    if (this.#over) return;
    this.#stop();
    this.#connection?.destroy();
  }

  async #start(): Promise<void> {
    this.#services.wheel.set(this.#deadline, this.#patience.greetingMs);
    // Before anybody is called, the caller has this object in hand; and a name that no line can carry connects nowhere.
    await null;
    this.#pump();
    if (this.#over) return;
    try {
      this.#addresses = await this.#services.resolver.resolve(this.#upstream.host);
    } catch (error) {
      this.#fail('not-resolved', `${this.#upstream.host}: ${(error as Error).message}`);
      return;
    }
    if (!this.#over) this.#connect();
  }

  /** Tries the next address. Each gets its share of the time left, so that a dead first one does not use it all up. */
  #connect(): void {
    this.#address = this.#addresses[this.#next++] ?? null;
    if (this.#address === null) {
      this.#fail('not-resolved', `${this.#upstream.host} has no address`);
      return;
    }
    const left = this.#left(this.#patience.greetingMs);
    this.#services.wheel.set(this.#deadline, left / (this.#addresses.length - this.#next + 1));
    this.#connection = this.#services.transport.connect({
      address: this.#address,
      port: this.#upstream.port,
      handler: OPENING_HANDLER,
      context: this,
    });
  }

  opened(connection: Connection): void {
    this.#connectedAt = performance.now();
    this.#services.wheel.set(this.#deadline, this.#left(this.#patience.greetingMs));
    if (this.#header !== null) connection.write(this.#header);
    if (this.#upstream.tls === 'implicit') connection.startTls(this.#upstream.clientTls!);
  }

  secured(): void {
    this.#machine.secured();
    this.#pump();
  }

  received(octets: Uint8Array): void {
    this.#machine.receive(octets);
    this.#pump();
  }

  /** The mailstore closed, half or whole, before the login was done. */
  ended(): void {
    this.#machine.closed();
    this.#pump();
  }

  closed(error: TransportError | null): void {
    if (this.#over) return;
    if (this.#connectedAt === 0) this.#notConnected(error);
    else if (error?.kind === 'certificate') this.#fail('certificate-invalid', error.message);
    else if (error?.kind === 'tls') this.#fail('tls-failed', error.message);
    else {
      this.#loss = error === null ? '' : `: ${error.message}`;
      this.ended();
    }
  }

  #notConnected(error: TransportError | null): void {
    // Nothing was said to this address yet: another may be tried (after the login command, never).
    if (this.#next < this.#addresses.length) this.#connect();
    else {
      const failure = error?.kind === 'refused' ? 'connect-refused' : 'connect-failed';
      this.#fail(failure, error?.message ?? 'closed');
    }
  }

  #expired(): void {
    if (this.#connectedAt > 0) this.#fail('login-timeout', `no answer at stage ${this.#machine.stage}`);
    else if (this.#connection !== null && this.#next < this.#addresses.length) {
      this.#abandon();
      this.#connect();
    } else this.#fail('connect-timeout', `no connection within ${Math.round(this.#patience.greetingMs)} ms`);
  }

  #left(patienceMs: number): number {
    return this.#startedAt + patienceMs - performance.now();
  }

  #pump(): void {
    while (!this.#over) {
      const effect = this.#machine.next();
      if (effect === null) return;
      switch (effect.do) {
        case 'send':
          this.#connection!.write(effect.octets);
          if (this.#machine.loginSent)
            this.#services.wheel.set(this.#deadline, this.#left(this.#patience.allMs));
          break;
        case 'startTls':
          this.#connection!.startTls(this.#upstream.clientTls!);
          break;
        case 'done':
          this.#succeed(effect.reply, effect.rest);
          break;
        case 'fail':
          this.#fail(effect.failure, `at stage ${this.#machine.stage}${this.#loss}`);
          break;
      }
    }
  }

  #succeed(reply: Uint8Array, rest: Uint8Array): void {
    this.#stop();
    const connection = this.#connection!;
    this.#done({ ok: true, connection, reply, rest, ...this.#facts() });
  }

  #fail(failure: OpenFailure, detail: string): void {
    if (this.#over) return;
    this.#stop();
    this.#abandon();
    this.#done({ ok: false, failure, detail, ...this.#facts() });
  }

  #facts() {
    const { notice, loginSent } = this.#machine;
    return { address: this.#address, notice, loginSent, ...this.#times() };
  }

  #times(): OpenTimes {
    if (this.#connectedAt === 0) return { connectMs: null, loginMs: 0 };
    const now = performance.now();
    return { connectMs: this.#connectedAt - this.#startedAt, loginMs: now - this.#connectedAt };
  }

  #abandon(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    // Its late `closed` belongs to nobody.
    connection.handler = IGNORING_HANDLER;
    connection.destroy();
  }

  #stop(): void {
    this.#over = true;
    this.#services.wheel.clear(this.#deadline);
  }
}

const opening = (connection: Connection) => connection.context as UpstreamOpening;

const OPENING_HANDLER: ConnectionHandler = {
  opened: (connection) => opening(connection).opened(connection),
  received: (connection, octets) => opening(connection).received(octets),
  secured: (connection) => opening(connection).secured(),
  ended: (connection) => opening(connection).ended(),
  closed: (connection, error) => opening(connection).closed(error),
  drained() {},
};

const IGNORING_HANDLER: ConnectionHandler = {
  opened() {},
  received() {},
  drained() {},
  ended() {},
  secured() {},
  closed() {},
};
