/**
 * One connection on node:net and node:tls. Node's streams queue, half-close and put off their events by themselves;
 * what they leave to do is to copy what the kernel does not take at once, and to hold back what is written during a
 * handshake: node:tls would send it before the peer's certificate has been looked at.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HANDSHAKE_CUT, NOWHERE, remoteEnd } from './connection-state.ts';
import { transportError } from './errors.ts';
import type { LocalEnd } from './local-end.ts';
import { OWN_MEMORY, type Reader } from './node-handles.ts';
import { NodeSocket } from './node-socket.ts';
import { type NodeTls, sessionOf, wrap } from './node-tls.ts';
import { Outbox } from './outbox.ts';
import type {
  ClientTls,
  Connection,
  ConnectionHandler,
  Endpoint,
  ServerTls,
  TransportError,
} from './transport.ts';

/** The connection hangs on its socket, so that the listeners can be shared. */
type Owned = Socket & { [OWNER]?: NodeConnection };
const OWNER = Symbol('connection');

export class NodeConnection extends NodeSocket implements Connection {
  #phase: 'connecting' | 'plain' | 'handshake' | 'secure' | 'closed' = 'connecting';
  /** What is read comes to `read`, past the stream. */
  #direct = !OWN_MEMORY;
  #deaf = false;
  #fault: TransportError | null = null;
  /** Written after `startTls` and before `secured`. */
  #outbox: Outbox | null = null;
  #tls: NodeTls | null = null;
  #drainedDue = false;
  #ending = false;
  #peerEnded = false;
  #receiving = false;
  #paused = false;
  /** Came while paused: node:net does not wait with them. */
  #heldEnd = false;
  #heldClose = false;

  /**
   * @param open makes the socket
   * @param remote where to, for a connection that we ask for
   */
  constructor(
    open: (read: Reader) => Socket,
    remote: Endpoint,
    handler: ConnectionHandler,
    context: unknown,
  ) {
    super(open, remote, handler, context);
    this.#own(this.socket);
    this.socket.on('end', onEnd);
    if (!this.#direct) this.socket.on('data', onData);
    if (remote !== NOWHERE) this.socket.on('connect', onConnect);
  }

  get queued(): number {
    return this.#deaf ? 0 : this.socket.writableLength + (this.#outbox?.octets ?? 0);
  }

  write(octets: Uint8Array): boolean {
    if (this.#ending || this.#deaf) return true;
    this.octetsOut += octets.length;
    if (this.#phase === 'plain' && this.#tls === null) {
      if (this.sendPlain(octets)) return true;
    } else if (this.#holdsBack) {
      this.#outbox ??= new Outbox();
      this.#outbox.add(octets);
    } else this.queue(Buffer.from(octets));
    if (this.queued === 0) return true;
    this.#drainedDue = true;
    return false;
  }

  /** At rest a socket reads on, for that its loss is heard of: what comes is kept by the stream, up to its mark. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    const atRest = this.#direct && !this.#receiving && this.socket.readableLength === 0;
    if (!atRest) this.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#heldEnd) queueMicrotask(() => this.#deliverHeld());
    else if (!this.#holdsBack && this.socket.isPaused()) this.socket.resume();
  }

  startTls(tls: ServerTls | ClientTls, unread?: Uint8Array): void {
    if (this.#deaf) return;
    this.#tls = tls as NodeTls;
    this.takeBack(unread);
    // What comes from now on belongs to the handshake: the stream keeps it until then.
    this.socket.pause();
    this.#upgradeWhenSent();
  }

  end(): void {
    if (this.#ending || this.#deaf) return;
    this.#ending = true;
    if (this.#holdsBack) return;
    // Both ways are done: closing ends ours as well, without a call of its own.
    if (this.#peerEnded && this.#tls === null && this.socket.writableLength === 0) this.socket.destroy();
    else this.socket.end();
  }

  destroy(): void {
    if (this.#deaf) return;
    this.#fault = null;
    this.#abandon();
  }

  /** @param local of the listener */
  onAccept(local: LocalEnd): void {
    this.#phase = 'plain';
    this.remote = remoteEnd(this.socket);
    this.local = local.of(this.socket);
  }

  // What follows is called by the shared listeners below.

  onConnect(): void {
    if (this.#deaf) return;
    this.#phase = 'plain';
    this.handler.opened(this);
    if (this.#tls !== null) this.#upgradeWhenSent();
  }

  onData(octets: Uint8Array): void {
    if (this.#deaf) return;
    this.octetsIn += octets.length;
    this.#receiving = true;
    this.handler.received(this, octets);
    this.#receiving = false;
  }

  onEnd(): void {
    if (this.#deaf) return;
    if (this.#phase === 'handshake') this.#break(HANDSHAKE_CUT);
    else if (this.#paused) this.#heldEnd = true;
    else this.#deliverEnd();
  }

  onSecure(socket: TLSSocket): void {
    // A renegotiation that was refused makes node:tls say it again.
    if (this.#deaf || this.#phase !== 'handshake') return;
    this.#phase = 'secure';
    this.tls = sessionOf(socket, this.#tls!);
    if (this.#paused) socket.pause();
    this.#outbox?.flush((octets) => {
      this.queue(octets);
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
    if (socket !== this.socket || this.#phase === 'closed') return;
    if (this.#phase === 'handshake' && !this.#deaf) this.#fault ??= HANDSHAKE_CUT;
    // A close in order comes behind the end that the owner has not heard yet; a loss at once.
    if (this.#heldEnd && !this.#deaf) this.#heldClose = true;
    else this.#report();
  }

  #deliverHeld(): void {
    if (this.#paused || this.#deaf || !this.#heldEnd) return;
    this.#heldEnd = false;
    this.#deliverEnd();
    if (this.#heldClose) this.#report();
  }

  #deliverEnd(): void {
    this.#peerEnded = true;
    this.handler.ended(this);
  }

  /** Before the handshake is done nothing is sent but what was written before it, and nothing received. */
  get #holdsBack(): boolean {
    return this.#tls !== null && this.#phase !== 'secure';
  }

  /** The octets are in a buffer that is used again when this returns. */
  protected read(octets: Uint8Array): boolean {
    if ((this.#paused || this.#tls !== null) && !this.#deaf) this.#keep(octets);
    else this.onData(octets);
    return true;
  }

  /** The stream hands it out when it is resumed, and to the handshake where that comes first. */
  #keep(octets: Uint8Array): void {
    this.socket.pause();
    if (this.socket.listenerCount('data') === 0) this.socket.on('data', onData);
    this.socket.push(Buffer.from(octets));
  }

  #report(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#deaf = true;
    this.#outbox?.clear();
    this.handler.closed(this, this.#fault);
  }

  #own(socket: Owned): void {
    socket[OWNER] = this;
    socket.on('error', onError).on('close', onClose);
  }

  protected afterWrite(): void {
    if (this.#deaf || this.socket.writableLength > 0) return;
    if (this.#tls !== null && this.#phase === 'plain') this.#upgradeWhenSent();
    if (!this.#drainedDue || this.queued > 0) return;
    this.#drainedDue = false;
    this.handler.drained(this);
  }

  #upgradeWhenSent(): void {
    if (this.#phase !== 'plain' || this.socket.writableLength > 0) return;
    const tls = this.#tls!;
    const raw = this.socket;
    this.#phase = 'handshake';
    this.#direct = false;
    // The raw stream's octets are the TLS stream's from here on; its errors and its close come through that as well.
    raw.off('data', onData).off('end', onEnd);
    // node:tls begins with what the stream holds.
    if (this.unread.length > 0) raw.unshift(this.unread);
    this.socket = wrap(raw, tls);
    this.#own(this.socket);
    // Unread, a stream does not even tell its end.
    this.socket.on('data', onData).on('end', onEnd);
    // A server's TLSSocket tells a failed handshake by `_tlsError` alone, as its `error` is for node:tls's server.
    this.socket.on('_tlsError', onError).on(tls.side === 'server' ? 'secure' : 'secureConnect', onSecure);
  }

  #break(fault: TransportError): void {
    this.#fault = fault;
    this.#abandon();
  }

  /** Closes both ways without waiting for anything; `closed` follows. */
  #abandon(): void {
    this.#deaf = true;
    this.#outbox?.clear();
    if (this.#heldClose) queueMicrotask(() => this.#report());
    else this.socket.destroy();
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
