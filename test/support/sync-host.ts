import { after, afterEach, before, beforeEach } from 'node:test';
import { stringify } from 'yaml';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import { type Outcome, run } from './process.ts';
import { EXECUTABLE } from './proxy-process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { redisAt } from './site.ts';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';

/** What a sync that is at work holds in Redis. */
export const CLAIM = 'teapop:{domains}:sync';
export const BEGUN = 'teapop:{domains}:begun';

export type SyncHost = {
  redis: RedisServer;
  link: RedisLink;
  /** Writes the config anew: the least that is one, with hashes that cost little unless a test wants others. */
  configure(passwords?: object, sync?: object): void;
  /** Writes a file of the tables. */
  write(name: string, text: string): void;
  /** A line of the domain table. */
  line(domain: string, file: string, max?: number): string;
  command(...args: string[]): readonly [string, ...string[]];
  /** Runs `teapop-proxy sync` to its end. */
  sync(...args: string[]): Promise<Outcome>;
  /** The mailbox that a login finds; null for an unknown user or domain. */
  mailboxOf(userid: string, domain: string): Promise<string | null>;
};

/** So many users of one password, which names their mailbox, too. */
export function users(count: number, password: string): string {
  return Array.from({ length: count }, (_, i) => `u${i}:${password}:${password}\n`).join('');
}

/** A Redis for the test file, and for each of its tests an emptied one with a folder for tables and config. */
export function syncHost(): SyncHost {
  let folder: TemporaryFolder;
  let store: RedisStore;
  let configFile: string;
  const it = { configure, mailboxOf } as SyncHost;

  before(async () => {
    it.redis = await startRedis();
  });
  after(() => it.redis.stop());
  beforeEach(async () => {
    folder = temporaryFolder('sync');
    it.link = connectRedis(redisAt(it.redis.port));
    await it.link.whenReady(30_000);
    await it.link.command('FLUSHALL');
    store = new RedisStore({ link: it.link, prefix: 'teapop' });
    configure();
  });
  afterEach(async () => {
    await store.close();
    folder.remove();
  });

  function configure(passwords: object = {}, sync: object = {}): void {
    const config = {
      listeners: [{ name: 'pop3', port: 0, address: '127.0.0.1', tls: 'off', plaintext_auth: 'always' }],
      upstreams: [{ name: 'mailstore', host: '127.0.0.1' }],
      tables: { domain_table: `${folder.path}/teapop.passwd` },
      redis: { port: it.redis.port },
      passwords: {
        fingerprint_key_file: `${folder.path}/fingerprint.key`,
        argon2: { memory: '7MiB', time: 1 },
        concurrency: 2,
        ...passwords,
      },
      sync,
    };
    configFile = folder.file('teapop-proxy.yaml', stringify(config));
  }

  async function mailboxOf(userid: string, domain: string): Promise<string | null> {
    const [entries] = await store.domainEntries([domain]);
    const entry = entries![0];
    if (entry === undefined) return null;
    const rows = await store.userRows(entry.table!, userid, entry.generation);
    return rows[0]?.mailbox ?? null;
  }

  it.write = (name, text) => void folder.file(name, text);
  it.line = (domain, file, max = 100_000) =>
    `${domain}:*:textfile:/m:0:mail:mail:${folder.path}/${file}:${max}:\n`;
  it.command = (...args) => [EXECUTABLE, 'sync', '--config', configFile, ...args];
  it.sync = (...args) => run(it.command(...args));
  return it;
}
