import type { Config } from '../config/schema.ts';
import { createLog, type Log } from '../ops/log.ts';
import { Primary } from '../server/primary.ts';
import { Server } from '../server/server.ts';
import { pickTransport } from '../transport/pick.ts';
import { CONFIG_OPTION, readArguments } from './arguments.ts';
import { readConfig } from './config.ts';
import { type CommandIo, EXIT } from './io.ts';

export const USAGE = `usage: teapop-proxy serve [--config FILE] [--sockets native|node]

Runs the proxy until SIGTERM or SIGINT, then lets sessions finish for the grace time; a second signal does not wait.
SIGHUP reads certificates and tables anew. --sockets node takes Node's sockets under Bun, too.
The file is that of --config, or of TEAPOP_PROXY_CONFIG, or /etc/teapop-proxy/teapop-proxy.yaml.
`;

/** The command `serve`: exit status 0 after a drain, 1 where it could not start. */
export async function serve(argv: string[], io: CommandIo): Promise<number> {
  const options = { ...CONFIG_OPTION, sockets: { type: 'string', default: 'native' } } as const;
  const values = readArguments(argv, options, USAGE, io);
  if (typeof values === 'number') return values;
  const { sockets } = values;
  if (sockets !== 'native' && sockets !== 'node') {
    io.err(`--sockets is native or node, not '${sockets}'\n${USAGE}`);
    return EXIT.usage;
  }
  const loaded = readConfig(values.config, io);
  if (loaded === null) return EXIT.failed;
  const { config, source } = loaded;
  const log = createLog({ ...config.log, ...(config.workers > 1 ? { worker: 0 } : {}) });
  // After a fault that ends the process, the lines that tell of it are still waiting.
  process.on('exit', () => log.flushNow());
  // Its default is to end the process; before anything is loaded there is nothing to read anew.
  process.on('SIGHUP', () => {});
  // Workers inherit it.
  process.env.UV_THREADPOOL_SIZE ??= threadsFor(config);
  const socketsOf = sockets === 'node' ? 'node' : 'auto';
  const transport = await pickTransport(socketsOf);
  let proxy: Stoppable;
  try {
    proxy =
      config.workers === 1
        ? await Server.start({ ...loaded, transport, log })
        : await Primary.start({
            ...{ config, file: source.file, text: source.text, sockets: socketsOf, transport, log },
            ...{ command: [process.argv[1]!, 'worker'] },
          });
  } catch (error) {
    log.event('error', 'not-started', { detail: (error as Error).message });
    return EXIT.failed;
  }
  await untilStopped(proxy, log);
  return EXIT.ok;
}

/**
 * Node checks passwords in the same few threads that resolve names: one more than passwords at once keeps those from
 * waiting. Read when the first thread starts, so it has to be told before; Bun sizes its own pool.
 */
function threadsFor({ passwords, workers }: Config): string {
  return String(Math.max(4, Math.ceil(passwords.concurrency / workers) + 1));
}

/** A proxy of one process, or the primary of several. */
type Stoppable = Pick<Server, 'stop' | 'abort' | 'reload'>;

/** Resolves when the proxy has stopped; rejects where it could not be stopped in order. */
export function untilStopped(server: Stoppable, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: string) => {
      log.event('info', 'signal', { signal });
      if (stopping) {
        server.abort();
        return;
      }
      stopping = true;
      server.stop().then(resolve, reject);
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
    process.on('SIGHUP', () => {
      log.event('info', 'signal', { signal: 'SIGHUP' });
      void server.reload();
    });
  });
}
