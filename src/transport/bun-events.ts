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
    else putOffData(socket as NativeSocket, copyOf(octets));
  },
  drain(socket) {
    if (!isInside()) socket.data.onDrain(socket as NativeSocket);
    else putOff(() => socket.data.onDrain(socket as NativeSocket));
  },
  end(socket) {
    if (!isInside()) socket.data.onEnd(socket as NativeSocket);
    else putOff(() => socket.data.onEnd(socket as NativeSocket));
  },
  close(socket, error) {
    if (!isInside()) closed(socket as NativeSocket, error);
    else putOff(() => closed(socket as NativeSocket, error));
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

/** Of its own, so that the copy is made before it is put off. */
function putOffData(socket: NativeSocket, octets: Uint8Array): void {
  putOff(() => socket.data.onData(socket, octets));
}

/** Accepted sockets; the listener adds its own `open`. */
export const acceptedEvents: Events = dataEvents;

export const connectEvents: Events = {
  ...dataEvents,
  open(socket) {
    socket.data.onConnect(socket as NativeSocket);
  },
  connectError(socket, error) {
    socket.data.onConnectError(error);
  },
};

export const tlsEvents: Events = {
  ...dataEvents,
  handshake(socket, success, error) {
    if (!isInside()) socket.data.onHandshake(socket as NativeSocket, success, error);
    else putOff(() => socket.data.onHandshake(socket as NativeSocket, success, error));
  },
};
