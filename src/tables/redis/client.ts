import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import { TablesUnavailable } from '../teapop/store.ts';
import { RedisCluster } from './cluster.ts';
import {
  type Address,
  type Argument,
  type Command,
  linkOver,
  type RedisLink,
  type RedisPeer,
  type RedisSettings,
  type RedisTls,
  Refusal,
  type Reply,
  retryDelay,
  shown,
} from './link.ts';
import { ScanGuard } from './scan-guard.ts';
import { latestOf, RedisSentinels } from './sentinels.ts';

/** While Redis reads its data from disk it is asked this often at least. */
const LOADING_RETRY = 1_000;
/** A connection that only listens does not notice by itself that nobody is there any more, in ms. */
const PING_EVERY = 15_000;

/** Starts connecting; what is asked before the connection stands fails. */
export function connectRedis(settings: RedisSettings): RedisLink {
  const { servers, timeout } = settings;
  const openServer = (address: Address) => open(settings, address);
  switch (servers.kind) {
    case 'single':
      return linkOver(openServer(servers));
    case 'sentinel':
      return linkOver(
        new RedisSentinels({ ...servers, openServer, openSentinel: sentinelsOf(settings, servers) }),
      );
    case 'cluster':
      return linkOver(new RedisCluster({ seeds: servers.nodes, open: openServer, timeout }));
  }
}

/**
 * Hears what is published on a channel, over a connection of its own. While that is down nothing is heard, and
 * nobody is told: a nudge, not a record.
 */
export function listenRedis(settings: RedisSettings, channel: string, heard: () => void): { close(): void } {
  let attempt = 0;
  let redis: Redis | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const again = () => {
    if (!closed) timer = setTimeout(() => void begin(), retryDelay(++attempt));
  };
  const begin = async () => {
    try {
      const address = await listeningPoint(settings, attempt);
      if (closed) return;
      redis = new Redis({ ...clientOptions(settings, address), retryStrategy: null });
      listen(redis, channel, heard, () => {
        attempt = 0;
      });
      redis.on('end', again);
    } catch {
      again();
    }
  };
  void begin();
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
      redis?.disconnect();
    },
  };
}

function listen(redis: Redis, channel: string, heard: () => void, listening: () => void): void {
  const leave = () => redis.disconnect();
  let pings: NodeJS.Timeout | undefined;
  redis.on('error', () => {});
  redis.on('ready', () => {
    redis.subscribe(channel).then(listening, leave);
    pings = setInterval(() => redis.ping().catch(leave), PING_EVERY);
  });
  redis.on('message', heard);
  redis.on('close', () => clearInterval(pings));
}

/** Where to listen; in a Cluster at any node, for they hand on to each other what is published: at each try another. */
async function listeningPoint(settings: RedisSettings, attempt: number): Promise<Address> {
  const { servers, timeout } = settings;
  if (servers.kind === 'single') return servers;
  if (servers.kind === 'cluster') return servers.nodes[attempt % servers.nodes.length]!;
  const sentinels = servers.sentinels.map(sentinelsOf(settings, servers));
  try {
    await Promise.any(sentinels.map((sentinel) => sentinel.whenReady(timeout)));
    return (await latestOf(sentinels, servers.master)).address;
  } finally {
    for (const sentinel of sentinels) sentinel.close();
  }
}

function sentinelsOf(settings: RedisSettings, { username, password }: Credentials) {
  return (address: Address) => open({ ...settings, username, password, database: 0 }, address, 'Sentinel');
}

type Credentials = Pick<RedisSettings, 'username' | 'password'>;

function open(settings: RedisSettings, address: Address, what = 'Redis'): RedisPeer {
  return peerOver(new Redis(clientOptions(settings, address)), `${what} at ${shown(address)}`);
}

function clientOptions(settings: RedisSettings, { host, port }: Address) {
  const { username, password, database, tls, timeout } = settings;
  return {
    host,
    port,
    db: database,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(tls === null ? {} : { tls: tlsOptions(tls, host) }),
    connectionName: 'teapop-proxy',
    disableClientInfo: true,
    connectTimeout: timeout,
    commandTimeout: timeout,
    socketTimeout: timeout,
    retryStrategy: (attempt: number) => retryDelay(attempt),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: LOADING_RETRY,
  } satisfies RedisOptions;
}

function tlsOptions(tls: RedisTls, host: string): ConnectionOptions {
  const name = tls.serverName ?? host;
  return {
    // RFC 6066 §3: an address is no server name; it is looked for in the certificate all the same.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    rejectUnauthorized: tls.verify,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
  };
}

function peerOver(redis: Redis, name: string): RedisPeer {
  let failure = 'not connected yet';
  // ioredis reports each failed attempt as an event; without a listener it writes them to the console.
  redis.on('error', (error) => {
    failure = told(error);
  });
  redis.on('ready', () => {
    failure = 'connection lost';
  });
  // ioredis waits until that is over, and tells nobody.
  redis.on('connect', async () => {
    if (await isLoading(redis)) failure = 'it is loading its data';
  });
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  redis.on('ready', tell);
  redis.on('close', tell);
  const failed = (error: unknown): TablesUnavailable => {
    const message = told(error);
    // A server may be too slow and yet never silent: each login would wait for as long.
    if (message === TIMED_OUT) redis.stream.destroy(new Error(message));
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
    close: () => {
      redis.disconnect();
      failure = 'connection closed';
    },
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

async function isLoading(redis: Redis): Promise<boolean> {
  const told = await redis.info('persistence').catch(() => '');
  return /^loading:1\r?$/m.test(told) && redis.status === 'connect';
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

/** Of ioredis, for a command that was not answered in time. */
const TIMED_OUT = 'Command timed out';

/** The message alone: an error of ioredis carries the arguments of its command. */
function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
