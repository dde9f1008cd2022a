/**
 * TCP keepalive and user timeout by descriptor. Set on a listening socket, all of it is inherited by each accepted
 * one. net-keepalive, which no other file imports, leaves SO_KEEPALIVE and TCP_KEEPIDLE to node:net; here they go
 * the same way as the rest, because a listening socket of either runtime has no such method.
 */
import { Socket } from 'node:net';
import { setKeepAliveInterval, setKeepAliveProbes, setUserTimeout } from 'net-keepalive';
import { setOption } from './socket-option.ts';
import type { KeepAlive } from './transport.ts';

const MILLISECONDS = 1000;

/** Linux's numbers (asm-generic/socket.h, netinet/tcp.h). */
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SOL_TCP = 6;
const TCP_KEEPIDLE = 4;

/** net-keepalive wants a net.Socket and takes nothing from it but the descriptor. */
function socketOf(fd: number): Socket {
  return Object.create(Socket.prototype, { _handle: { value: { fd } } });
}

/** Throws where the system refuses, which it does for a descriptor that is not a TCP socket. */
export function setKeepAlive(fd: number, settings: KeepAlive): void {
  const socket = socketOf(fd);
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, SOL_TCP, TCP_KEEPIDLE, settings.idle);
  setKeepAliveInterval(socket, settings.interval * MILLISECONDS);
  setKeepAliveProbes(socket, settings.count);
  setUserTimeout(socket, settings.userTimeout * MILLISECONDS);
}

/** For a connection that may be going at this moment: then there is nothing to keep alive. */
export function tryKeepAlive(fd: number, settings: KeepAlive): void {
  if (fd < 0) return;
  try {
    setKeepAlive(fd, settings);
  } catch {
    // The peer has reset it; its `closed` is on the way.
  }
}
