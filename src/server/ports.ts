import type { Config } from '../config/schema.ts';
import { closeSilently } from '../proxy/close-silently.ts';
import type { Listener, Transport } from '../transport/transport.ts';
import { cannotListen } from './listen-failure.ts';
import type { Bound } from './server.ts';

/**
 * Where workers are to listen. Whoever shares a port is let in by the system beside anybody of the same user who shares
 * it, too: each is taken for itself first, so that a second proxy on the same ports is an error and not half of the
 * connections, and so that the system can choose where the config says 0.
 */
export async function claimPorts(config: Config, transport: Transport): Promise<Bound[]> {
  const claimed: { bound: Bound; listener: Listener }[] = [];
  try {
    for (const { name, address, port } of config.listeners) {
      // Whoever comes in these milliseconds is as early as before.
      const listener = await transport.listen({ address, port, accept: closeSilently }).catch((error) => {
        throw cannotListen(`listener ${name}`, { address, port }, error);
      });
      claimed.push({ bound: { name, address: listener.address, port: listener.port }, listener });
    }
    return claimed.map(({ bound }) => bound);
  } finally {
    await Promise.all(claimed.map(({ listener }) => listener.close()));
  }
}
