import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { wrong } from '../config/finding.ts';
import { type Finding, formatPath } from '../config/problem.ts';
import { serverPath } from '../config/rules-upstreams.ts';
import type { Config } from '../config/schema.ts';
import { isLoopback, isWildcard } from '../config/units.ts';

/** A DNS that does not answer soon holds up no start: a connection that leads back is known when it is made, too. */
const PATIENCE_MS = 2_000;

/** No other greeting in the world has the same. */
const OWN_OCTETS = 6;

/** For the greetings of a proxy: one that it hears from an upstream is its own. */
export function ownWord(): string {
  return randomBytes(OWN_OCTETS).toString('hex');
}

export type Surroundings = {
  /** All addresses of a name. */
  resolve(host: string): Promise<readonly string[]>;
  /** This host's own. */
  addresses(): readonly string[];
};

const HERE: Surroundings = {
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  addresses: () =>
    Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []),
};

/**
 * Servers that are listeners of this proxy by what their names resolve to, on the host that this runs on. (What the
 * config alone shows is found in its own rules.) Names are asked for only where the port is a listener's.
 */
export async function ownUpstreams(config: Config, here: Surroundings = HERE): Promise<Finding[]> {
  const asked = config.upstreams.flatMap((upstream, index) =>
    upstream.servers.map(async ({ host, port }, nth): Promise<Finding[]> => {
      const listeners = config.listeners.filter((listener) => listener.port === port);
      if (listeners.length === 0) return [];
      const addresses = await addressesOf(host, here);
      const own = addresses.find((address) =>
        listeners.some((listener) => takes(listener.address, address, here)),
      );
      if (own === undefined) return [];
      const message = 'the proxy would be its own upstream';
      const hint = `${own} is this host, and port ${port} a listener: give the mailstore another port or address`;
      return [wrong(serverPath(upstream, index, nth, 'host'), message, hint)];
    }),
  );
  return (await Promise.all(asked)).flat();
}

/** Rejects with an Error that says which server is a listener. */
export async function refuseLoops(config: Config): Promise<void> {
  const [loop] = await ownUpstreams(config);
  if (loop !== undefined) throw new Error(`${formatPath(loop.path)}: ${loop.message}: ${loop.hint}`);
}

/** None where the DNS does not know it, or not in time: it is no fault of the config's that can be seen here. */
async function addressesOf(host: string, { resolve }: Surroundings): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly string[]>((done) => {
    timer = setTimeout(() => done([]), PATIENCE_MS);
  });
  try {
    return await Promise.race([resolve(host), late]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a connection to an address of this host comes to a listener on another of its addresses, or on all. */
function takes(listening: string, address: string, { addresses }: Surroundings): boolean {
  if (listening === address) return true;
  if (!isWildcard(listening) || (listening === '0.0.0.0' && isIP(address) === 6)) return false;
  return isLoopback(address) || addresses().includes(address);
}
