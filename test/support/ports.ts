import { connect, createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
/** Time between two tries to connect: short against the start of a server, long against a busy loop. */
const TRY_EVERY = 20;

/** The system gives a port back at once when it is free again: what was handed out is not handed out twice. */
const handedOut = new Set<number>();

/** A TCP port on which nothing listens on the loopback. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await probe();
    if (!handedOut.has(port)) {
      handedOut.add(port);
      return port;
    }
  }
}

function probe(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
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
export async function waitForPort(port: number, timeout = 10_000, address: string = LOOPBACK): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!(await isListening(port, address))) {
    if (Date.now() > deadline) throw new Error(`nothing listens on ${address}:${port} after ${timeout} ms`);
    await pause(TRY_EVERY);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
