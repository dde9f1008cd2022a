import type { Connection, ConnectionHandler } from '../transport/transport.ts';
import type { Session } from './session.ts';

function guarded(connection: Connection, step: (session: Session) => void): void {
  const session = connection.context as Session;
  session.guard(() => step(session));
}

/** Shared by all sessions: each hangs on its connection. */
export const SESSION_HANDLER: ConnectionHandler = {
  opened() {},
  received: (connection, octets) => guarded(connection, (session) => session.received(octets)),
  drained: (connection) => guarded(connection, (session) => session.drained()),
  ended: (connection) => guarded(connection, (session) => session.ended()),
  secured: (connection) => guarded(connection, (session) => session.secured()),
  closed: (connection, error) => guarded(connection, (session) => session.closed(error)),
};
