import { createLog, type Log } from '../ops/log.ts';
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
  const log = createLog(loaded.config.log);
  // After a fault that ends the process, the lines that tell of it are still waiting.
  process.on('exit', () => log.flushNow());
  // Its default is to end the process; before anything is loaded there is nothing to read anew.
  process.on('SIGHUP', () => {});
  prepareThreads(loaded.config.passwords.concurrency);
  const transport = await pickTransport(sockets === 'node' ? 'node' : 'auto');
  let server: Server;
  try {
    server = await Server.start({ ...loaded, transport, log });
  } catch (error) {
    log.event('error', 'not-started', { detail: (error as Error).message });
    return EXIT.failed;
  }
  await untilStopped(server, log);
  return EXIT.ok;
}

/**
 * Node checks passwords in the same few threads that resolve names: one more than passwords at once keeps those from
 * waiting. Read when the first thread starts, so it has to be told before; Bun sizes its own pool.
 */
function prepareThreads(concurrency: number): void {
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, concurrency + 1));
}

/** Resolves when the proxy has stopped; rejects where it could not be stopped in order. */
export function untilStopped(server: Server, log: Log): Promise<void> {
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
