import type { UpstreamEnd, UpstreamMachine } from '../pop3/upstream-effect.ts';
import type { UpstreamFailure } from '../pop3/upstream-failure.ts';
import type { Connection, ConnectionHandler, Transport, TransportError } from '../transport/transport.ts';
import { closeSilently } from './close-silently.ts';
import { type DeadlineWheel, Timed } from './deadlines.ts';
import type { Resolver } from './resolver.ts';
import type { UpstreamServer } from './upstream.ts';

/** Why a mailstore was not talked to as it was meant: before the protocol began, or in it. */
export type OpenFailure = ConnectFailure | UpstreamFailure;
export type ConnectFailure =
  | 'not-resolved'
  | 'connect-refused'
  | 'connect-failed'
  | 'connect-timeout'
  | 'tls-failed'
  | 'certificate-invalid'
  | 'login-timeout';

export type DialogueServices = {
  transport: Transport;
  wheel: DeadlineWheel;
  resolver: Pick<Resolver, 'resolve'>;
};

export type DialogueEvents = {
  /** A line of the machine's is out. */
  sent?(): void;
  /** The machine has what it was for; nothing ends by itself, and the connection is the dialogue's until `release`. */
  reached(end: UpstreamEnd): void;
  /** Called once at most, last of all; the connection is closed. */
  failed(failure: OpenFailure, detail: string): void;
};

/** A connection to one server of a mailstore, and a machine that talks on it, under one deadline: it hangs on the wheel. */
export class Dialogue extends Timed {
  /** Whom it talks to, or tried last. */
  address: string | null = null;
  /** By performance.now(); 0 until the TCP connection stands. */
  connectedAt = 0;
  readonly #server: UpstreamServer;
  readonly #machine: UpstreamMachine;
  readonly #services: DialogueServices;
  readonly #events: DialogueEvents;
  #header: Uint8Array | null = null;
  readonly #startedAt = performance.now();
  /** When what is waited for must have come, by performance.now(). */
  #until = 0;
  #addresses: readonly string[] = [];
  #next = 0;
  #connection: Connection | null = null;
  /** What came last has been answered by octets, or has been all that was waited for. */
  #replied = false;
  /** For the log: how the connection broke. */
  #loss = '';
  #over = false;

  constructor(
    server: UpstreamServer,
    machine: UpstreamMachine,
    services: DialogueServices,
    events: DialogueEvents,
  ) {
    super();
    this.#server = server;
    this.#machine = machine;
    this.#services = services;
    this.#events = events;
  }

  /**
   * Opens a connection of its own.
   * @param header what goes before all else, TLS included; null for nothing
   * @param until by performance.now()
   */
  connect(header: Uint8Array | null, until: number): void {
    this.#header = header;
    this.expect(until);
    // A name that no line can carry connects nowhere.
    this.#pump();
    if (this.#over) return;
    const addresses = this.#services.resolver.resolve(this.#server.host);
    if (addresses instanceof Promise) this.#resolveLater(addresses);
    else this.#resolved(addresses);
  }

  async #resolveLater(addresses: Promise<readonly string[]>): Promise<void> {
    let found: readonly string[];
    try {
      found = await addresses;
    } catch (error) {
      this.#fail('not-resolved', `${this.#server.host}: ${(error as Error).message}`);
      return;
    }
    this.#resolved(found);
  }

  #resolved(addresses: readonly string[]): void {
    if (this.#over) return;
    this.#addresses = addresses;
    this.#connect();
  }

  /** Goes on with a connection that stands, and whose octets nobody else is waiting for. */
  takeOver(connection: Connection, until: number): void {
    this.address = connection.remoteAddress;
    this.connectedAt = performance.now();
    this.#connection = connection;
    connection.context = this;
    connection.handler = DIALOGUE_HANDLER;
    this.expect(until);
    this.#pump();
  }

  /** Moves the deadline, for what the mailstore is to do next. */
  expect(until: number): void {
    this.#until = until;
    this.#services.wheel.set(this, until - performance.now());
  }

  /** Nothing is due from the mailstore. */
  rest(): void {
    this.#services.wheel.clear(this);
  }

  /** Closes what was opened; nothing is called any more. */
  cancel(): void {
    if (this.#over) return;
    this.#stop();
    this.#abandon();
  }

  /** The connection is somebody else's from here on, who sets its handler at once. */
  release(): Connection {
    this.#stop();
    const connection = this.#connection!;
    this.#connection = null;
    return connection;
  }

  /** Tries the next address. Each gets its share of the time left, so that a dead first one does not use it all up. */
  #connect(): void {
    this.address = this.#addresses[this.#next++] ?? null;
    if (this.address === null) {
      this.#fail('not-resolved', `${this.#server.host} has no address`);
      return;
    }
    const { length } = this.#addresses;
    if (length > 1) {
      const left = this.#until - performance.now();
      this.#services.wheel.set(this, left / (length - this.#next + 1));
    }
    this.#connection = this.#services.transport.connect({
      address: this.address,
      port: this.#server.port,
      handler: DIALOGUE_HANDLER,
      context: this,
    });
  }

  opened(connection: Connection): void {
    this.connectedAt = performance.now();
    if (this.#addresses.length > 1) this.expect(this.#until);
    if (this.#header !== null) connection.write(this.#header);
    if (this.#server.upstream.tls === 'implicit') connection.startTls(this.#server.clientTls!);
  }

  secured(): void {
    this.#machine.secured();
    this.#pump();
  }

  received(octets: Uint8Array): void {
    this.#replied = false;
    this.#machine.receive(octets);
    this.#pump();
    this.#machine.keep();
    // A reply to some of the lines that went at once: the next may be held back until this one is acknowledged.
    if (!this.#replied && !this.#over) this.#services.transport.acknowledge(this.#connection!);
  }

  /** The mailstore closed, half or whole. */
  ended(): void {
    this.#machine.closed();
    this.#pump();
  }

  closed(error: TransportError | null): void {
    if (this.#over) return;
    if (this.connectedAt === 0) this.#notConnected(error);
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

  override due(): void {
    if (this.connectedAt > 0) this.#fail('login-timeout', `no answer at stage ${this.#machine.stage}`);
    else if (this.#connection !== null && this.#next < this.#addresses.length) {
      this.#abandon();
      this.#connect();
    } else
      this.#fail('connect-timeout', `no connection within ${Math.round(this.#until - this.#startedAt)} ms`);
  }

  #pump(): void {
    while (!this.#over) {
      const effect = this.#machine.next();
      if (effect === null) return;
      this.#replied = true;
      switch (effect.do) {
        case 'send':
          this.#connection!.write(effect.octets);
          this.#events.sent?.();
          break;
        case 'startTls':
          this.#connection!.startTls(this.#server.clientTls!);
          break;
        case 'fail':
          this.#fail(effect.failure, `at stage ${this.#machine.stage}${this.#loss}`);
          break;
        default:
          this.#events.reached(effect);
      }
    }
  }

  #fail(failure: OpenFailure, detail: string): void {
    if (this.#over) return;
    this.#stop();
    this.#abandon();
    this.#events.failed(failure, detail);
  }

  #abandon(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) closeSilently(connection);
  }

  #stop(): void {
    this.#over = true;
    this.rest();
  }
}

const dialogue = (connection: Connection) => connection.context as Dialogue;

const DIALOGUE_HANDLER: ConnectionHandler = {
  opened: (connection) => dialogue(connection).opened(connection),
  received: (connection, octets) => dialogue(connection).received(octets),
  secured: (connection) => dialogue(connection).secured(),
  ended: (connection) => dialogue(connection).ended(),
  closed: (connection, error) => dialogue(connection).closed(error),
  drained() {},
};
