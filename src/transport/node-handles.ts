/**
 * node:net's sockets, reading and writing without memory of their own for each piece. By themselves they read into 64 KiB
 * asked for anew each time, and keep what they write until it is written. On Bun, whose node:net has neither the
 * buffer for what is accepted nor these handles, they stay as they are.
 */
import { writeSync } from 'node:fs';
import { connect, type OnReadOpts, type Server, Socket } from 'node:net';
import { setOption } from './socket-option.ts';

/**
 * What node:net keeps to itself: the handles of libuv behind sockets and servers. A release without them shows in the
 * tests of this file.
 */
type Handle = { readonly fd: number };
type ListeningHandle = Handle & { onconnection: (error: number, accepted: Handle | undefined) => void };
type Handled<H> = { readonly _handle: H | null };

/** Hears of octets that are good until it returns; false stops the reading. */
export type Reader = (octets: Uint8Array) => boolean;

export const OWN_MEMORY = process.versions.bun !== undefined;

/**
 * A read is as long as this at most. Twice as much made large messages hardly cheaper, half as much a quarter dearer;
 * and it is what a client that reads slowly may have waiting for it here.
 */
const BUFFER = 131_072;

/** Of all sockets: what one has read is dealt with before the next is read. */
const buffer = OWN_MEMORY ? Buffer.alloc(0) : Buffer.allocUnsafeSlow(BUFFER);

function into(read: Reader): OnReadOpts {
  return { buffer, callback: (length) => read(buffer.subarray(0, length)) };
}

/** As `allowHalfOpen` and `noDelay` are for all sockets here. The reader is called but where OWN_MEMORY says otherwise. */
export function connectSocket(host: string, port: number, read: Reader): Socket {
  const options = { host, port, allowHalfOpen: true, noDelay: true };
  return connect(OWN_MEMORY ? options : { ...options, onread: into(read) });
}

/**
 * net.Server makes its sockets without a buffer of ours and has no option for it; they are made here as it makes them.
 * @param accept gets a way to make the socket, for it is to read from the start
 */
export function onAccept(server: Server, accept: (socket: (read: Reader) => Socket) => void): void {
  if (OWN_MEMORY) {
    server.on('connection', (socket) => accept(() => socket));
    return;
  }
  listening(server).onconnection = (error, handle) => {
    // Out of descriptors, for one: libuv has closed what waited, by one that it keeps in reserve.
    if (error !== 0 || handle === undefined) return;
    accept((read) => {
      const options: object = { handle, allowHalfOpen: true, onread: into(read) };
      return new Socket(options);
    });
  };
}

/** Linux's numbers (netinet/tcp.h). */
const SOL_TCP = 6;
const TCP_NODELAY = 1;

/** On a listening socket, for all that it accepts: node:net would ask for it of each one. */
export function setNoDelay(fd: number): void {
  if (!OWN_MEMORY) setOption(fd, SOL_TCP, TCP_NODELAY, 1);
}

export function listening(server: Server): ListeningHandle {
  return (server as unknown as Handled<ListeningHandle>)._handle!;
}

/** -1 where there is none. */
export function descriptorOf(socket: Socket): number {
  return (socket as unknown as Handled<Handle>)._handle?.fd ?? -1;
}

/**
 * How many octets the kernel takes at once from a plain socket that has nothing queued. None of a socket that is lost:
 * when the rest is written, the socket says so itself.
 */
export function send(socket: Socket, octets: Uint8Array): number {
  if (OWN_MEMORY || octets.length === 0 || socket.writableLength > 0) return 0;
  const fd = descriptorOf(socket);
  if (fd < 0) return 0;
  try {
    return writeSync(fd, octets);
  } catch {
    return 0;
  }
}
