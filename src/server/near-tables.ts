import type { Config } from '../config/schema.ts';
import type { Secrets } from '../config/secrets.ts';
import type { Log } from '../ops/log.ts';
import type { NearState } from '../ops/table-metrics.ts';
import { NearStore } from '../tables/near/store.ts';
import { Feed } from '../tables/published/feed.ts';
import { RedisStore } from '../tables/published/redis-store.ts';
import { connectRedis, listenRedis } from '../tables/redis/client.ts';
import { connected, type RedisLink, type RedisSettings } from '../tables/redis/link.ts';
import { type SnapshotEvents, SnapshotKeeper } from '../tables/snapshot/keeper.ts';
import { redisSettings } from './redis-settings.ts';
import type { Tables } from './tables.ts';

/** Tables in Redis, with what is remembered of them. Rejects where a file of the `redis:` section cannot be read. */
export async function openNearTables(config: Config, secrets: Secrets, log: Log): Promise<Tables> {
  const settings = await redisSettings(config, secrets);
  const { prefix } = config.redis;
  const { near, maxStale } = config.tables;
  const link = connectRedis(settings);
  const store = new RedisStore({ link, prefix });
  const keeper = await openKeeper(config, link, log);
  const feed = new Feed({
    link,
    prefix,
    trust: near.trust,
    held: keeper?.edition ?? null,
    listen: (channel, heard) => listenRedis(settings, channel, heard),
  });
  feed.add({ changed() {}, answering: (answers, detail) => reportFeed(log, answers, detail) });
  const bounds = { rows: near.rows, octets: near.memory, unknown: near.unknown };
  const nearStore = new NearStore({ store, feed, bounds, fallback: keeper, maxStale });
  keeper?.follow(feed);
  await firstOf(link, keeper, settings);
  feed.start();
  return {
    store: nearStore,
    reload: async () => {},
    redisUp: () => link.problem() === null,
    near: () => nearState(nearStore, feed, keeper),
  };
}

async function openKeeper(config: Config, link: RedisLink, log: Log): Promise<SnapshotKeeper | null> {
  const { snapshot: path, snapshotEvery: every, maxStale } = config.tables;
  if (path === null) return null;
  const { prefix } = config.redis;
  return SnapshotKeeper.open({ path, prefix, link, every, maxStale, on: snapshotEvents(log, path) });
}

/**
 * Before a client is let in there is something to ask: Redis, else the snapshot. That may be old, and is at hand sooner
 * than a connection: it serves once Redis is known to be gone. A single server that refuses is gone; Sentinels and
 * nodes may name another one. A large snapshot takes seconds to check, which nobody waits for with Redis there.
 */
async function firstOf(
  link: RedisLink,
  keeper: SnapshotKeeper | null,
  { servers, timeout }: RedisSettings,
): Promise<void> {
  const ready = link.whenReady(timeout).catch(() => keeper?.verified);
  if (servers.kind !== 'single') return ready;
  await connected(link, timeout).catch(() => {
    // Of a snapshot that is not there, or no good, there is nothing to serve.
    const held = keeper?.verified.then(() => (keeper.edition === null ? ready : undefined)) ?? ready;
    return Promise.race([ready, held]);
  });
}

function reportFeed(log: Log, answers: boolean, detail: string): void {
  if (answers) log.event('info', 'tables-followed');
  else log.event('warn', 'tables-not-followed', { detail });
}

function snapshotEvents(log: Log, file: string): SnapshotEvents {
  return {
    written: ({ edition, users, sections, taken }, octets, duration) => {
      const facts = { generation: edition.generation, users, tables: sections, unchanged: taken };
      log.event('info', 'snapshot-written', { file, ...facts, octets, duration: Math.round(duration) });
    },
    refused: (detail) => log.event('error', 'snapshot-refused', { file, detail }),
    failed: (detail) => log.event('warn', 'snapshot-failed', { file, detail }),
  };
}

function nearState(store: NearStore, feed: Feed, keeper: SnapshotKeeper | null): NearState {
  const snapshot = keeper?.state ?? null;
  return {
    lookups: store.counts,
    ...store.size,
    invalidated: store.invalidated,
    generation: feed.edition?.generation ?? null,
    feedTrusted: feed.trusted,
    feedAgeSeconds: Number.isFinite(feed.age) ? feed.age / 1000 : null,
    snapshot: snapshot && {
      generation: snapshot.generation,
      ageSeconds: snapshot.age === null ? null : snapshot.age / 1000,
      octets: snapshot.octets,
    },
  };
}
