import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** How long an answer serves: short enough to follow a moved mailstore, long enough that logins do not wait for the DNS. */
const FRESH_MS = 30_000;

type Answer = { addresses: readonly string[]; at: number };

/** Addresses of the configured upstream hosts. Bounded by the configuration: no name of a client ever gets here. */
export class Resolver {
  readonly #answers = new Map<string, Answer>();

  /**
   * All addresses of a host, in the order in which they should be tried. While the DNS fails, the last answer serves on.
   * Rejects only where a name has never been resolved.
   */
  async resolve(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const known = this.#answers.get(host);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.addresses;
    try {
      const addresses = (await lookup(host, { all: true, verbatim: true })).map((answer) => answer.address);
      this.#answers.set(host, { addresses, at: performance.now() });
      return addresses;
    } catch (error) {
      if (known !== undefined) return known.addresses;
      throw error;
    }
  }
}
