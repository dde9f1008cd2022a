/** The transport on Bun's native sockets. */

import { tryAcknowledge } from './acknowledge.ts';
import { BunConnection, type NativeSocket } from './bun-connection.ts';
import { acceptedEvents, connectEvents } from './bun-events.ts';
import { bunClientTls, bunServerTls } from './bun-tls.ts';
import { plainAddress } from './connection-state.ts';
import { setKeepAlive, tryKeepAlive } from './keepalive.ts';
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

/** A listener's `data` is what its sockets start with; the connection takes its place. */
type Listening = Bun.TCPSocketListener<ListenOptions> & { readonly fd: number };

const listenEvents = {
  ...acceptedEvents,
  open(socket: Bun.Socket<unknown>) {
    const options = socket.data as ListenOptions;
    const connection = new BunConnection(unowned, null);
    socket.data = connection;
    connection.onOpen(socket as NativeSocket);
    options.accept(connection);
  },
} as unknown as Bun.SocketHandler<ListenOptions>;

/** Bun sets SO_REUSEADDR and, but for `reusePort`, nothing that shares; TCP_NODELAY it sets on each socket itself. */
async function listen(options: ListenOptions): Promise<Listener> {
  const settings = {
    hostname: options.address,
    port: options.port,
    reusePort: options.reusePort === true,
    allowHalfOpen: true,
    socket: listenEvents,
    data: options,
  };
  const native = Bun.listen<ListenOptions>(settings) as Listening;
  if (options.keepAlive !== undefined) setKeepAlive(native.fd, options.keepAlive);
  if (options.spreadOver !== undefined) spreadByClient(native.fd, options.spreadOver);
  return {
    address: plainAddress(native.hostname),
    port: native.port,
    async close() {
      native.stop();
    },
  };
}

/**
 * Bun hands out the socket when it is connected and not before: an attempt that is destroyed on the way is forgotten
 * here at once, and its socket closed when it stands or the kernel gives up.
 */
function connect(options: ConnectOptions): Connection {
  const connection = new BunConnection(options.handler, options.context);
  const settings = { hostname: options.address, port: options.port, allowHalfOpen: true };
  try {
    // The promise says what `open` and `connectError` have said before.
    Bun.connect({ ...settings, socket: connectEvents, data: connection }).catch(() => {});
  } catch (error) {
    queueMicrotask(() => connection.onConnectError(error));
  }
  return connection;
}

function acknowledge(connection: Connection): void {
  tryAcknowledge((connection as BunConnection).fd);
}

function keepAlive(connection: Connection, settings: KeepAlive): void {
  tryKeepAlive((connection as BunConnection).fd, settings);
}

export const bunTransport: Transport = {
  name: 'bun',
  sharesTickets: false,
  listen,
  connect,
  serverTls: bunServerTls,
  clientTls: bunClientTls,
  keepAlive,
  acknowledge,
};
