import type { ConnectionHandler } from './transport.ts';

function ignore(): void {}

/** An accepted connection's handler until its owner has set one. */
export const unowned: ConnectionHandler = {
  opened: ignore,
  received: ignore,
  drained: ignore,
  ended: ignore,
  secured: ignore,
  closed: ignore,
};
