import { nodeTransport } from './node.ts';
import type { Transport } from './transport.ts';

/** Bun's own sockets under Bun, node:net everywhere else; 'node' may be asked for under Bun too. */
export async function pickTransport(wanted: 'auto' | 'node' = 'auto'): Promise<Transport> {
  if (wanted === 'node' || process.versions.bun === undefined) return nodeTransport;
  // Loaded only where the global `Bun` exists.
  return (await import('./bun.ts')).bunTransport;
}
