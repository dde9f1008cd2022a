import type { Connection, KeepAlive, Transport } from '../transport/transport.ts';
import { type DeadlineWheel, Timed } from './deadlines.ts';

/**
 * Most sessions are over within a second; a keepalive costs 10 to 20 µs, so that only an upstream connection which
 * has lived longer than this gets it. The client's side inherits it from the listener for nothing.
 */
const AFTER_MS = 60_000;

type Services = {
  transport: Pick<Transport, 'keepAlive'>;
  wheel: DeadlineWheel;
  keepAlive: KeepAlive | null;
};

class LateKeepAlive extends Timed {
  readonly #services: Services;
  readonly #upstream: Connection;

  constructor(services: Services, upstream: Connection) {
    super();
    this.#services = services;
    this.#upstream = upstream;
  }

  override due(): void {
    const { transport, keepAlive } = this.#services;
    if (keepAlive !== null) transport.keepAlive(this.#upstream, keepAlive);
  }
}

/** @returns what is to be cleared when the connection is done with; null where keepalive is off */
export function keepAliveLater(services: Services, upstream: Connection): Timed | null {
  if (services.keepAlive === null) return null;
  const late = new LateKeepAlive(services, upstream);
  services.wheel.set(late, AFTER_MS);
  return late;
}
