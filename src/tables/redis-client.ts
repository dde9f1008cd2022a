import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import { RedisCluster } from './redis-cluster.ts';
import {
  type Address,
  type Argument,
  type Command,
  linkOver,
  type RedisLink,
  type RedisPeer,
  type RedisServers,
  type RedisSettings,
  type RedisTls,
  Refusal,
  type Reply,
  retryDelay,
  shown,
} from './redis-link.ts';
import { ScanGuard } from './scan-guard.ts';
import { TablesUnavailable } from './store.ts';

export type { Argument, Command, RedisLink, RedisSettings, RedisTls, Reply } from './redis-link.ts';
export { retryDelay } from './redis-link.ts';

/** While Redis reads its data from disk it is asked this often at least. */
const LOADING_RETRY = 1_000;
/** Of the Sentinels so many are listened to for a failover: one may be gone, all of them would be a burden. */
const SENTINELS_HEARD = 3;

/** Starts connecting; what is asked before the connection stands fails. */
export function connectRedis(settings: RedisSettings): RedisLink {
  const { servers, timeout } = settings;
  if (servers.kind !== 'cluster') return linkOver(connectOne(settings));
  const open = (address: Address) => connectOne({ ...settings, servers: { kind: 'single', ...address } });
  return linkOver(new RedisCluster({ seeds: servers.nodes, open, timeout }));
}

/**
 * Hears what is published on a channel, over a connection of its own. While that is down nothing is heard, and
 * nobody is told: a nudge, not a record.
 */
export function listenRedis(settings: RedisSettings, channel: string, heard: () => void): { close(): void } {
  let attempt = 0;
  let timer: NodeJS.Timeout | undefined;
  let redis = open();
  function open(): Redis {
    // A Cluster's nodes hand on to each other what is published; the next try is at the next of those known.
    const one = new Redis({ ...optionsOf(settings, attempt), retryStrategy: null });
    one.on('error', () => {});
    one.on('ready', () => {
      attempt = 0;
      one.subscribe(channel).catch(() => one.disconnect());
    });
    one.on('message', heard);
    one.on('end', () => {
      timer = setTimeout(() => {
        redis = open();
      }, retryDelay(++attempt));
    });
    return one;
  }
  return {
    close: () => {
      redis.removeAllListeners('end');
      clearTimeout(timer);
      redis.disconnect();
    },
  };
}

function optionsOf(settings: RedisSettings, attempt: number) {
  const { servers } = settings;
  if (servers.kind !== 'cluster') return clientOptions(settings);
  const node = servers.nodes[attempt % servers.nodes.length]!;
  return clientOptions({ ...settings, servers: { kind: 'single', ...node } });
}

function connectOne(settings: RedisSettings): RedisPeer {
  return peerOver(new Redis(clientOptions(settings)), nameOf(settings.servers));
}

function nameOf(servers: RedisServers): string {
  if (servers.kind === 'single') return `Redis at ${shown(servers)}`;
  const told = servers.kind === 'sentinel' ? servers.sentinels : servers.nodes;
  const whole = servers.kind === 'sentinel' ? `Redis ${servers.master} of the Sentinels` : 'Redis Cluster';
  return `${whole} at ${told.map(shown).join(', ')}`;
}

function clientOptions(settings: RedisSettings) {
  const { username, password, timeout } = settings;
  return {
    ...serverOptions(settings),
    db: settings.database,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    connectionName: 'teapop-proxy',
    disableClientInfo: true,
    connectTimeout: timeout,
    commandTimeout: timeout,
    socketTimeout: timeout,
    retryStrategy: (attempt: number) => retryDelay(attempt),
    // Of a server that was the master: whoever is it now has to be found.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: LOADING_RETRY,
  } satisfies RedisOptions;
}

function serverOptions({ servers, tls, timeout }: RedisSettings) {
  if (servers.kind !== 'sentinel') {
    const { host, port } = servers.kind === 'single' ? servers : servers.nodes[0]!;
    return { host, port, ...(tls === null ? {} : { tls: tlsOptions(tls, host) }) };
  }
  const { sentinels, master, username, password } = servers;
  const retry = (attempt: number) => retryDelay(attempt);
  return {
    sentinels: [...sentinels],
    name: master,
    role: 'master' as const,
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
    ...(tls === null ? {} : { sentinelTLS: tlsOptions(tls, null) }),
    ...(tls === null ? {} : { tls: tlsOptions(tls, null), enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: timeout,
    sentinelRetryStrategy: retry,
    // A master that is cut off with us, or hangs, says nothing of its successor.
    failoverDetector: true,
    sentinelMaxConnections: SENTINELS_HEARD,
    sentinelReconnectStrategy: retry,
  };
}

/** @param host null where it is not known yet */
function tlsOptions(tls: RedisTls, host: string | null): ConnectionOptions {
  const name = tls.serverName ?? host;
  return {
    // RFC 6066 §3: an address is no server name; it is looked for in the certificate all the same.
    ...(name !== null && isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (asked, certificate) => checkServerIdentity(name ?? asked, certificate),
    rejectUnauthorized: tls.verify,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
  };
}

function peerOver(redis: Redis, name: string): RedisPeer {
  let failure = 'not connected yet';
  const fails = (why: string) => () => {
    failure = why;
  };
  // ioredis reports each failed attempt as an event; without a listener it writes them to the console.
  redis.on('error', (error) => fails(told(error))());
  redis.on('ready', fails('connection lost'));
  redis.on('end', fails('connection closed'));
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  redis.on('ready', tell);
  redis.on('close', tell);
  const failed = (error: unknown): TablesUnavailable => {
    const message = told(error);
    if ((error as Error)?.name === 'ReplyError') return new Refusal(name, message);
    return new TablesUnavailable(`${name}: ${LESS_TOLD.has(message) ? failure : message}`);
  };
  const guard = new ScanGuard();
  redis.on('close', () => guard.lost());
  return {
    ask: (commands) => ask({ redis, guard, failed }, commands),
    whenReady: (within) =>
      whenReady(redis, within).catch((error) => {
        throw failed(error);
      }),
    problem: () => (redis.status === 'ready' ? null : `${name}: ${failure}`),
    onChange: (listener) => void listeners.add(listener),
    close: () => redis.disconnect(),
  };
}

type Asked = { redis: Redis; guard: ScanGuard; failed: (error: unknown) => TablesUnavailable };

async function ask(asked: Asked, commands: readonly Command[]): Promise<(Reply | TablesUnavailable)[]> {
  const { guard, failed } = asked;
  if (!commands.every((command) => guard.admits(command))) {
    const lost = failed(new Error('the connection was lost during a scan'));
    return commands.map(() => lost);
  }
  const replies = await send(asked, commands);
  for (const [i, reply] of replies.entries()) {
    if (!(reply instanceof TablesUnavailable)) guard.answered(commands[i]!, reply);
  }
  return replies;
}

async function send({ redis, failed }: Asked, commands: readonly Command[]) {
  const [first, ...more] = commands;
  if (first === undefined) return [];
  if (more.length === 0) return [await sendOne(redis, first).catch(failed)];
  const pipeline = redis.pipeline();
  for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args.map(octets));
  try {
    const results = (await pipeline.exec()) ?? [];
    return results.map(([error, reply]) => (error === null ? (reply as Reply) : failed(error)));
  } catch (error) {
    return commands.map(() => failed(error));
  }
}

function sendOne(redis: Redis, [name, ...args]: Command): Promise<Reply> {
  return redis.callBuffer(name, ...args.map(octets)) as Promise<Reply>;
}

/** ioredis would write a string as UTF-8. */
function octets(argument: Argument): Buffer | number {
  return typeof argument === 'string' ? Buffer.from(argument, 'latin1') : argument;
}

function whenReady(redis: Redis, within: number): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const ready = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      redis.off('ready', ready);
      reject(new Error(NOT_WRITABLE));
    }, within);
    redis.once('ready', ready);
  });
}

/** What ioredis answers where the connection is down or went: true, but of less use than why. */
const NOT_WRITABLE = "Stream isn't writeable and enableOfflineQueue options is false";
const LESS_TOLD = new Set([
  NOT_WRITABLE,
  'Connection is closed.',
  'Command aborted due to connection close',
  'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
]);

/** The message alone: an error of ioredis carries the arguments of its command. */
function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
