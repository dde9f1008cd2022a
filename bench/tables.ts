/**
 * What the tables cost as they grow: `bun bench/tables.ts [--each=USERS] [USERS …]`, by default 10^4 to 10^7 users, 100
 * in each domain. `--each` says how many: as many as there are users make one big file.
 *
 * Real Redis, the real `sync`, one password file for each domain. The rows are htpasswd rows, so that the time is that
 * of reading, packing and publishing: a textfile's first sync adds one Argon2id hash for each user, whose time the last
 * line has. Prints Markdown; everything is made in a temporary folder and removed.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { ARGON2_DEFAULT, hashPassword } from '../src/auth/argon2.ts';
import { NearStore } from '../src/tables/near/store.ts';
import { Feed } from '../src/tables/published/feed.ts';
import { RedisStore } from '../src/tables/published/redis-store.ts';
import { connectRedis } from '../src/tables/redis/client.ts';
import type { RedisLink, RedisSettings } from '../src/tables/redis/link.ts';
import { lookup } from '../src/tables/teapop/lookup.ts';
import type { TableStore } from '../src/tables/teapop/store.ts';
import { start } from '../test/support/process.ts';
import { type RedisServer, startRedis } from '../test/support/redis.ts';
import { type TemporaryFolder, temporaryFolder } from '../test/support/temp.ts';

const { values, positionals } = parseArgs({
  options: { each: { type: 'string', default: '100' } },
  allowPositionals: true,
});
const USERS_IN_A_DOMAIN = Number(values.each);
/** 106 octets, as most htpasswd files of large sites have them. */
const HASH =
  '$6$saltsaltsaltsalt$zGeTDcRRFXvF4iWNAbEUOIHxCvMcs9rC8gkGTfIDUCZrA9k9c4sGsd2fRnsYNM6rFYrF6pAUl/ZIMnjG8lkiu1';
const CHUNK_OCTETS = 2 ** 20;
/** Of each round the quantiles; of all rounds the least, for what else the machine does makes none faster. */
const ROUNDS = 10;
const LOOKUPS = 4_000;
const HOT = 1_000;

type Row = {
  users: number;
  first: Sync;
  unchanged: Sync;
  oneChanged: Sync;
  octetsPerUser: number;
  cold: Quantiles;
  /** p50 against that of the first size, asked in turn with it. */
  growth: number;
  hot: Quantiles;
};
type Sync = { seconds: number; rss: number };
type Quantiles = { p50: number; p99: number };

/** A published site. */
type Site = {
  users: number;
  folder: TemporaryFolder;
  redis: RedisServer;
  link: RedisLink;
  store: RedisStore;
};

async function main(sizes: readonly number[]): Promise<void> {
  const rows: Row[] = [];
  // Stays to the end, for the others to be compared with.
  let smallest: Site | null = null;
  for (const users of sizes) {
    const site = await openSite(users);
    smallest ??= site;
    rows.push(await measure(site, smallest));
    process.stderr.write(`${users} users done\n`);
    if (site !== smallest) await closeSite(site);
  }
  if (smallest !== null) await closeSite(smallest);
  process.stdout.write(`${report(rows)}\n${await hashing()}\n`);
}

async function openSite(users: number): Promise<Site> {
  const folder = temporaryFolder('bench-tables');
  const redis = await startRedis();
  const link = connectRedis(settings(redis));
  await link.whenReady(5_000);
  return { users, folder, redis, link, store: new RedisStore({ link, prefix: 'teapop' }) };
}

async function closeSite({ folder, redis, store }: Site): Promise<void> {
  await store.close();
  await redis.stop();
  folder.remove();
}

async function measure(site: Site, smallest: Site): Promise<Row> {
  const { users, folder, redis, link } = site;
  const empty = await usedMemory(link);
  const config = writeSite(folder, users, redis.port);
  const first = await sync(config);
  const octetsPerUser = ((await usedMemory(link)) - empty) / users;
  const unchanged = await sync(config);
  writeDomain(folder, 0, 'changed');
  const oneChanged = await sync(config);
  return { users, first, unchanged, oneChanged, octetsPerUser, ...(await lookups(site, smallest)) };
}

function settings({ port }: RedisServer): RedisSettings {
  const servers = { kind: 'single', host: '127.0.0.1', port } as const;
  return { servers, username: null, password: null, database: 0, tls: null, timeout: 60_000 };
}

/** @returns the path of the config */
function writeSite(folder: TemporaryFolder, users: number, port: number): string {
  mkdirSync(`${folder.path}/pw`);
  const table = openSync(`${folder.path}/teapop.passwd`, 'w');
  for (let domain = 0; domain * USERS_IN_A_DOMAIN < users; domain++) {
    writeDomain(folder, domain, HASH);
    const file = `${folder.path}/pw/${domain}`;
    writeSync(table, `d${domain}.example:*:htpasswd:/var/mail:0:mail:mail:${file}:${USERS_IN_A_DOMAIN}:\n`);
  }
  return folder.file(
    'config.yaml',
    `listeners: [{ name: pop3, port: 1110, plaintext_auth: always, tls: off }]
tables: { domain_table: ${folder.path}/teapop.passwd }
redis: { port: ${port}, timeout: 60s }
passwords: { fingerprint_key_file: ${folder.path}/fingerprint.key }
upstreams: [{ name: none, host: 127.0.0.1 }]
`,
  );
}

/** @param first the hash of its first user */
function writeDomain(folder: TemporaryFolder, domain: number, first: string): void {
  const file = openSync(`${folder.path}/pw/${domain}`, 'w');
  let text = '';
  for (let user = 0; user < USERS_IN_A_DOMAIN; user++) {
    text += `user${user}:${user === 0 ? first : HASH}\n`;
    if (text.length < CHUNK_OCTETS) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}

/** One run of the executable. Its peak is the kernel's own figure, read while it runs. */
async function sync(config: string): Promise<Sync> {
  const began = performance.now();
  const command = new URL('../bin/teapop-proxy', import.meta.url).pathname;
  const child = await start([command, 'sync', '--config', config]);
  let rss = 0;
  const watch = setInterval(() => {
    rss = Math.max(rss, peakMemory(child.pid));
  }, 20);
  const { code } = await child.exited;
  clearInterval(watch);
  if (code !== 0) throw new Error(child.output());
  return { seconds: (performance.now() - began) / 1000, rss };
}

function peakMemory(pid: number): number {
  try {
    const [, kib = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kib) * 1024;
  } catch {
    // It has ended.
    return 0;
  }
}

async function usedMemory(link: RedisLink): Promise<number> {
  const info = ((await link.command('INFO', 'memory')) as Buffer).toString();
  return Number(/used_memory:(\d+)/.exec(info)?.[1]);
}

/** One after the other, from one client: what a login waits for, not what Redis can take. */
async function lookups(site: Site, smallest: Site): Promise<Pick<Row, 'cold' | 'growth' | 'hot'>> {
  const rounds: Quantiles[] = [];
  const beside: Quantiles[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [{ store, users }, into] of [
      [site, rounds],
      [smallest, beside],
    ] as const) {
      into.push(await quantiles(store, () => login(Math.floor(Math.random() * users))));
    }
  }
  const cold = least(rounds);
  return { cold, growth: cold.p50 / least(beside).p50, hot: await hot(site) };
}

async function hot({ link, store, users }: Site): Promise<Quantiles> {
  const feed = new Feed({ link, prefix: 'teapop', trust: 1_000 });
  const bounds = { rows: 100_000, octets: 64 * 2 ** 20, unknown: 10_000 };
  // The link goes on to be used.
  const source = { ...bound(store), close: async () => {} };
  const near = new NearStore({ store: source, feed, bounds, fallback: null, maxStale: 86_400_000 });
  feed.start();
  const next = () => login(Math.floor(Math.random() * Math.min(HOT, users)));
  for (let i = 0; i < 10 * HOT; i++) await lookup(near, next(), '127.0.0.1', '@');
  const rounds: Quantiles[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await quantiles(near, next));
  await near.close();
  return least(rounds);
}

function bound(store: RedisStore) {
  return {
    domainsNow: store.domainsNow.bind(store),
    userRows: store.userRows.bind(store),
    keepBetter: store.keepBetter.bind(store),
    status: store.status.bind(store),
  };
}

function least(rounds: readonly Quantiles[]): Quantiles {
  return {
    p50: Math.min(...rounds.map(({ p50 }) => p50)),
    p99: Math.min(...rounds.map(({ p99 }) => p99)),
  };
}

function login(user: number): string {
  return `user${user % USERS_IN_A_DOMAIN}@d${Math.floor(user / USERS_IN_A_DOMAIN)}.example`;
}

/** In microseconds. Throws where a user is not found: a fast wrong answer is no measurement. */
async function quantiles(store: TableStore, next: () => string): Promise<Quantiles> {
  const times: number[] = [];
  for (let i = 0; i < LOOKUPS; i++) {
    const user = next();
    const began = performance.now();
    const found = await lookup(store, user, '127.0.0.1', '@');
    times.push((performance.now() - began) * 1000);
    if (found.result !== 'rows') throw new Error(`${user}: ${found.result}`);
  }
  times.sort((one, other) => one - other);
  return { p50: times[LOOKUPS / 2]!, p99: times[LOOKUPS * 0.99]! };
}

function report(rows: readonly Row[]): string {
  const mib = (octets: number) => Math.round(octets / 2 ** 20);
  const lines = rows.map(({ users, first, unchanged, oneChanged, octetsPerUser, cold, growth, hot }) => {
    const us = (time: number) => time.toFixed(time < 10 ? 2 : 0);
    const times = [us(cold.p50), us(cold.p99), growth.toFixed(2), us(hot.p50)];
    const syncs = [first, unchanged, oneChanged].map(
      ({ seconds, rss }) => `${seconds.toFixed(1)} s, ${mib(rss)} MiB`,
    );
    const rate = Math.round(users / first.seconds);
    return `| ${[users, ...syncs, rate, (octetsPerUser - HASH.length).toFixed(0), ...times].join(' | ')} |`;
  });
  return [
    '| users | first sync, peak | unchanged | one row changed | rows/s | octets a user over the hash | cold p50 µs | p99 | growth | hot p50 |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...lines,
  ].join('\n');
}

async function hashing(): Promise<string> {
  const lanes = availableParallelism();
  const count = 20 * lanes;
  const began = performance.now();
  const lane = async () => {
    for (let i = 0; i < count / lanes; i++) await hashPassword(`password ${i}`, ARGON2_DEFAULT);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const perSecond = count / ((performance.now() - began) / 1000);
  return `\nArgon2id with the default parameters: ${perSecond.toFixed(0)} hashes/s on ${lanes} cores.`;
}

const sizes = positionals.map(Number);
await main(sizes.length > 0 ? sizes : [1e4, 1e5, 1e6, 1e7]);
process.exit(0);
