import { memoryTransport } from '../../src/transport/memory.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import type { Transport } from '../../src/transport/transport.ts';

/** Behind a firewall that drops. */
export const SILENT = '127.0.0.3';

/** The real sockets, but that connections to SILENT neither stand nor fail. */
export async function withSilence(): Promise<{ transport: Transport; abandoned: () => boolean }> {
  const transport = await pickTransport();
  const silence = memoryTransport();
  const port = 9;
  silence.silentPorts.add(port);
  let closed = false;
  return {
    transport: {
      ...transport,
      connect(options) {
        if (options.address !== SILENT) return transport.connect(options);
        const connection = silence.connect({ ...options, port });
        const { destroy } = connection;
        connection.destroy = () => {
          closed = true;
          destroy.call(connection);
        };
        return connection;
      },
    },
    abandoned: () => closed,
  };
}
