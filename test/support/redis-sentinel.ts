import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink, RedisSettings } from '../../src/tables/redis/link.ts';
import { freePort } from './ports.ts';
import { type RunningProcess, serving, start, until } from './process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { tlsClient, tlsServer } from './redis-tls.ts';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';
import type { TestCertificates } from './tls.ts';

/** What the Sentinels call the server. */
export const MASTER_NAME = 'tables';
export const SERVER_PASSWORD = 's3rver-secret';
export const SENTINEL_PASSWORD = 's3ntinel-secret';
const SENTINELS = 3;
const REPLICAS = 2;
/** A failover takes some of these, in ms. A busy machine must not look dead. */
const DOWN_AFTER = 1_000;
/** Twice this lies between two failovers at least, in ms. */
const FAILOVER_TIMEOUT = 3_000;

export type Sentinels = {
  ports: number[];
  /** By the port that clients reach it at. */
  servers: Map<number, RedisServer>;
  /** All over TLS, with passwords. */
  settings: RedisSettings;
  /** The port of the master as the Sentinels see it. */
  masterPort(): Promise<number>;
  /** Until the Sentinels name another master than this one. */
  successorOf(port: number): Promise<number>;
  /** Until so many servers have all that the master has, and the Sentinels can do without it. */
  followedBy(replicas: number): Promise<void>;
  /** As if they had lost their files, and were told of this master. */
  setUpAnew(master: number): Promise<void>;
  stop(): Promise<void>;
};

/** Three Sentinels, a master and two replicas, all with TLS on 127.0.0.1. */
export async function startSentinels(certificates: TestCertificates): Promise<Sentinels> {
  const folder = temporaryFolder('sentinel');
  const servers = new Map<number, RedisServer>();
  const first = await startServer(certificates, servers);
  for (let i = 0; i < REPLICAS; i++) await startServer(certificates, servers, first);
  const ports: number[] = [];
  const sentinels: RunningProcess[] = [];
  for (let i = 0; i < SENTINELS; i++) {
    const port = await freePort();
    ports.push(port);
    sentinels.push(await startSentinel(folder, certificates, port, first));
  }
  const tls = tlsClient(certificates);
  const common = { username: null, database: 0, tls, timeout: 5_000 };
  const one = (port: number, password: string) =>
    connectRedis({ ...common, servers: { kind: 'single', host: '127.0.0.1', port }, password });
  const link = one(ports[0]!, SENTINEL_PASSWORD);
  await link.whenReady(30_000);
  const master = async () => {
    const reply = (await link.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as Buffer[];
    return Number(reply[1]);
  };
  const it: Sentinels = {
    ports,
    servers,
    settings: {
      ...common,
      servers: {
        kind: 'sentinel',
        sentinels: ports.map((port) => ({ host: '127.0.0.1', port })),
        master: MASTER_NAME,
        username: null,
        password: SENTINEL_PASSWORD,
      },
      password: SERVER_PASSWORD,
    },
    masterPort: master,
    successorOf: async (port) => {
      await until('another master', async () => (await master()) !== port);
      return master();
    },
    followedBy: async (replicas) => {
      await until(`${replicas} replicas and all Sentinels are known`, () => isWhole(link, replicas));
      const server = one(await master(), SERVER_PASSWORD);
      await server.whenReady(30_000);
      await until(`${replicas} replicas have it all`, () => reaches(server, replicas));
      server.close();
    },
    setUpAnew: async (port) => {
      const links = ports.map((each) => one(each, SENTINEL_PASSWORD));
      await Promise.all(links.map((each) => each.whenReady(30_000)));
      for (const each of links) await each.command('SENTINEL', 'REMOVE', MASTER_NAME);
      for (const each of links) {
        await each.command('SENTINEL', 'MONITOR', MASTER_NAME, '127.0.0.1', port, 2);
        await each.command('SENTINEL', 'SET', MASTER_NAME, 'auth-pass', SERVER_PASSWORD);
        each.close();
      }
    },
    stop: async () => {
      link.close();
      await Promise.all([...sentinels, ...servers.values()].map((each) => each.stop()));
      folder.remove();
    },
  };
  await it.followedBy(REPLICAS);
  return it;
}

async function startServer(
  certificates: TestCertificates,
  servers: Map<number, RedisServer>,
  master?: number,
): Promise<number> {
  const port = await freePort();
  const server = await startRedis([
    ...tlsServer(certificates, port),
    ...['--requirepass', SERVER_PASSWORD, '--masterauth', SERVER_PASSWORD],
    // Else a replica would wait 5 s for others to join.
    ...['--repl-diskless-sync-delay', '0'],
    ...(master === undefined ? [] : ['--replicaof', `127.0.0.1 ${master}`]),
  ]);
  servers.set(port, server);
  return port;
}

async function startSentinel(
  folder: TemporaryFolder,
  certificates: TestCertificates,
  port: number,
  master: number,
): Promise<RunningProcess> {
  const tls = tlsServer(certificates, port).join(' ').split(/ ?--/).slice(1);
  // A Sentinel writes what it learns into its file.
  const config = folder.file(
    `${port}.conf`,
    [
      ...['port 0', 'bind 127.0.0.1', `dir ${folder.path}`, ...tls],
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master} 2`,
      `sentinel auth-pass ${MASTER_NAME} ${SERVER_PASSWORD}`,
      `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER}`,
      `sentinel failover-timeout ${MASTER_NAME} ${FAILOVER_TIMEOUT}`,
      ...[`requirepass ${SENTINEL_PASSWORD}`, `sentinel sentinel-pass ${SENTINEL_PASSWORD}`, ''],
    ].join('\n'),
  );
  const sentinel = await start(['redis-server', config, '--sentinel']);
  process.once('exit', () => sentinel.status() ?? sentinel.kill('SIGKILL'));
  await serving(sentinel, [port]);
  return sentinel;
}

/** All Sentinels know each other, and so many servers that can be the next master. */
async function isWhole(link: RedisLink, replicas: number): Promise<boolean> {
  const [master = [], known = []] = (await link.batch([
    ['SENTINEL', 'MASTER', MASTER_NAME],
    ['SENTINEL', 'REPLICAS', MASTER_NAME],
  ])) as [Buffer[], Buffer[][]];
  const fields = fieldsOf(master);
  const up = known.map(fieldsOf).filter((each) => each.get('flags') === 'slave');
  const others = Number(fields.get('num-other-sentinels'));
  return fields.get('flags') === 'master' && others === SENTINELS - 1 && up.length === replicas;
}

/** What the Sentinels say of a replica may be ten seconds old: whether it follows, the master knows. */
async function reaches(server: RedisLink, replicas: number): Promise<boolean> {
  await server.command('SET', 'reaches', 'all');
  const reached = await server.command('WAIT', replicas, 200);
  await server.command('DEL', 'reaches');
  return reached === replicas;
}

function fieldsOf(reply: readonly Buffer[]): Map<string, string> {
  const texts = reply.map(String);
  return new Map(texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1] ?? '']] : [])));
}
