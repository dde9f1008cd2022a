import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import { TablesUnavailable } from './store.ts';

/** The `redis:` section, with its secrets read. */
export type RedisSettings = {
  host: string;
  port: number;
  username: string | null;
  password: string | null;
  database: number;
  tls: RedisTls | null;
  /** For a command, in milliseconds; for the connection too. */
  timeout: number;
};

/** `ca` holds certificates in PEM; null for the system's. `serverName` null for the host. */
export type RedisTls = { ca: string | null; serverName: string | null; verify: boolean };

/** Strings are octet strings here as everywhere: they are sent as latin1. */
export type Argument = string | number | Buffer;
export type Command = readonly [name: string, ...args: Argument[]];
export type Reply = Buffer | number | null | Reply[];

/**
 * A connection to Redis that says at once when it cannot be asked: nothing waits in a queue for a server that is
 * gone, and one that stays silent for `timeout` is dropped and tried anew. Every failure is TablesUnavailable.
 */
export interface RedisLink {
  command(...command: Command): Promise<Reply>;
  /** Sends all in one go; rejects with the first failure when all were answered. */
  batch(commands: readonly Command[]): Promise<Reply[]>;
  /** MULTI to EXEC. False where a watched key changed and nothing was done. */
  transaction(commands: readonly Command[]): Promise<boolean>;
  /** Resolves once commands can be sent; rejects after `within` ms with what stands in the way. */
  whenReady(within: number): Promise<void>;
  /** Null while commands can be sent, else why not. */
  problem(): string | null;
  /** Called with each change between ready and not. */
  onChange(listener: () => void): void;
  /** Drops the connection; what is under way fails. */
  close(): void;
}

const FIRST_RETRY = 50;
/** An outage ends for a proxy at most this long after Redis is back. */
const LAST_RETRY = 2_000;
/** While Redis reads its data from disk it is asked this often at least. */
const LOADING_RETRY = 1_000;

/** Starts connecting; what is asked before the connection stands fails. */
export function connectRedis(settings: RedisSettings): RedisLink {
  return linkTo(new Redis(clientOptions(settings)), `Redis at ${settings.host}:${settings.port}`);
}

/** Doubles up to the last, then takes a random half off: a thousand proxies must not come back in step. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling * (0.5 + random() / 2));
}

function clientOptions(settings: RedisSettings) {
  const { username, password, timeout } = settings;
  return {
    host: settings.host,
    port: settings.port,
    db: settings.database,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(settings.tls === null ? {} : { tls: tlsOptions(settings.tls, settings.host) }),
    connectionName: 'teapop-proxy',
    connectTimeout: timeout,
    commandTimeout: timeout,
    socketTimeout: timeout,
    retryStrategy: (attempt: number) => retryDelay(attempt),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
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

function linkTo(redis: Redis, name: string): RedisLink {
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
  const problem = () => (redis.status === 'ready' ? null : `${name}: ${failure}`);
  const unavailable = (error: unknown): never => {
    const message = told(error);
    throw new TablesUnavailable(`${name}: ${LESS_TOLD.has(message) ? failure : message}`);
  };
  return {
    command: async (...[command, ...args]) =>
      redis.callBuffer(command, ...args.map(octets)).catch(unavailable) as Promise<Reply>,
    batch: (commands) => batch(redis, commands).catch(unavailable),
    transaction: (commands) => transaction(redis, commands).catch(unavailable),
    whenReady: (within) => whenReady(redis, within).catch(unavailable),
    problem,
    onChange: (listener) => void listeners.add(listener),
    close: () => redis.disconnect(),
  };
}

async function batch(redis: Redis, commands: readonly Command[]): Promise<Reply[]> {
  if (commands.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args.map(octets));
  return unwrapped(await pipeline.exec());
}

async function transaction(redis: Redis, commands: readonly Command[]): Promise<boolean> {
  const multi = redis.multi();
  for (const [name, ...args] of commands) multi.callBuffer(name, ...args.map(octets));
  const results = await multi.exec();
  if (results === null) return false;
  unwrapped(results);
  return true;
}

function unwrapped(results: [error: Error | null, result: unknown][] | null): Reply[] {
  const failed = results?.find(([error]) => error !== null);
  if (failed !== undefined) throw failed[0];
  return (results ?? []).map(([, reply]) => reply as Reply);
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
