import { runWorker } from '../server/worker.ts';
import { pickTransport } from '../transport/pick.ts';
import { type CommandIo, EXIT } from './io.ts';

/** What a primary starts and nobody else: the command is in no list. */
export async function worker(_argv: string[], io: CommandIo): Promise<number> {
  const { send } = process;
  if (send === undefined) {
    io.err('worker is started by serve, where the config has more than one: workers\n');
    return EXIT.usage;
  }
  // A terminal and a service manager may signal all processes at once; the primary hears it, and says what is to be done.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  return runWorker({
    environment: process.env,
    transport: pickTransport,
    channel: {
      send: (message) =>
        new Promise((resolve) => {
          if (process.connected) send.call(process, message, () => resolve());
          else resolve();
        }),
      receive: (listener) => void process.on('message', listener),
      lost: (listener) => void process.on('disconnect', listener),
    },
  });
}
