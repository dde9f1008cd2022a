/**
 * The handler objects that Bun's sockets share: they find the connection in `socket.data` and pass the event on, once
 * nobody is inside a call any more.
 */
import type { BunConnection } from './bun-connection.ts';
import type { NativeSocket } from './bun-socket.ts';
import { copyOf } from './copy.ts';
import { errorCode } from './errors.ts';
import { isInside, putOff } from './put-off.ts';

export type Events = Bun.SocketHandler<BunConnection>;

/** A failed TLS session comes with such a code; what a handler of ours threw does not, and must not be hidden. */
const TLS_FAILURE = /^(EPROTO|ERR_(SSL|OSSL|TLS)_)/;

/** Out of Bun's reach, so that it is an uncaught exception as it would be elsewhere. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

const dataEvents = {
  data(socket, octets) {
    if (!isInside()) socket.data.onData(socket as NativeSocket, octets);
    else putOff(received, socket as NativeSocket, copyOf(octets));
  },
  drain(socket) {
    if (!isInside()) socket.data.onDrain(socket as NativeSocket);
    else putOff(drained, socket as NativeSocket, null);
  },
  end(socket) {
    if (!isInside()) socket.data.onEnd(socket as NativeSocket);
    else putOff(ended, socket as NativeSocket, null);
  },
  close(socket, error) {
    if (!isInside()) closed(socket as NativeSocket, error);
    else putOff(closed, socket as NativeSocket, error);
  },
  error(socket, error) {
    if (TLS_FAILURE.test(errorCode(error))) socket.data.onError(socket as NativeSocket, error);
    else throwLater(error);
  },
} satisfies Events;

/** Bun keeps a closed socket until its next full collection, and with it all that its data leads to. */
function closed(socket: NativeSocket, error: unknown): void {
  const connection = socket.data;
  socket.data = NOBODY;
  connection.onClose(socket, error);
}

/** What a closed socket belongs to: it is told nothing. */
const NOBODY = {
  onData() {},
  onDrain() {},
  onEnd() {},
  onHandshake() {},
  onError() {},
  onClose() {},
} as Partial<BunConnection> as BunConnection;

type Handshake = { success: boolean; error: Error | null };

function shaken(socket: NativeSocket, { success, error }: Handshake): void {
  socket.data.onHandshake(socket, success, error);
}

function received(socket: NativeSocket, octets: Uint8Array): void {
  socket.data.onData(socket, octets);
}

function drained(socket: NativeSocket): void {
  socket.data.onDrain(socket);
}

function ended(socket: NativeSocket): void {
  socket.data.onEnd(socket);
}

function unconnected(socket: NativeSocket, error: unknown): void {
  socket.data.onConnectError(error);
}

/** Accepted sockets; the listener adds its own `open`. */
export const acceptedEvents: Events = dataEvents;

export const connectEvents: Events = {
  ...dataEvents,
  open(socket) {
    socket.data.onConnect(socket as NativeSocket);
  },
  connectError(socket, error) {
    if (!isInside()) socket.data.onConnectError(error);
    else putOff(unconnected, socket as NativeSocket, error);
  },
};

export const tlsEvents: Events = {
  ...dataEvents,
  handshake(socket, success, error) {
    if (!isInside()) shaken(socket as NativeSocket, { success, error });
    else putOff(shaken, socket as NativeSocket, { success, error });
  },
};
