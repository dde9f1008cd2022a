import { lineOf } from '../pop3/reply.ts';
import type { Connection, ConnectionHandler } from '../transport/transport.ts';
import { Deadline, type DeadlineWheel } from './deadlines.ts';

/** How long a mailstore may take to close its side. */
const FAREWELL_MS = 2000;

const QUIT = lineOf('QUIT');

/** Ends a connection on which nobody has logged in, so that the mailstore sees no loss in it. */
export function takeLeave(connection: Connection, wheel: DeadlineWheel): void {
  const deadline = new Deadline(() => connection.destroy());
  wheel.set(deadline, FAREWELL_MS);
  connection.context = { wheel, deadline };
  connection.handler = FAREWELL_HANDLER;
  connection.write(QUIT);
  connection.end();
}

const FAREWELL_HANDLER: ConnectionHandler = {
  opened() {},
  received() {},
  drained() {},
  ended: (connection) => connection.destroy(),
  secured() {},
  closed(connection) {
    const { wheel, deadline } = connection.context as { wheel: DeadlineWheel; deadline: Deadline };
    wheel.clear(deadline);
  },
};
