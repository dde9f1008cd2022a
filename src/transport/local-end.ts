import { type Addressed, localEnd } from './connection-state.ts';
import type { Endpoint } from './transport.ts';

/** 0.0.0.0, '::' and other ways to write them: such a listener is reached at any address of the host. */
const ANY_ADDRESS = /^(::ffff:)?[0:.]+$/i;

/**
 * Where a listener's connections are accepted. One answer serves all of a listener that is bound to an address: each
 * question is a system call.
 */
export class LocalEnd {
  readonly #bound: boolean;
  #told: Endpoint | null = null;

  /** @param address that the listener was asked to bind */
  constructor(address: string) {
    this.#bound = !ANY_ADDRESS.test(address);
  }

  of(accepted: Addressed): Endpoint {
    if (this.#told !== null) return this.#told;
    const local = localEnd(accepted);
    // Of a connection that is gone again nothing is known.
    if (this.#bound && local.address !== '') this.#told = local;
    return local;
  }
}
