/**
 * One connection on Bun's native sockets. What Bun's sockets do on their own, and what is done about it:
 *
 * - Closing calls the close handler before it returns, other calls may call one: see put-off.ts.
 * - `write()` takes what the kernel takes and forgets the rest; `drain` also comes without a cause.
 * - `end()` closes both ways, and a peer that still sends makes the kernel throw away what it has not sent yet.
 *   The half-close is `shutdown()`; `end()` or `close()` comes when both ways are done.
 * - After `upgradeTLS` the old handlers still hear of the raw socket: ciphertext, its end, its close. Events of a
 *   socket that is not the connection's own are dropped.
 */
import { BunSocket, calls, type NativeSocket } from './bun-socket.ts';
import { type BunTls, refusal, sessionOf, upgrade } from './bun-tls.ts';
import { HANDSHAKE_CUT, OCTETS_BEFORE_TLS, remoteEnd, UNSENT } from './connection-state.ts';
import { transportError } from './errors.ts';
import { Outbox } from './outbox.ts';
import type { ClientTls, Connection, Endpoint, ServerTls, TransportError } from './transport.ts';

export class BunConnection extends BunSocket implements Connection {
  #phase: 'connecting' | 'plain' | 'handshake' | 'secure' | 'closed' = 'connecting';
  /** Destroyed or broken: nothing but `closed` is reported any more. */
  #deaf = false;
  #fault: TransportError | null = null;

  /** Null while the kernel takes all that is written. */
  #outbox: Outbox | null = null;
  /** Octets written before `startTls` that are still unsent: they go as they are, and the handshake after them. */
  #plainTail: Outbox | null = null;
  #tls: BunTls | null = null;
  #drainedDue = false;
  #ending = false;
  #finished = false;

  /** What came while `received` was not to be called, in order. */
  #held: (Uint8Array | 'end' | 'close')[] | null = null;
  #paused = false;
  #peerEnded = false;

  get queued(): number {
    return (this.#outbox?.octets ?? 0) + (this.#plainTail?.octets ?? 0);
  }

  /** For keepalive; -1 where there is none. */
  get fd(): number {
    return this.#phase !== 'closed' && this.socket !== null ? this.socket.fd : -1;
  }

  write(octets: Uint8Array): boolean {
    if (this.#ending || this.#deaf || this.#phase === 'closed') return true;
    this.octetsOut += octets.length;
    const taken = this.#outbox === null && this.#sendable ? this.#send(octets) : 0;
    if (taken === octets.length) return true;
    this.#outbox ??= new Outbox();
    this.#outbox.add(octets.subarray(taken));
    this.#drainedDue = true;
    return false;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    // A handshake has to go on reading; what comes behind it is held.
    if (this.#phase === 'plain' || this.#phase === 'secure') this.call(calls.pause);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#held !== null) queueMicrotask(() => this.#deliverHeld());
    else if (this.#phase === 'plain' || this.#phase === 'secure') this.call(calls.resume);
  }

  startTls(tls: ServerTls | ClientTls, unread?: Uint8Array): void {
    if (this.#deaf || this.#phase === 'closed') return;
    if (this.#held !== null) {
      this.#abandon(OCTETS_BEFORE_TLS);
      return;
    }
    this.#tls = tls as BunTls;
    this.takeBack(unread);
    if (this.#phase === 'plain' && this.#outbox === null) {
      this.#upgrade();
      return;
    }
    this.#plainTail = this.#outbox ?? new Outbox();
    this.#outbox = null;
    // What comes from now on belongs to the handshake: the kernel keeps it until then.
    if (this.#phase === 'plain') this.call(calls.pause);
  }

  end(): void {
    if (this.#ending || this.#deaf || this.#phase === 'closed') return;
    this.#ending = true;
    this.#finishWhenSent();
  }

  destroy(): void {
    if (!this.#deaf) this.#abandon(null);
  }

  // What follows is called by the handlers that Bun knows; `socket` says which one it is about.

  /** @param local where it was accepted */
  onAccept(socket: NativeSocket, local: Endpoint): void {
    this.socket = socket;
    this.#phase = 'plain';
    this.remote = remoteEnd(socket);
    this.local = local;
  }

  /** A connection that we asked for stands: what was asked of it meanwhile can be done. */
  onConnect(socket: NativeSocket): void {
    this.socket = socket;
    if (this.#deaf) {
      socket.terminate();
      return;
    }
    this.#phase = 'plain';
    this.handler.opened(this);
    if (this.#deaf) return;
    if (this.#paused) this.call(calls.pause);
    this.#flush();
  }

  onConnectError(error: unknown): void {
    this.#fault = transportError(error);
    if (!this.#deaf) this.#report();
  }

  onData(socket: NativeSocket, octets: Uint8Array): void {
    if (socket !== this.socket || this.#deaf) return;
    if (this.#paused || this.#held !== null) this.#hold(new Uint8Array(octets));
    else if (this.#plainTail !== null) this.#abandon(OCTETS_BEFORE_TLS);
    else this.#receive(octets);
  }

  onDrain(socket: NativeSocket): void {
    if (socket === this.socket && !this.#deaf && this.#phase !== 'closed') this.#flush();
  }

  onEnd(socket: NativeSocket): void {
    if (socket !== this.socket || this.#deaf || this.#peerEnded) return;
    if (this.#phase === 'handshake') this.#abandon(HANDSHAKE_CUT);
    else if (this.#paused || this.#held !== null) this.#hold('end');
    else this.#peerHasEnded();
  }

  onHandshake(socket: NativeSocket, success: boolean, error: Error | null): void {
    if (socket !== this.socket || this.#deaf || this.#phase !== 'handshake') return;
    const fault = refusal(socket, this.#tls!, success, error);
    if (fault !== null) {
      this.#abandon(fault);
      return;
    }
    this.#phase = 'secure';
    this.tls = sessionOf(socket, this.#tls!, error);
    if (this.#paused) this.call(calls.pause);
    this.handler.secured(this);
    this.#flush();
  }

  /** A TLS session broke after its handshake; the close follows. */
  onError(socket: NativeSocket, error: unknown): void {
    if (socket === this.socket && !this.#deaf) this.#fault = transportError(error);
  }

  onClose(socket: NativeSocket, error: unknown): void {
    if (socket !== this.socket || this.#phase === 'closed') return;
    if (!this.#deaf) {
      if (error !== undefined && error !== null) this.#fault = transportError(error);
      else if (this.#phase === 'handshake') this.#fault ??= HANDSHAKE_CUT;
      else if (this.queued > 0) this.#fault ??= UNSENT;
    }
    this.#phase = 'closed';
    if (this.#fault === null && !this.#deaf) this.#closeInOrder();
    else this.#report();
  }

  /** Behind what the owner has not read yet; Bun closes on the peer's end without a word where ours was first. */
  #closeInOrder(): void {
    if (this.#paused || this.#held !== null) {
      this.#hold('end');
      this.#hold('close');
      return;
    }
    this.#peerHasEnded();
    if (!this.#deaf) this.#report();
  }

  get #sendable(): boolean {
    return this.#phase === 'secure' || (this.#phase === 'plain' && this.#tls === null);
  }

  /** How many octets the kernel took; a socket that takes none for good (-1) is lost, and is about to be closed. */
  #send(octets: Uint8Array): number {
    const taken = this.send(octets);
    if (taken >= 0) return taken;
    this.#fault ??= UNSENT;
    return octets.length;
  }

  #flush(): void {
    const send = (octets: Uint8Array) => this.#send(octets);
    if (this.#plainTail !== null) {
      this.#plainTail.flush(send);
      if (this.#plainTail.octets > 0) return;
      this.#plainTail = null;
      this.#upgrade();
    }
    if (!this.#sendable || this.#deaf) return;
    if (this.#outbox !== null) {
      this.#outbox.flush(send);
      if (this.#outbox.octets > 0) return;
      this.#outbox = null;
    }
    if (this.#drainedDue) {
      this.#drainedDue = false;
      this.handler.drained(this);
    }
    this.#finishWhenSent();
  }

  #upgrade(): void {
    this.#phase = 'handshake';
    this.call((socket) => {
      try {
        this.socket = upgrade(socket, this.#tls!, this, this.unread);
      } catch (error) {
        this.#fault = { kind: 'tls', message: (error as Error).message };
      }
    });
    if (this.#fault !== null) this.#abandon(this.#fault);
  }

  #finishWhenSent(): void {
    if (!this.#ending || this.#finished || this.#deaf || !this.#sendable || this.queued > 0) return;
    this.#finished = true;
    // Without TLS, closing says the same as the half-close before it.
    if (!this.#peerEnded || this.#phase === 'secure') this.call(calls.shutdown);
    if (this.#peerEnded) this.#close();
  }

  /** Both sides have ended, and nothing is queued. Bun's `end` is three system calls more. */
  #close(): void {
    this.call(this.#phase === 'secure' ? calls.end : calls.close);
  }

  #peerHasEnded(): void {
    if (this.#peerEnded) return;
    this.#peerEnded = true;
    this.handler.ended(this);
    if (this.#finished && this.#phase !== 'closed' && !this.#deaf) this.#close();
  }

  #hold(event: Uint8Array | 'end' | 'close'): void {
    if (this.#held === null) {
      this.#held = [];
      if (!this.#paused) queueMicrotask(() => this.#deliverHeld());
    }
    this.#held.push(event);
  }

  #deliverHeld(): void {
    while (this.#held !== null && !this.#paused && !this.#deaf) {
      const event = this.#held.shift();
      if (event === undefined) {
        this.#held = null;
        if (this.#phase !== 'closed') this.call(calls.resume);
      } else if (event === 'close') this.#report();
      else if (event === 'end') this.#peerHasEnded();
      else this.#receive(event);
    }
  }

  #receive(octets: Uint8Array): void {
    this.octetsIn += octets.length;
    this.handler.received(this, octets);
  }

  /** Closes both ways without waiting for anything; `closed` follows. */
  #abandon(fault: TransportError | null): void {
    this.#fault = fault;
    this.#deaf = true;
    this.#dropQueued();
    if (this.#phase !== 'closed' && this.socket !== null) this.call(calls.terminate);
    else queueMicrotask(() => this.#report());
  }

  #report(): void {
    this.#phase = 'closed';
    this.#deaf = true;
    this.#held = null;
    this.#dropQueued();
    this.handler.closed(this, this.#fault);
  }

  #dropQueued(): void {
    this.#plainTail = null;
    this.#outbox = null;
  }
}
