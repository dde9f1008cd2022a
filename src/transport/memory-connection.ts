/**
 * One end of a connection inside the process. What is sent waits at the far end (`#incoming`) until a microtask
 * hands it over; what does not fit into the window waits at the near end (`#outbox`).
 */
import { ConnectionState, HANDSHAKE_CUT, OCTETS_BEFORE_TLS } from './connection-state.ts';
import { Outbox } from './outbox.ts';
import type { ClientTls, Connection, ConnectionHandler, ServerTls, TransportError } from './transport.ts';

/** 'hello' stands for the far end's handshake: all that it can send before `secured`. */
type Incoming = Uint8Array | 'end' | 'hello';

type Endpoint = { address: string; port: number };

const RESET: TransportError = { kind: 'reset', message: 'ECONNRESET: connection reset by peer' };

/** An octet of no protocol line. */
const SPOILT = 0x51;

const MEMORY_TLS = {
  version: 'TLSv1.3',
  cipher: 'none (memory)',
  alpn: null,
  resumed: false,
  peer: null,
  distrusted: null,
};

export class MemoryConnection extends ConnectionState implements Connection {
  readonly #window: number;
  #peer: MemoryConnection | null = null;
  #incoming: Incoming[] = [];
  #waiting = 0;
  #outbox = new Outbox();
  #scheduled = false;
  #paused = false;
  #tls: ServerTls | ClientTls | null = null;
  /** `startTls` came while octets were unsent: the hello goes behind them, and octets behind the hello wait. */
  #helloDue = false;
  #behindHello = new Outbox();
  #drainedDue = false;
  #ending = false;
  #finished = false;
  #peerEnded = false;
  #peerGone = false;
  #gone = false;

  constructor(handler: ConnectionHandler, context: unknown, window: number) {
    super(handler, context);
    this.#window = window;
  }

  get queued(): number {
    return this.#outbox.octets + this.#behindHello.octets;
  }

  write(octets: Uint8Array): boolean {
    if (this.#ending || this.#gone) return true;
    this.octetsOut += octets.length;
    const queue = this.#inHandshake ? this.#behindHello : this.#outbox;
    queue.add(octets);
    this.#send();
    if (this.queued === 0) return true;
    this.#drainedDue = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** A handshake has no octets here: unread ones can be none of it. */
  startTls(tls: ServerTls | ClientTls, unread?: Uint8Array): void {
    if (this.#gone) return;
    if (unread !== undefined && unread.length > 0) {
      this.#close(OCTETS_BEFORE_TLS);
      return;
    }
    this.#tls = tls;
    this.#helloDue = true;
    this.#send();
    this.#schedule();
  }

  end(): void {
    if (this.#ending || this.#gone) return;
    this.#ending = true;
    this.#send();
  }

  destroy(): void {
    if (this.#gone) return;
    const unread = this.#waiting > 0;
    this.#close(null);
    // As in TCP: what has not been read turns the close into a reset.
    if (unread) this.#peer?.fail(RESET);
    else this.#peer?.lose();
  }

  // The transport and the far end call what follows.

  /** Puts two ends together; false where this one has been destroyed meanwhile. */
  join(server: MemoryConnection, from: Endpoint, to: Endpoint): boolean {
    if (this.#gone) return false;
    this.#peer = server;
    server.#peer = this;
    server.local = this.remote = to;
    server.remote = this.local = from;
    // What was written before the connection stood.
    queueMicrotask(() => this.#send());
    return true;
  }

  abort(): void {
    this.#peer?.fail(RESET);
    this.#close(null);
  }

  fail(error: TransportError): void {
    this.#close(error);
  }

  /** The far end is closed: nothing more comes, and nothing arrives there any more. */
  lose(): void {
    this.#peerGone = true;
    this.take('end');
  }

  take(event: Incoming): void {
    if (this.#gone) return;
    this.#incoming.push(event);
    if (typeof event !== 'string') this.#waiting += event.length;
    this.#schedule();
  }

  #send(): void {
    const peer = this.#peer;
    if (peer === null || this.#finished || this.#gone) return;
    this.#outbox.flush((octets) => this.#hand(peer, octets));
    if (this.#outbox.octets > 0) return;
    if (this.#helloDue) {
      this.#helloDue = false;
      peer.take('hello');
    }
    if (!this.#ending || this.queued > 0) return;
    // In the same queue as the octets: it cannot overtake them.
    this.#finished = true;
    peer.take('end');
    if (this.#peerEnded) this.#close(null);
  }

  #hand(peer: MemoryConnection, octets: Uint8Array): number {
    // A closed end answers octets with a reset, not at once but when they come.
    if (this.#peerGone) {
      this.#close(RESET);
      return octets.length;
    }
    const room = Math.max(0, this.#window - peer.#waiting);
    // As TCP does (RFC 9293, 3.8.6.2.1): wait for room that is worth it, or the pieces only get smaller.
    const fits = octets.length <= room || room >= this.#window / 2 ? Math.min(octets.length, room) : 0;
    if (fits > 0) peer.take(octets.subarray(0, fits));
    return fits;
  }

  #schedule(): void {
    if (this.#scheduled || !this.#ready) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#ready) this.#deliver(this.#incoming.shift()!);
      this.#schedule();
    });
  }

  get #inHandshake(): boolean {
    return this.#tls !== null && this.tls === null;
  }

  /** A hello waits for an owner who has sent his own, everything else for one who is not paused. */
  get #ready(): boolean {
    const event = this.#incoming[0];
    if (event === undefined || this.#gone) return false;
    if (event === 'hello') return this.#inHandshake && !this.#helloDue;
    return !this.#paused || this.#inHandshake;
  }

  #deliver(event: Incoming): void {
    if (event === 'hello') this.#secure();
    else if (this.#inHandshake) this.#close(event === 'end' ? HANDSHAKE_CUT : OCTETS_BEFORE_TLS);
    else if (event === 'end') this.#end();
    else this.#receive(event);
  }

  #receive(octets: Uint8Array): void {
    this.#waiting -= octets.length;
    this.octetsIn += octets.length;
    const array = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
    this.handler.received(this, array);
    // Who has kept them against the rules is to notice.
    array.fill(SPOILT);
    this.#peer?.pump();
  }

  #end(): void {
    this.#peerEnded = true;
    this.handler.ended(this);
    if (this.#finished) this.#close(null);
  }

  #secure(): void {
    this.tls = { ...MEMORY_TLS, serverName: this.#serverName() };
    // What was written since `startTls` may go now.
    this.#outbox = this.#behindHello;
    this.#behindHello = new Outbox();
    this.handler.secured(this);
    this.pump();
  }

  #serverName(): string | null {
    const [own, far] = [this.#tls, this.#peer === null ? null : this.#peer.#tls];
    const client = own?.side === 'client' ? own : far;
    return client?.side === 'client' ? client.options.serverName : null;
  }

  /** There is room again. */
  pump(): void {
    this.#send();
    if (!this.#drainedDue || this.queued > 0 || this.#gone) return;
    this.#drainedDue = false;
    this.handler.drained(this);
  }

  #close(error: TransportError | null): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#incoming = [];
    this.#outbox.clear();
    this.#behindHello.clear();
    queueMicrotask(() => this.handler.closed(this, error));
  }
}
