/** Both ends of a connection under test: what they heard, and whether the transport kept the rules it promises. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type {
  ClientTls,
  Connection,
  ConnectionHandler,
  Listener,
  ListenOptions,
  ServerTls,
  Transport,
  TransportError,
} from '../../src/transport/transport.ts';

/** Longer than anything on a loopback takes, also on a busy machine; a wait that is longer has gone wrong. */
const PATIENCE = 60_000;

export type EventName = keyof ConnectionHandler;

/** Records each event, then lets the test react to it. */
export class Probe implements ConnectionHandler {
  readonly events: EventName[] = [];
  readonly reactions: Partial<ConnectionHandler> = {};
  connection!: Connection;
  octets = 0;
  error: TransportError | null = null;
  /** What was heard first, as an octet string; enough for protocol lines. */
  text = '';
  readonly faults: string[] = [];
  readonly #hash = createHash('sha256');
  #waiting: { ready: () => boolean; resolve: () => void }[] = [];
  /** On some handler's stack, of whichever connection. */
  static #inside = '';

  opened(connection: Connection): void {
    this.#note('opened', connection, () => this.reactions.opened?.(connection));
  }
  received(connection: Connection, octets: Uint8Array): void {
    this.octets += octets.length;
    this.#hash.update(octets);
    if (this.text.length < 1000) this.text += Buffer.from(octets).toString('latin1');
    this.#note('received', connection, () => this.reactions.received?.(connection, octets));
  }
  drained(connection: Connection): void {
    this.#note('drained', connection, () => this.reactions.drained?.(connection));
  }
  ended(connection: Connection): void {
    this.#note('ended', connection, () => this.reactions.ended?.(connection));
  }
  secured(connection: Connection): void {
    this.#note('secured', connection, () => this.reactions.secured?.(connection));
  }
  closed(connection: Connection, error: TransportError | null): void {
    this.error = error;
    this.#note('closed', connection, () => this.reactions.closed?.(connection, error));
  }

  count(event: EventName): number {
    return this.events.filter((heard) => heard === event).length;
  }

  /** What has been received so far; ends the reckoning. */
  digest(): string {
    return this.#hash.digest('hex');
  }

  /** Calls on the connection from outside a handler: no handler may run before the call returns. */
  call(action: (connection: Connection) => void): void {
    const outer = Probe.#inside;
    Probe.#inside = 'a call';
    try {
      action(this.connection);
    } finally {
      Probe.#inside = outer;
    }
  }

  until(event: EventName): Promise<void> {
    return this.when(() => this.events.includes(event), event);
  }

  untilOctets(octets: number): Promise<void> {
    return this.when(() => this.octets >= octets, `${octets} octets`);
  }

  async when(ready: () => boolean, what: string): Promise<void> {
    if (ready()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error(`no ${what}; heard ${this.summary()}`)), PATIENCE);
    this.#waiting.push({ ready, resolve });
    await promise.finally(() => clearTimeout(late));
  }

  summary(): string {
    const names = this.events.filter(
      (event, index) => event !== 'received' || this.events[index - 1] !== event,
    );
    return `${names.join(' ')} (${this.octets} octets, ${this.error === null ? 'no error' : this.error.kind})`;
  }

  #note(event: EventName, connection: Connection, react: () => void): void {
    if (Probe.#inside !== '') this.faults.push(`${event} from inside ${Probe.#inside}`);
    if (this.events.includes('closed')) this.faults.push(`${event} after closed`);
    if (this.connection !== undefined && connection !== this.connection)
      this.faults.push(`${event} for another`);
    this.connection ??= connection;
    this.events.push(event);
    Probe.#inside = event;
    try {
      react();
    } finally {
      Probe.#inside = '';
    }
    this.#waiting = this.#waiting.filter(({ ready, resolve }) => !ready() || resolve());
  }
}

export type StageOptions = Partial<ListenOptions> & {
  /** Sets the reactions of an accepted connection's probe, before the connection is looked at. */
  prepare?: (server: Probe) => void;
};

/** A listener and the probes on both of its sides. */
export class Stage {
  readonly transport: Transport;
  readonly servers: Probe[] = [];
  readonly clients: Probe[] = [];
  listener!: Listener;
  #awaited: { index: number; resolve: (probe: Probe) => void }[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
  }

  static async open(transport: Transport, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(transport);
    const accept = (connection: Connection) => stage.#accept(connection, options);
    stage.listener = await transport.listen({ address: '127.0.0.1', port: 0, ...options, accept });
    return stage;
  }

  connect(prepare?: (client: Probe) => void): Probe {
    const client = new Probe();
    prepare?.(client);
    const address = '127.0.0.1';
    client.connection = this.transport.connect({
      address,
      port: this.listener.port,
      handler: client,
      context: client,
    });
    this.clients.push(client);
    return client;
  }

  /** The probe of the connection that was accepted as number `index`. */
  async accepted(index = 0): Promise<Probe> {
    const there = this.servers[index];
    if (there !== undefined) return there;
    const { promise, resolve } = Promise.withResolvers<Probe>();
    this.#awaited.push({ index, resolve });
    return promise;
  }

  /** Ends everything; whatever happened, each connection has to have kept the rules. */
  async close(): Promise<void> {
    await this.listener.close();
    const probes = [...this.servers, ...this.clients];
    for (const probe of probes) probe.call((connection) => connection.destroy());
    await Promise.all(probes.map((probe) => probe.until('closed')));
    // Time for what must not come any more.
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const probe of probes) assert.deepEqual(probe.faults, []);
  }

  #accept(connection: Connection, options: StageOptions): void {
    const server = new Probe();
    server.connection = connection;
    connection.handler = server;
    connection.context = server;
    options.prepare?.(server);
    options.accept?.(connection);
    this.servers.push(server);
    this.#awaited = this.#awaited.filter(
      ({ index, resolve }) => this.servers.length <= index || resolve(server),
    );
  }
}

/** Runs `body` on a stage and closes it, also where the body fails. */
export async function onStage(
  transport: Transport,
  options: StageOptions,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = await Stage.open(transport, options);
  try {
    await body(stage);
  } finally {
    await stage.close();
  }
}

/** Both sides' contexts, for the cases that hold with TLS as without; null for plain. */
export type Tls = { server: ServerTls; client: ClientTls } | null;

/** Runs `body` on a connection that stands, with TLS already agreed on where `tls` is given. */
export async function onPair(
  transport: Transport,
  tls: Tls,
  body: (client: Probe, server: Probe) => Promise<void>,
): Promise<void> {
  const accept = (connection: Connection) => {
    if (tls !== null) connection.startTls(tls.server);
  };
  await onStage(transport, { accept }, async (stage) => {
    const client = stage.connect((probe) => {
      if (tls !== null) probe.reactions.opened = (connection) => connection.startTls(tls.client);
    });
    const server = await stage.accepted();
    const ready =
      tls === null ? [client.until('opened')] : [client.until('secured'), server.until('secured')];
    await Promise.all(ready);
    await body(client, server);
  });
}
