import { connect, createServer, type Server } from 'node:net';

const LOOPBACK = '127.0.0.1';
/** Time between two tries to connect: short against the start of a server, long against a busy loop. */
const TRY_EVERY = 20;

/**
 * Ports below those that the system gives to whoever connects: between the moment that one is found free and the start
 * of its server no connection can come to have it. Each process has blocks of them, and holds one by listening on its
 * first port, so that tests can run side by side.
 */
const FIRST_PORT = 10_000;
/** Where the system's own begin, if nobody has changed that. */
const END_OF_PORTS = 32_768;
const BLOCK = 100;

let block: { next: number; end: number } | null = null;

/** A TCP port on which nothing listens on the loopback, and which no other test is given. */
export async function freePort(): Promise<number> {
  for (;;) {
    if (block === null || block.next === block.end) block = await claimBlock();
    const port = block.next++;
    const probe = await listenOn(port);
    if (probe === null) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/** Begins anywhere: processes that start at once would try one after the other. */
async function claimBlock(): Promise<{ next: number; end: number }> {
  const blocks = Math.floor((END_OF_PORTS - FIRST_PORT) / BLOCK);
  const start = Math.floor(Math.random() * blocks);
  for (let tried = 0; tried < blocks; tried++) {
    const first = FIRST_PORT + ((start + tried) % blocks) * BLOCK;
    const held = await listenOn(first);
    if (held === null) continue;
    held.unref();
    return { next: first + 1, end: first + BLOCK };
  }
  throw new Error(`no block of ${BLOCK} ports is free between ${FIRST_PORT} and ${END_OF_PORTS}`);
}

/** Null where the port is taken. */
function listenOn(port: number): Promise<Server | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(null));
    server.listen(port, LOOPBACK, () => resolve(server));
  });
}

/** True when something accepts connections on the port now. */
export function isListening(port: number, address: string = LOOPBACK): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: address });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

/** Resolves when something accepts connections on the port; rejects after `timeout` ms. */
export async function waitForPort(port: number, timeout = 30_000, address: string = LOOPBACK): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!(await isListening(port, address))) {
    if (Date.now() > deadline) throw new Error(`nothing listens on ${address}:${port} after ${timeout} ms`);
    await pause(TRY_EVERY);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
