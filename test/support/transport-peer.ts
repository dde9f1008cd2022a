import type {
  Connection,
  ConnectionHandler,
  Listener,
  ServerTls,
  Transport,
  TransportError,
} from '../../src/transport/transport.ts';

/** What a peer in the process does by itself. */
export type PeerHabits = {
  /** Called after each arrival of octets, with all that has come so far. */
  received?: (peer: TransportPeer) => void;
  /** Reads nothing until it is told to. */
  paused?: boolean;
};

/** A client or mailstore on any transport: keeps what it hears, and closes its side when the other has. */
export class TransportPeer {
  readonly connection: Connection;
  readonly #habits: PeerHabits;
  /** Octet string. */
  text = '';
  ended = false;
  closed = false;
  error: TransportError | null = null;

  constructor(connection: Connection, habits: PeerHabits = {}) {
    this.connection = connection;
    this.#habits = habits;
    connection.handler = PEER_HANDLER;
    connection.context = this;
    if (habits.paused) connection.pause();
  }

  static connect(transport: Transport, port: number, habits: PeerHabits = {}): TransportPeer {
    const options = { address: '127.0.0.1', port, handler: PEER_HANDLER, context: null };
    return new TransportPeer(transport.connect(options), habits);
  }

  send(text: string): void {
    this.connection.write(Buffer.from(text, 'latin1'));
  }

  received(octets: Uint8Array): void {
    this.text += Buffer.from(octets).toString('latin1');
    this.#habits.received?.(this);
  }
}

const peer = (connection: Connection) => connection.context as TransportPeer;

const PEER_HANDLER: ConnectionHandler = {
  opened() {},
  secured() {},
  drained() {},
  received: (connection, octets) => peer(connection).received(octets),
  ended(connection) {
    peer(connection).ended = true;
    connection.end();
  },
  closed(connection, error) {
    peer(connection).closed = true;
    peer(connection).error = error;
  },
};

/**
 * A mailstore that logs everybody in and answers QUIT by closing. Its connections are gathered in `peers`.
 * @param tls for STLS, or `implicit` from the start
 */
export function transportMailstore(
  transport: Transport,
  peers: TransportPeer[],
  tls: ServerTls | null = null,
  implicit = false,
): Promise<Listener> {
  return transport.listen({
    address: '127.0.0.1',
    port: 0,
    accept(connection) {
      let answered = 0;
      const mailstore = new TransportPeer(connection, {
        received({ text }) {
          const commands = text.split('\r\n').slice(0, -1);
          for (const command of commands.slice(answered)) {
            mailstore.send(ANSWERS[command.slice(0, 4)] ?? '+OK bye\r\n');
            if (command === 'STLS' && tls !== null) connection.startTls(tls);
            if (command === 'QUIT') connection.end();
          }
          answered = commands.length;
        },
      });
      peers.push(mailstore);
      if (implicit) connection.startTls(tls!);
      mailstore.send('+OK ready\r\n');
    },
  });
}

const ANSWERS: Readonly<Record<string, string>> = {
  STLS: '+OK\r\n',
  USER: '+OK\r\n',
  PASS: '+OK logged in\r\n',
  NOOP: '+OK\r\n',
};
