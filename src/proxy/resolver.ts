import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** How long an answer serves: short enough to follow a moved mailstore, long enough that logins do not wait for the DNS. */
const FRESH_MS = 30_000;

/** Where an older answer is at hand, how long a login waits for a new one: a DNS that is well answers sooner. */
const PATIENCE_MS = 500;

type Answer = { addresses: readonly string[]; at: number };

/** All addresses of a name, in the order in which they should be tried. Rejects where there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

const systemLookup: Lookup = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/** Addresses of the configured upstream hosts. Bounded by the configuration: no name of a client ever gets here. */
export class Resolver {
  readonly #lookup: Lookup;
  readonly #answers = new Map<string, Answer>();
  /** One question a name at a time: each takes a thread of the pool that passwords are checked in. */
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(lookup: Lookup = systemLookup) {
    this.#lookup = lookup;
  }

  /**
   * All addresses of a host, in the order in which they should be tried. While the DNS fails or hangs, the last
   * answer serves on. At once where one is known that is fresh, or none is needed. Rejects only where a name has never
   * been resolved.
   */
  resolve(host: string): readonly string[] | Promise<readonly string[]> {
    const known = this.#answers.get(host);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.addresses;
    if (isIP(host) !== 0) {
      const itself = { addresses: [host], at: Infinity };
      this.#answers.set(host, itself);
      return itself.addresses;
    }
    const asked = this.#ask(host);
    return known === undefined ? asked : soon(asked, known.addresses);
  }

  #ask(host: string): Promise<readonly string[]> {
    const underWay = this.#asked.get(host);
    if (underWay !== undefined) return underWay;
    const asked = this.#lookup(host)
      .then((addresses) => {
        this.#answers.set(host, { addresses, at: performance.now() });
        return addresses;
      })
      .finally(() => this.#asked.delete(host));
    this.#asked.set(host, asked);
    return asked;
  }
}

/** What comes in time, else what was known before. */
async function soon<T>(coming: Promise<T>, known: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(known), PATIENCE_MS);
  });
  try {
    return await Promise.race([coming, late]);
  } catch {
    return known;
  } finally {
    clearTimeout(timer);
  }
}
