/**
 * One connection on node:net and node:tls. Node's streams queue, half-close and put off their events by themselves;
 * what they leave to do is to copy what is written, and to hold back what is written during a handshake: node:tls
 * would send it before the peer's certificate has been looked at.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ConnectionState, HANDSHAKE_CUT, localEnd, remoteEnd } from './connection-state.ts';
import { transportError } from './errors.ts';
import { type NodeTls, sessionOf, wrap } from './node-tls.ts';
import { Outbox } from './outbox.ts';
import type { ClientTls, Connection, ConnectionHandler, ServerTls, TransportError } from './transport.ts';

/** The connection hangs on its socket, so that the listeners can be shared. */
type Owned = Socket & { [OWNER]?: NodeConnection };
const OWNER = Symbol('connection');

export class NodeConnection extends ConnectionState implements Connection {
  #socket: Owned;
  #phase: 'connecting' | 'plain' | 'handshake' | 'secure' | 'closed';
  #deaf = false;
  #fault: TransportError | null = null;
  /** Written after `startTls` and before `secured`. */
  #outbox = new Outbox();
  #tls: NodeTls | null = null;
  #drainedDue = false;
  #ending = false;
  #paused = false;
  /** Came while paused: node:net does not wait with them. */
  #heldEnd = false;
  #heldClose = false;
  readonly #written = () => this.#afterWrite();

  constructor(socket: Socket, standing: boolean, handler: ConnectionHandler, context: unknown) {
    super(handler, context);
    this.#socket = socket;
    this.#phase = standing ? 'plain' : 'connecting';
    this.#own(socket);
    socket.on('data', onData).on('end', onEnd);
    if (standing) this.#noteEnds();
    else socket.on('connect', onConnect);
  }

  get queued(): number {
    return this.#deaf ? 0 : this.#socket.writableLength + this.#outbox.octets;
  }

  /** For keepalive; -1 where there is none. */
  get fd(): number {
    const handle = (this.#socket as unknown as { _handle?: { fd?: number } | null })._handle;
    return this.#phase === 'closed' ? -1 : (handle?.fd ?? -1);
  }

  write(octets: Uint8Array): boolean {
    if (this.#ending || this.#deaf) return true;
    this.octetsOut += octets.length;
    // The stream keeps what it cannot send, and does not say how much that is before it has it: always a copy.
    if (this.#tls !== null && this.#phase !== 'secure') this.#outbox.add(octets);
    else this.#socket.write(Buffer.from(octets), this.#written);
    if (this.queued === 0) return true;
    this.#drainedDue = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#heldEnd) queueMicrotask(() => this.#deliverHeld());
    else if (this.#tls === null || this.#phase === 'secure') this.#socket.resume();
  }

  startTls(tls: ServerTls | ClientTls, unread?: Uint8Array): void {
    if (this.#deaf) return;
    this.#tls = tls as NodeTls;
    this.takeBack(unread);
    // What comes from now on belongs to the handshake: the stream keeps it until then.
    this.#socket.pause();
    this.#upgradeWhenSent();
  }

  end(): void {
    if (this.#ending || this.#deaf) return;
    this.#ending = true;
    if (this.#tls === null || this.#phase === 'secure') this.#socket.end();
  }

  destroy(): void {
    if (this.#deaf) return;
    this.#fault = null;
    this.#abandon();
  }

  // What follows is called by the shared listeners below.

  onConnect(): void {
    if (this.#deaf) return;
    this.#phase = 'plain';
    this.#noteEnds();
    this.handler.opened(this);
    if (this.#tls !== null) this.#upgradeWhenSent();
  }

  onData(octets: Uint8Array): void {
    if (this.#deaf) return;
    this.octetsIn += octets.length;
    this.handler.received(this, octets);
  }

  onEnd(): void {
    if (this.#deaf) return;
    if (this.#phase === 'handshake') this.#break(HANDSHAKE_CUT);
    else if (this.#paused) this.#heldEnd = true;
    else this.handler.ended(this);
  }

  onSecure(socket: TLSSocket): void {
    // A renegotiation that was refused makes node:tls say it again.
    if (this.#deaf || this.#phase !== 'handshake') return;
    this.#phase = 'secure';
    this.tls = sessionOf(socket, this.#tls!);
    if (this.#paused) socket.pause();
    this.#outbox.flush((octets) => {
      socket.write(octets, this.#written);
      return octets.length;
    });
    if (this.#ending) socket.end();
    this.handler.secured(this);
  }

  onError(error: unknown): void {
    if (this.#deaf) return;
    const fault = transportError(error);
    // node:tls says ECONNRESET of a handshake that the peer has ended in order, too.
    const cut = this.#phase === 'handshake' && fault.kind === 'other';
    this.#break(cut ? { kind: 'tls', message: fault.message } : fault);
  }

  onClose(socket: Socket): void {
    if (socket !== this.#socket || this.#phase === 'closed') return;
    if (this.#phase === 'handshake' && !this.#deaf) this.#fault ??= HANDSHAKE_CUT;
    // A close in order comes behind the end that the owner has not heard yet; a loss at once.
    if (this.#heldEnd && !this.#deaf) this.#heldClose = true;
    else this.#report();
  }

  #deliverHeld(): void {
    if (this.#paused || this.#deaf || !this.#heldEnd) return;
    this.#heldEnd = false;
    this.handler.ended(this);
    if (this.#heldClose) this.#report();
  }

  #report(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#deaf = true;
    this.#outbox.clear();
    this.handler.closed(this, this.#fault);
  }

  #noteEnds(): void {
    this.remote = remoteEnd(this.#socket);
    this.local = localEnd(this.#socket);
  }

  #own(socket: Owned): void {
    socket[OWNER] = this;
    socket.on('error', onError).on('close', onClose);
  }

  #afterWrite(): void {
    if (this.#deaf || this.#socket.writableLength > 0) return;
    if (this.#tls !== null && this.#phase === 'plain') this.#upgradeWhenSent();
    if (!this.#drainedDue || this.queued > 0) return;
    this.#drainedDue = false;
    this.handler.drained(this);
  }

  #upgradeWhenSent(): void {
    if (this.#phase !== 'plain' || this.#socket.writableLength > 0) return;
    const tls = this.#tls!;
    const raw = this.#socket;
    this.#phase = 'handshake';
    // The raw stream's octets are the TLS stream's from here on; its errors and its close come through that as well.
    raw.off('data', onData).off('end', onEnd);
    // node:tls begins with what the stream holds.
    if (this.unread.length > 0) raw.unshift(this.unread);
    this.#socket = wrap(raw, tls);
    this.#own(this.#socket);
    // Unread, a stream does not even tell its end.
    this.#socket.on('data', onData).on('end', onEnd);
    // A server's TLSSocket tells a failed handshake by `_tlsError` alone, as its `error` is for node:tls's server.
    this.#socket.on('_tlsError', onError).on(tls.side === 'server' ? 'secure' : 'secureConnect', onSecure);
  }

  #break(fault: TransportError): void {
    this.#fault = fault;
    this.#abandon();
  }

  /** Closes both ways without waiting for anything; `closed` follows. */
  #abandon(): void {
    this.#deaf = true;
    this.#outbox.clear();
    if (this.#heldClose) queueMicrotask(() => this.#report());
    else this.#socket.destroy();
  }
}

function onConnect(this: Owned): void {
  this[OWNER]!.onConnect();
}

function onData(this: Owned, octets: Uint8Array): void {
  this[OWNER]!.onData(octets);
}

function onEnd(this: Owned): void {
  this[OWNER]!.onEnd();
}

function onSecure(this: TLSSocket): void {
  (this as Owned)[OWNER]!.onSecure(this);
}

function onError(this: Owned, error: unknown): void {
  this[OWNER]!.onError(error);
}

function onClose(this: Owned): void {
  this[OWNER]!.onClose(this);
}
