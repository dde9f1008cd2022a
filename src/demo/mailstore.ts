import { LineBuffer } from '../pop3/line.ts';
import type { Connection, ConnectionHandler, Transport } from '../transport/transport.ts';
import { Maildrop } from './maildrop.ts';
import { type Account, type Answer, MailstoreSession } from './session.ts';

/** Octets of a command line, CRLF counted (RFC 2449 §4). */
const LINE_LIMIT = 255;
const TOO_LONG: Answer = { reply: '-ERR line too long\r\n', close: false };

export type MailstoreOptions = {
  transport: Transport;
  address: string;
  /** 0 lets the system choose. */
  port: number;
  /** By local user. All of it octet strings; messages with CRLF line ends. */
  maildrops: ReadonlyMap<string, { password: string; messages: readonly string[] }>;
};

export type Mailstore = {
  port: number;
  /** Stops listening and breaks the sessions off; resolves when the port is free. */
  close(): Promise<void>;
};

/** What hangs on a connection. */
type Visit = { session: MailstoreSession; lines: LineBuffer; closing: boolean; ended: boolean };

/** A small POP3 server for the demo, its mail in memory. Rejects as `Transport.listen` does. */
export async function startMailstore(options: MailstoreOptions): Promise<Mailstore> {
  const accounts = new Map<string, Account>();
  for (const [user, { password, messages }] of options.maildrops) {
    accounts.set(user, { password, maildrop: new Maildrop(messages) });
  }
  const connections = new Set<Connection>();
  const handler = visitHandler(connections);
  const listener = await options.transport.listen({
    address: options.address,
    port: options.port,
    accept: (connection) => {
      const session = new MailstoreSession(accounts);
      const visit: Visit = { session, lines: new LineBuffer(), closing: false, ended: false };
      connection.handler = handler;
      connection.context = visit;
      connections.add(connection);
      connection.write(Buffer.from(session.greeting(), 'latin1'));
    },
  });
  return {
    port: listener.port,
    close: () => {
      for (const connection of connections) connection.destroy();
      return listener.close();
    },
  };
}

function visitHandler(connections: Set<Connection>): ConnectionHandler {
  const visitOf = (connection: Connection) => connection.context as Visit;
  return {
    received: (connection, octets) => {
      const visit = visitOf(connection);
      // What follows QUIT is not run.
      if (visit.closing) return;
      visit.lines.append(octets);
      serve(connection, visit);
      visit.lines.keep();
    },
    drained: (connection) => {
      connection.resume();
      serve(connection, visitOf(connection));
    },
    ended: (connection) => {
      visitOf(connection).ended = true;
      serve(connection, visitOf(connection));
    },
    closed: (connection) => {
      visitOf(connection).session.lost();
      connections.delete(connection);
    },
    opened: () => {},
    secured: () => {},
  };
}

/** Answers the lines that have come, until the client is slower than its answers. */
function serve(connection: Connection, visit: Visit): void {
  while (!visit.closing) {
    const taken = visit.lines.take(LINE_LIMIT);
    if (taken === 'partial') break;
    if (!answer(connection, visit, taken === 'overlong')) {
      connection.pause();
      return;
    }
  }
  if (visit.ended || visit.closing) connection.end();
}

/** False where the answer had to be queued. */
function answer(connection: Connection, visit: Visit, overlong: boolean): boolean {
  const { reply, close } = overlong ? TOO_LONG : visit.session.answer(lineOf(visit.lines));
  visit.closing = close;
  return connection.write(Buffer.from(reply, 'latin1')) || close;
}

function lineOf(lines: LineBuffer): string {
  return lines.text(lines.lineStart, lines.lineEnd);
}
