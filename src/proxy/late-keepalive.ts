import type { Connection } from '../transport/transport.ts';
import { Deadline } from './deadlines.ts';
import type { ProxyServices } from './listener.ts';

/**
 * Most sessions are over within a second; a keepalive costs 10 to 20 µs, so that only an upstream connection which
 * has lived longer than this gets it. The client's side inherits it from the listener for nothing.
 */
const AFTER_MS = 60_000;

/** @returns what is to be cleared when the connection is done with; null where keepalive is off */
export function keepAliveLater(
  { transport, wheel, keepAlive }: Pick<ProxyServices, 'transport' | 'wheel' | 'keepAlive'>,
  upstream: Connection,
): Deadline | null {
  if (keepAlive === null) return null;
  const deadline = new Deadline(() => transport.keepAlive(upstream, keepAlive));
  wheel.set(deadline, AFTER_MS);
  return deadline;
}
