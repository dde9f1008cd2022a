import type { BunConnection } from './bun-connection.ts';
import { ConnectionState, localEnd, NOWHERE } from './connection-state.ts';
import { enter, leave } from './put-off.ts';
import type { ConnectionHandler, Endpoint } from './transport.ts';

/** Bun's socket, and what its type declarations leave out. */
export type NativeSocket = Bun.Socket<BunConnection> & { readonly fd: number; close(): void };

/** What a connection calls on its socket, made once. */
export const calls = {
  pause: (socket: NativeSocket) => socket.pause(),
  resume: (socket: NativeSocket) => socket.resume(),
  shutdown: (socket: NativeSocket) => socket.shutdown(),
  end: (socket: NativeSocket) => socket.end(),
  close: (socket: NativeSocket) => socket.close(),
  terminate: (socket: NativeSocket) => socket.terminate(),
};

/** The calls on a connection's native socket: what they make Bun call is put off until they have returned. */
export class BunSocket extends ConnectionState {
  /** Null until it is connected; another one from the TLS handshake on. */
  protected socket: NativeSocket | null = null;

  /** @param remote where to, for a connection that we ask for */
  constructor(handler: ConnectionHandler, context: unknown, remote = NOWHERE) {
    super(handler, context);
    this.remote = remote;
  }

  override get localAddress(): string {
    return this.#localEnd().address;
  }

  override get localPort(): number {
    return this.#localEnd().port;
  }

  protected call(action: (socket: NativeSocket) => void): void {
    enter();
    action(this.socket!);
    leave();
  }

  /** How many octets the kernel took; -1 from a socket that is lost. */
  protected send(octets: Uint8Array): number {
    enter();
    const taken = this.socket!.write(octets);
    leave();
    return taken;
  }

  /** A system call, hence asked for when it is wanted: of an upstream's connection nobody does. */
  #localEnd(): Endpoint {
    if (this.local === NOWHERE && this.socket !== null) this.local = localEnd(this.socket);
    return this.local;
  }
}
