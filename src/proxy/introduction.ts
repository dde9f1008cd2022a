import type { Connection, ConnectionHandler, Endpoint } from '../transport/transport.ts';
import { closeSilently } from './close-silently.ts';
import { Deadline, type DeadlineWheel } from './deadlines.ts';
import { type HeaderFault, HeaderReader } from './proxy-header.ts';

/** Who may tell whose a connection is, on a listener where the PROXY protocol is spoken. */
export type ProxyProtocol = {
  /** @param address of the socket's other end */
  trusts(address: string): boolean;
  /** How long the header may take. */
  timeoutMs: number;
};

/** How a connection came to a listener behind a load balancer. */
export type Introduced = {
  /** Who said so: the socket's own other end, which the connection no longer tells. */
  via: Endpoint;
  /** The balancer speaks for itself, as in a health check. */
  own: boolean;
  /** What came behind the header; a view that holds for the call. */
  unread: Uint8Array;
};

/** Why a connection was not introduced. */
export type NotIntroduced =
  /** The header is none, or was cut short. */
  | { reason: 'proxy-header'; detail: HeaderFault | 'cut-short' }
  | { reason: 'proxy-timeout'; detail: 'no-header' | 'cut-short' }
  /** It came and went without an octet, as the plain check of a balancer does. */
  | { reason: 'nothing-said' };

export type IntroductionEvents = {
  /** The connection has the addresses that the header tells; its handler is to be set within the call. */
  introduced(how: Introduced): void;
  /** The connection is closed without a word. */
  failed(why: NotIntroduced): void;
};

/**
 * A connection whose first octets are to be a PROXY header. Nothing is said to it before: what a TLS client or a
 * balancer would make of a greeting is anybody's guess. Calls one of its events once, unless it is cancelled first.
 */
export class Introduction {
  readonly #connection: Connection;
  readonly #wheel: DeadlineWheel;
  readonly #events: IntroductionEvents;
  readonly #reader = new HeaderReader();
  readonly #deadline = new Deadline(() => this.#expired());

  constructor(connection: Connection, timeoutMs: number, wheel: DeadlineWheel, events: IntroductionEvents) {
    this.#connection = connection;
    this.#wheel = wheel;
    this.#events = events;
    connection.context = this;
    connection.handler = INTRODUCTION_HANDLER;
    wheel.set(this.#deadline, timeoutMs);
  }

  /** The proxy stops. */
  cancel(): void {
    this.#leave();
  }

  received(octets: Uint8Array): void {
    const reading = this.#reader.read(octets);
    if (reading.state === 'partial') return;
    if (reading.state === 'fault') {
      this.#fail({ reason: 'proxy-header', detail: reading.fault });
      return;
    }
    this.#wheel.clear(this.#deadline);
    const { remoteAddress, remotePort, localAddress, localPort } = this.#connection;
    const via = { address: remoteAddress, port: remotePort };
    const ends = reading.ends ?? { remote: via, local: { address: localAddress, port: localPort } };
    // A balancer's check may also come with a full header, in which the balancer is its own client (§2.1).
    const own = ends.remote.address === via.address && ends.remote.port === via.port;
    this.#connection.introduced(reading.length, ends);
    this.#events.introduced({ via, own, unread: reading.unread });
  }

  /** No header comes any more. */
  gone(): void {
    if (this.#reader.held === 0) this.#fail({ reason: 'nothing-said' });
    else this.#fail({ reason: 'proxy-header', detail: 'cut-short' });
  }

  #expired(): void {
    this.#fail({ reason: 'proxy-timeout', detail: this.#reader.held === 0 ? 'no-header' : 'cut-short' });
  }

  #fail(why: NotIntroduced): void {
    this.#leave();
    this.#events.failed(why);
  }

  #leave(): void {
    this.#wheel.clear(this.#deadline);
    closeSilently(this.#connection);
  }
}

const introduction = (connection: Connection) => connection.context as Introduction;

const INTRODUCTION_HANDLER: ConnectionHandler = {
  opened() {},
  received: (connection, octets) => introduction(connection).received(octets),
  drained() {},
  ended: (connection) => introduction(connection).gone(),
  secured() {},
  closed: (connection) => introduction(connection).gone(),
};
