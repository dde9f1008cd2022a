import type { Socket } from 'node:net';
import { ConnectionState, localEnd, NOWHERE } from './connection-state.ts';
import { descriptorOf, type Reader, send } from './node-handles.ts';
import type { ConnectionHandler, Endpoint } from './transport.ts';

/** A connection's socket: what is asked of it, and how octets get into it. */
export abstract class NodeSocket extends ConnectionState {
  /** Another one from the TLS handshake on. */
  protected socket: Socket;
  #written: (() => void) | null = null;

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
    super(handler, context);
    this.remote = remote;
    this.socket = open((octets) => this.read(octets));
  }

  override get localAddress(): string {
    return this.#localEnd().address;
  }

  override get localPort(): number {
    return this.#localEnd().port;
  }

  /** For keepalive; -1 where there is none. */
  get fd(): number {
    return descriptorOf(this.socket);
  }

  /** Gets what a socket reads past its stream; false stops the reading. */
  protected abstract read(octets: Uint8Array): boolean;

  /** What was queued has been written, or some of it. */
  protected abstract afterWrite(): void;

  /** Whether all of it has gone; else the socket has a copy of what has not, and `afterWrite` follows. */
  protected sendPlain(octets: Uint8Array): boolean {
    const sent = send(this.socket, octets);
    if (sent === octets.length) return true;
    // The kernel is still to read from what it has not taken when the caller's array is used again.
    this.queue(Buffer.from(octets.subarray(sent)));
    return false;
  }

  protected queue(octets: Uint8Array): void {
    this.#written ??= () => this.afterWrite();
    this.socket.write(octets, this.#written);
  }

  /** A system call, hence asked for when it is wanted: of an upstream's connection nobody does. */
  #localEnd(): Endpoint {
    if (this.local === NOWHERE) {
      const local = localEnd(this.socket);
      if (local.address !== '') this.local = local;
    }
    return this.local;
  }
}
