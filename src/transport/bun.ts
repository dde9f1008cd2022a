/** The transport on Bun's native sockets. */

import { tryAcknowledge } from './acknowledge.ts';
import { BunConnection } from './bun-connection.ts';
import { acceptedEvents, connectEvents } from './bun-events.ts';
import type { NativeSocket } from './bun-socket.ts';
import { bunClientTls, bunServerTls } from './bun-tls.ts';
import { plainAddress } from './connection-state.ts';
import { setKeepAlive, tryKeepAlive } from './keepalive.ts';
import { LocalEnd } from './local-end.ts';
import { enter, leave } from './put-off.ts';
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
type Listening = { accept(connection: Connection): void; readonly local: LocalEnd };

const listenEvents = {
  ...acceptedEvents,
  open(socket: Bun.Socket<unknown>) {
    const listening = socket.data as Listening;
    const connection = new BunConnection(unowned, null);
    socket.data = connection;
    connection.onAccept(socket as NativeSocket, listening.local.of(socket));
    listening.accept(connection);
  },
} as unknown as Bun.SocketHandler<Listening>;

/** Bun sets SO_REUSEADDR and, but for `reusePort`, nothing that shares; TCP_NODELAY it sets on each socket itself. */
async function listen(options: ListenOptions): Promise<Listener> {
  const settings = {
    hostname: options.address,
    port: options.port,
    reusePort: options.reusePort === true,
    allowHalfOpen: true,
    socket: listenEvents,
    data: { accept: options.accept, local: new LocalEnd(options.address) },
  };
  const native = Bun.listen<Listening>(settings) as Bun.TCPSocketListener<Listening> & {
    readonly fd: number;
  };
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
 * here at once, and its socket closed when it stands or the kernel gives up. Where there is no way to an address Bun
 * says so from inside the call.
 */
function connect(options: ConnectOptions): Connection {
  const { address, port } = options;
  const connection = new BunConnection(options.handler, options.context, { address, port });
  const events = { socket: connectEvents, data: connection };
  const settings = { hostname: address, port, allowHalfOpen: true, ...events };
  enter();
  try {
    // The promise says what `open` and `connectError` have said before, and is nobody's: Bun takes it for handled.
    void Bun.connect(settings);
  } catch (error) {
    failLater(connection, error);
  }
  leave();
  return connection;
}

function failLater(connection: BunConnection, error: unknown): void {
  queueMicrotask(() => connection.onConnectError(error));
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
