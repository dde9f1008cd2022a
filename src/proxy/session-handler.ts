import type { Connection, ConnectionHandler, TransportError } from '../transport/transport.ts';
import type { Session } from './session.ts';

/** A fault of the proxy's own ends the one session that met it, and no other. No closure for each event: `step` is shared. */
function guarded<Told>(
  connection: Connection,
  step: (session: Session, told: Told) => void,
  told: Told,
): void {
  const session = connection.context as Session;
  try {
    step(session, told);
  } catch (error) {
    session.faulted(error);
  }
}

const received = (session: Session, octets: Uint8Array) => session.received(octets);
const drained = (session: Session) => session.drained();
const ended = (session: Session) => session.ended();
const secured = (session: Session) => session.secured();
const closed = (session: Session, error: TransportError | null) => session.closed(error);

/** Shared by all sessions: each hangs on its connection. */
export const SESSION_HANDLER: ConnectionHandler = {
  opened() {},
  received: (connection, octets) => guarded(connection, received, octets),
  drained: (connection) => guarded(connection, drained, null),
  ended: (connection) => guarded(connection, ended, null),
  secured: (connection) => guarded(connection, secured, null),
  closed: (connection, error) => guarded(connection, closed, error),
};
