import type { Connection, ConnectionHandler, TransportError } from '../transport/transport.ts';
import { type DeadlineWheel, Timed } from './deadlines.ts';

/**
 * Two pumps between two connections. It knows left and right and no protocol: octets go across as they come,
 * a side that cannot take them stops the other, a half-close is carried over, a loss ends both.
 */

/** How a relay ended; bounded. `ended`: that side closed first, in order; `lost`: its connection broke. */
export type RelayEnd = 'left-ended' | 'right-ended' | 'left-lost' | 'right-lost' | 'idle' | 'destroyed';

export type RelayEvents = {
  /** Octets were taken from one side for the other. */
  transferred(toLeft: number, toRight: number): void;
  /** Called once, after both connections are closed. */
  finished(how: RelayEnd): void;
};

/**
 * Once a side has ended, the other may still be sending (a message after a half-close), or reading slowly what
 * the kernel holds, but silence is not waited for as long as in an open session: nobody can ask for more. A peer
 * that is gone is noticed earlier, by the TCP user timeout.
 */
const HALF_CLOSED_IDLE_MS = 300_000;

/** On the wheel for its own silence. */
export class Relay extends Timed {
  readonly #left: Connection;
  readonly #right: Connection;
  readonly #wheel: DeadlineWheel;
  readonly #events: RelayEvents;
  #idleMs: number;
  #lastActivity: number;
  /** What both queues held when last looked at: a slow reader that empties one is not idle. */
  #lastQueued = 0;
  /** The side that ended first, in order. */
  #ended: Connection | null = null;
  #open = 2;
  #outcome: RelayEnd | null = null;

  /**
   * Takes both connections over: from now on their events come here.
   * @param idleMs the relay ends when no octet went either way for so long
   */
  constructor(
    left: Connection,
    right: Connection,
    wheel: DeadlineWheel,
    idleMs: number,
    events: RelayEvents,
  ) {
    super();
    this.#left = left;
    this.#right = right;
    this.#wheel = wheel;
    this.#events = events;
    this.#idleMs = idleMs;
    this.#lastActivity = wheel.now;
    left.context = right.context = this;
    left.handler = right.handler = RELAY_HANDLER;
    wheel.set(this, idleMs);
  }

  /**
   * Sends what had been read before the relay took over ahead of all else, and starts both pumps.
   * @param leftEnded the left side had closed its sending side already
   */
  start(fromLeft: Uint8Array, fromRight: Uint8Array, leftEnded: boolean): void {
    this.#pump(this.#left, fromLeft);
    this.#pump(this.#right, fromRight);
    if (leftEnded) this.ended(this.#left);
  }

  /** Ends both sides at once, without a word to either: a relayed stream never gets a line of the proxy's own. */
  destroy(): void {
    this.#end('destroyed');
  }

  received(from: Connection, octets: Uint8Array): void {
    this.#lastActivity = this.#wheel.now;
    if (from === this.#left) this.#events.transferred(0, octets.length);
    else this.#events.transferred(octets.length, 0);
    this.#pump(from, octets);
  }

  drained(to: Connection): void {
    this.#lastActivity = this.#wheel.now;
    this.#other(to).resume();
  }

  ended(from: Connection): void {
    if (this.#ended === null) {
      this.#ended = from;
      this.#waitLess();
    }
    this.#other(from).end();
  }

  closed(from: Connection, error: TransportError | null): void {
    this.#open--;
    const inOrder = error === null && this.#ended !== null;
    // A side that had been ended may close without having ended itself first.
    if (inOrder) this.#other(from).end();
    else if (this.#outcome === null) this.#lost(from);
    if (this.#open === 0) this.#finish();
  }

  #pump(from: Connection, octets: Uint8Array): void {
    if (octets.length > 0 && !this.#other(from).write(octets)) from.pause();
  }

  #lost(from: Connection): void {
    if (from === this.#left) {
      // A client that resets what the right side had ended got all there was: the first cause counts.
      this.#outcome = this.#ended === this.#right ? 'right-ended' : 'left-lost';
      // Nobody waits for the answer. The right side sees its connection closed, never a command of the proxy's own.
      this.#right.destroy();
      return;
    }
    this.#outcome = 'right-lost';
    // What came from the right before it was lost still belongs to the left: its queue goes out before it closes.
    this.#left.end();
    // Reading goes on (its octets are dropped now), so that the left's own close is noticed.
    this.#left.resume();
    this.#waitLess();
  }

  #waitLess(): void {
    this.#idleMs = Math.min(this.#idleMs, HALF_CLOSED_IDLE_MS);
    this.#wheel.set(this, this.#idleMs);
  }

  /** Ends where nothing has moved for so long, and looks again later where something has. */
  override due(): void {
    const queued = this.#left.queued + this.#right.queued;
    if (queued !== this.#lastQueued) this.#lastActivity = this.#wheel.now;
    this.#lastQueued = queued;
    const remaining = this.#lastActivity + this.#idleMs - this.#wheel.now;
    if (remaining > 0) this.#wheel.set(this, remaining);
    else this.#end('idle');
  }

  #end(how: RelayEnd): void {
    this.#outcome ??= how;
    this.#left.destroy();
    this.#right.destroy();
  }

  #finish(): void {
    this.#wheel.clear(this);
    this.#events.finished(this.#outcome ?? (this.#ended === this.#right ? 'right-ended' : 'left-ended'));
  }

  #other(side: Connection): Connection {
    return side === this.#left ? this.#right : this.#left;
  }
}

const relay = (connection: Connection) => connection.context as Relay;

const RELAY_HANDLER: ConnectionHandler = {
  opened() {},
  secured() {},
  received: (connection, octets) => relay(connection).received(connection, octets),
  drained: (connection) => relay(connection).drained(connection),
  ended: (connection) => relay(connection).ended(connection),
  closed: (connection, error) => relay(connection).closed(connection, error),
};
