/** The transport on node:net and node:tls. */
import { type AddressInfo, createServer, connect as netConnect, type Server } from 'node:net';
import { tryAcknowledge } from './acknowledge.ts';
import { plainAddress } from './connection-state.ts';
import { setKeepAlive, tryKeepAlive } from './keepalive.ts';
import { NodeConnection } from './node-connection.ts';
import { nodeClientTls, nodeServerTls } from './node-tls.ts';
import { spreadByClient } from './spread.ts';
import type {
  Connection,
  ConnectOptions,
  KeepAlive,
  Listener,
  ListenOptions,
  Transport,
} from './transport.ts';
import { unowned } from './unowned.ts';

function bind(server: Server, options: ListenOptions): Promise<void> {
  const { address, port, backlog, reusePort } = options;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(
      {
        host: address,
        port,
        exclusive: true,
        reusePort: reusePort === true,
        ...(backlog === undefined ? {} : { backlog }),
      },
      () => {
        server.off('error', reject);
        resolve();
      },
    );
  });
}

/** The descriptor of a listening server, which node:net keeps to itself. */
function descriptorOf(server: Server): number {
  return (server as unknown as { _handle: { fd: number } })._handle.fd;
}

async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    options.accept(new NodeConnection(socket, true, unowned, null));
  });
  await bind(server, options);
  // Out of descriptors, for one: the connection stays in the queue and is tried again.
  server.on('error', () => {});
  if (options.keepAlive !== undefined) setKeepAlive(descriptorOf(server), options.keepAlive);
  if (options.spreadOver !== undefined) spreadByClient(descriptorOf(server), options.spreadOver);
  const bound = server.address() as AddressInfo;
  return {
    address: plainAddress(bound.address),
    port: bound.port,
    async close() {
      // Its callback waits for the last connection; the port is free one turn of the loop later.
      server.close();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function connect(options: ConnectOptions): Connection {
  const socket = netConnect({
    host: options.address,
    port: options.port,
    allowHalfOpen: true,
    noDelay: true,
  });
  return new NodeConnection(socket, false, options.handler, options.context);
}

function acknowledge(connection: Connection): void {
  tryAcknowledge((connection as NodeConnection).fd);
}

function keepAlive(connection: Connection, settings: KeepAlive): void {
  tryKeepAlive((connection as NodeConnection).fd, settings);
}

export const nodeTransport: Transport = {
  name: 'node',
  // Bun runs this for its tests.
  sharesTickets: process.versions.bun === undefined,
  listen,
  connect,
  serverTls: nodeServerTls,
  clientTls: nodeClientTls,
  keepAlive,
  acknowledge,
};
