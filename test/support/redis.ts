import type { RedisLink } from '../../src/tables/redis/link.ts';
import { freePort } from './ports.ts';
import { type RunningProcess, serving, start } from './process.ts';
import { temporaryFolder } from './temp.ts';

/** Every key with its content, in a stable order, as one octet string; but for the claim of a sync. */
export async function dumpRedis(link: RedisLink): Promise<string> {
  const keys = ((await link.command('KEYS', '*')) as Buffer[])
    .map((key) => key.toString('latin1'))
    .toSorted();
  const parts: string[] = [];
  for (const key of keys) {
    const hash = ((await link.command('TYPE', key)) as Buffer).toString() === 'hash';
    const items = (await link.command(hash ? 'HGETALL' : 'SMEMBERS', key)) as Buffer[];
    const texts = items.map((item) => item.toString('latin1'));
    // A hash's order changes with its size.
    const pairs = hash ? texts.flatMap((text, i) => (i % 2 === 0 ? [`${text}=${texts[i + 1]}`] : [])) : texts;
    parts.push(key, ...pairs.toSorted());
  }
  return parts.join('\n');
}

export type RedisServer = {
  port: number;
  /** Changes with each restart. */
  readonly pid: number;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the port is closed. */
  kill9(): Promise<void>;
  /** Starts it again on the same port, empty: nothing is kept on disk. Ends it first where it still runs. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: a server that keeps its connections and answers nothing. */
  freeze(): void;
  thaw(): void;
};

/**
 * Starts the distribution's redis-server on a free port of 127.0.0.1, without persistence.
 * @param options further options of redis-server, such as ['--requirepass', 'x']
 */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const folder = temporaryFolder('redis');
  const port = await freePort();
  const launch = () => launchRedis(port, folder.path, options);
  let server = await launch();
  // A test file that ends by a throw outside its hooks must not leave a server behind.
  process.once('exit', () => server.status() ?? server.kill('SIGKILL'));
  const kill9 = async () => {
    server.kill('SIGKILL');
    await server.exited;
  };
  return {
    port,
    get pid() {
      return server.pid;
    },
    kill9,
    restart: async () => {
      if (server.status() === null) await kill9();
      server = await launch();
    },
    stop: async () => {
      // A frozen server would not hear SIGTERM.
      server.kill('SIGCONT');
      if (server.status() === null) await server.stop();
      folder.remove();
    },
    freeze: () => server.kill('SIGSTOP'),
    thaw: () => server.kill('SIGCONT'),
  };
}

async function launchRedis(port: number, dir: string, options: readonly string[]): Promise<RunningProcess> {
  const quiet = ['--save', '', '--appendonly', 'no', '--daemonize', 'no', '--loglevel', 'warning'];
  const server = await start([
    'redis-server',
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
    ...quiet,
    ...options,
  ]);
  await serving(server, [port]);
  return server;
}
