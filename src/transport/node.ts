/** The transport on node:net and node:tls. */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tryAcknowledge } from './acknowledge.ts';
import { NOWHERE, plainAddress } from './connection-state.ts';
import { setKeepAlive, tryKeepAlive } from './keepalive.ts';
import { LocalEnd } from './local-end.ts';
import { NodeConnection } from './node-connection.ts';
import { connectSocket, listening, onAccept, type Reader, setNoDelay } from './node-handles.ts';
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

async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await bind(server, options);
  server.on('error', () => {});
  const { fd } = listening(server);
  setNoDelay(fd);
  if (options.keepAlive !== undefined) setKeepAlive(fd, options.keepAlive);
  if (options.spreadOver !== undefined) spreadByClient(fd, options.spreadOver);
  const local = new LocalEnd(options.address);
  onAccept(server, (open) => {
    const connection = new NodeConnection(open, NOWHERE, unowned, null);
    connection.onAccept(local);
    options.accept(connection);
  });
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
  const { address, port } = options;
  const remote = { address: plainAddress(address), port };
  const open = (read: Reader) => connectSocket(address, port, read);
  return new NodeConnection(open, remote, options.handler, options.context);
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
