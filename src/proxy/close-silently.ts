import type { Connection, ConnectionHandler } from '../transport/transport.ts';

/** Closes without a word; whatever it still says, and its late `closed`, is nobody's. */
export function closeSilently(connection: Connection): void {
  connection.handler = IGNORING_HANDLER;
  connection.destroy();
}

const IGNORING_HANDLER: ConnectionHandler = {
  opened() {},
  received() {},
  drained() {},
  ended() {},
  secured() {},
  closed() {},
};
