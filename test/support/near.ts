import { after, afterEach, before, beforeEach } from 'node:test';
import type { NearBounds } from '../../src/tables/near/rows.ts';
import { NearStore } from '../../src/tables/near/store.ts';
import { Feed } from '../../src/tables/published/feed.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis, listenRedis } from '../../src/tables/redis/client.ts';
import type { Command, RedisLink, RedisSettings } from '../../src/tables/redis/link.ts';
import { SnapshotKeeper } from '../../src/tables/snapshot/keeper.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../src/tables/teapop/lookup.ts';
import { type TableStore, TablesUnavailable } from '../../src/tables/teapop/store.ts';
import { isListening } from './ports.ts';
import { until } from './process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { makeSite, redisAt, type Site } from './site.ts';

/** A link that tells what goes over it and can be made to lose some of it. */
export type WatchedLink = RedisLink & {
  /** Names of the commands sent so far. */
  sent: string[];
  /** Where it is set, commands for which it holds are not sent: they fail as if Redis were gone. */
  loses: ((command: Command) => boolean) | null;
  /** Where it is set, each command waits for it before it is sent. */
  hold: Promise<void> | null;
};

export function watched(link: RedisLink): WatchedLink {
  const it: WatchedLink = {
    ...link,
    sent: [],
    loses: null,
    hold: null,
    command: async (...command) => (await it.batch([command]))[0] ?? null,
    batch: async (commands) => {
      it.sent.push(...commands.map(([name]) => name));
      if (commands.some((command) => it.loses?.(command))) throw new TablesUnavailable('lost on the way');
      await it.hold;
      return link.batch(commands);
    },
  };
  return it;
}

export type NearOptions = {
  bounds?: Partial<NearBounds>;
  trust?: number;
  maxStale?: number;
  /** False leaves the proxy to its polls. */
  nudged?: boolean;
  timeout?: number;
  /** Keeps a snapshot there, written anew as often. */
  snapshot?: { path: string; every?: number; clock?: () => number };
};

export type Near = {
  near: NearStore;
  feed: Feed;
  link: WatchedLink;
  keeper: SnapshotKeeper | null;
  /** What the keeper told: 'written 2', 'refused …', 'failed …'. */
  events: string[];
  /** When it told each of them, by performance.now(). */
  toldAt: number[];
  close(): Promise<void>;
};

const BOUNDS = { rows: 1_000, octets: 2 ** 20, unknown: 100 };

/** What a proxy opens to look up in the tables published under `test`, with its feed following. */
export async function openNear(redis: RedisSettings, options: NearOptions = {}): Promise<Near> {
  const { bounds, trust = 1_000, maxStale = 60_000, nudged = true, timeout = redis.timeout } = options;
  const settings = { ...redis, timeout };
  const link = watched(connectRedis(settings));
  const store = new RedisStore({ link, prefix: 'test' });
  const events: string[] = [];
  const toldAt: number[] = [];
  const tell = (event: string) => {
    events.push(event);
    toldAt.push(performance.now());
  };
  const keeper = await openKeeper(link, options, maxStale, tell);
  const listen = (channel: string, heard: () => void) => listenRedis(settings, channel, heard);
  const held = keeper?.edition ?? null;
  const feed = new Feed({ link, prefix: 'test', trust, held, ...(nudged ? { listen } : {}) });
  const near = new NearStore({ store, feed, bounds: { ...BOUNDS, ...bounds }, fallback: keeper, maxStale });
  keeper?.follow(feed);
  feed.start();
  await keeper?.verified;
  return { near, feed, link, keeper, events, toldAt, close: () => near.close() };
}

type Tell = (event: string) => void;

async function openKeeper(link: RedisLink, { snapshot }: NearOptions, maxStale: number, tell: Tell) {
  if (snapshot === undefined) return null;
  return SnapshotKeeper.open({
    ...{ every: 50, prefix: 'test', link, maxStale, ...snapshot },
    on: {
      written: ({ edition, taken }) => tell(`written ${edition.generation}, ${taken} taken over`),
      refused: (reason) => tell(`refused: ${reason}`),
      failed: (reason) => tell(`failed: ${reason}`),
    },
  });
}

/** The mailbox that a login comes to; else why it comes to none. */
export async function mailboxOf(store: TableStore, user: string): Promise<string> {
  const found = await lookup(store, user, '127.0.0.1', DEFAULT_DIVIDERS);
  if (found.result === 'rows') return found.rows[0]!.mailbox;
  return found.result === 'none' ? found.reason : found.result;
}

export type NearSite = {
  server: RedisServer;
  site: Site;
  sync(): Promise<unknown>;
  /** Opened in a test, closed behind it; when it follows what is published. */
  open(options?: NearOptions): Promise<Near>;
  /** The same without Redis. */
  openAlone(options?: NearOptions): Promise<Near>;
};

export const NEAR_DOMAINS = [
  'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:',
  'other.org:*:textfile:/o:0:mail:mail:{dir}/others:1000:',
  '',
].join('\n');

/** A Redis for the file, and for each of its tests a small published site. @param options of redis-server */
export function nearSite(options: readonly string[] = []): NearSite {
  const opened: Near[] = [];
  const it = {
    sync: () => it.site.sync(it.server.port),
    open: async (nearOptions) => {
      const near = await it.openAlone(nearOptions);
      await until('the feed follows', () => near.feed.trusted);
      return near;
    },
    openAlone: async (nearOptions) => {
      const near = await openNear(redisAt(it.server.port), nearOptions);
      opened.push(near);
      return near;
    },
  } as NearSite;
  before(async () => {
    it.server = await startRedis(options);
  });
  after(() => it.server.stop());
  beforeEach(async () => {
    if (!(await isListening(it.server.port))) await it.server.restart();
    const link = connectRedis(redisAt(it.server.port));
    await link.whenReady(30_000);
    await link.command('FLUSHALL');
    link.close();
    it.site = makeSite('near');
    it.site.write('teapop.passwd', NEAR_DOMAINS);
    it.site.write('users', 'john:pw:box\njane:pw:jane\n');
    it.site.write('others', 'otto:pw:otto\n');
    await it.sync();
  });
  afterEach(async () => {
    for (const near of opened.splice(0)) await near.close();
    it.site.remove();
  });
  return it;
}
