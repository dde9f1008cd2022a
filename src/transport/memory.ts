/**
 * The transport inside one process, for tests of the rooms above: no descriptors, no clock, the same order of events
 * every time. Each event comes from a microtask of its own.
 */
import { MemoryConnection } from './memory-connection.ts';
import type {
  Connection,
  ConnectOptions,
  KeepAlive,
  Listener,
  ListenOptions,
  Transport,
  TransportError,
} from './transport.ts';
import { unowned } from './unowned.ts';

/** About what a kernel's socket buffer on a loopback holds before a writer has to wait. */
const DEFAULT_WINDOW = 65_536;

const FIRST_FREE_PORT = 49_152;

const REFUSED: TransportError = { kind: 'refused', message: 'ECONNREFUSED: nobody listens on the port' };

export type MemoryTransport = Transport & {
  /** Ports whose connections neither stand nor fail, as behind a firewall that drops. */
  readonly silentPorts: Set<number>;
  /** What `keepAlive` was last told of a connection. */
  keepAliveOf(connection: Connection): KeepAlive | undefined;
  /** Resets a connection: both ends hear `closed`, the far one with kind 'reset'. */
  abort(connection: Connection): void;
};

function addressInUse(port: number): Error {
  return Object.assign(new Error(`port ${port} is taken`), { code: 'EADDRINUSE' });
}

/** `window` is how many octets one direction of a connection holds before `write` answers false. */
export function memoryTransport(window = DEFAULT_WINDOW): MemoryTransport {
  const listeners = new Map<number, ListenOptions>();
  const silentPorts = new Set<number>();
  const kept = new WeakMap<Connection, KeepAlive>();
  let nextPort = FIRST_FREE_PORT;

  async function listen(options: ListenOptions): Promise<Listener> {
    const port = options.port === 0 ? nextPort++ : options.port;
    if (listeners.has(port)) throw addressInUse(port);
    listeners.set(port, options);
    return {
      address: options.address,
      port,
      async close() {
        listeners.delete(port);
      },
    };
  }

  function establish(client: MemoryConnection, options: ConnectOptions): void {
    const listening = listeners.get(options.port);
    if (listening === undefined) {
      client.fail(REFUSED);
      return;
    }
    const server = new MemoryConnection(unowned, null, window);
    const from = { address: options.address, port: nextPort++ };
    const to = { address: options.address, port: options.port };
    if (!client.join(server, from, to)) return;
    if (listening.keepAlive !== undefined) kept.set(server, listening.keepAlive);
    listening.accept(server);
    client.handler.opened(client);
  }

  function connect(options: ConnectOptions): Connection {
    const client = new MemoryConnection(options.handler, options.context, window);
    if (!silentPorts.has(options.port)) queueMicrotask(() => establish(client, options));
    return client;
  }

  return {
    name: 'memory',
    sharesTickets: true,
    listen,
    connect,
    serverTls: (options) => ({ side: 'server', options }),
    clientTls: (options) => ({ side: 'client', options }),
    keepAlive: (connection, settings) => void kept.set(connection, settings),
    acknowledge() {},
    silentPorts,
    keepAliveOf: (connection) => kept.get(connection),
    abort: (connection) => (connection as MemoryConnection).abort(),
  };
}
