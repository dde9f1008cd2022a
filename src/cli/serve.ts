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
  const transport = await pickTransport(sockets === 'node' ? 'node' : 'auto');
  try {
    const server = await Server.start({ ...loaded, transport, log });
    await untilStopped(server, log);
    return EXIT.ok;
  } catch (error) {
    log.event('error', 'not-started', { detail: (error as Error).message });
    return EXIT.failed;
  }
}

/** Resolves when the proxy has stopped. */
export function untilStopped(server: Server, log: Log): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string) => {
      log.event('info', 'signal', { signal });
      if (stopping) {
        server.abort();
        return;
      }
      stopping = true;
      void server.stop().then(resolve);
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
    process.on('SIGHUP', () => {
      log.event('info', 'signal', { signal: 'SIGHUP' });
      void server.reload();
    });
  });
}
