import { after, afterEach, before, beforeEach } from 'node:test';
import type { PublishReport } from '../../src/tables/publish/publication.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import type { SyncOptions } from '../../src/tables/sync/sync.ts';
import type { UserRow } from '../../src/tables/teapop/model.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { makeSite, redisAt, type Site } from './site.ts';

export const DOMAIN_TABLE = [
  'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:100:',
  'old.org:*:htpasswd:/m:0:mail:mail:{dir}/htpasswd:100:',
  '',
].join('\n');
export const USERS = 'john:secret-of-john:box\njane:secret-of-jane:jane\nbob:secret-of-bob:/abs/bob\n';
const HTPASSWD = 'john:abrVGN.c35n9U\n';

export type Publishing = {
  server: RedisServer;
  site: Site;
  link: RedisLink;
  store: RedisStore;
  sync(options?: Partial<SyncOptions>): Promise<PublishReport>;
  /** A user's rows as a login finds them. */
  rowsOf(userid: string, domain?: string): Promise<UserRow[]>;
  keys(pattern: string): Promise<string[]>;
};

/** A Redis for the file, and for each of its tests an emptied one with a small site that is not yet published. */
export function publishing(): Publishing {
  const it = { sync, rowsOf, keys } as Publishing;

  before(async () => {
    it.server = await startRedis();
  });
  after(() => it.server.stop());
  beforeEach(async () => {
    it.site = makeSite('publish');
    it.site.write('teapop.passwd', DOMAIN_TABLE);
    it.site.write('users', USERS);
    it.site.write('htpasswd', HTPASSWD);
    it.link = connectRedis(redisAt(it.server.port));
    await it.link.whenReady(30_000);
    await it.link.command('FLUSHALL');
    it.store = new RedisStore({ link: it.link, prefix: 'test' });
  });
  afterEach(async () => {
    await it.store.close();
    it.site.remove();
  });

  async function sync(options: Partial<SyncOptions> = {}): Promise<PublishReport> {
    return (await it.site.sync(it.server.port, options)).report;
  }

  async function rowsOf(userid: string, domain = 'acme.com'): Promise<UserRow[]> {
    const [entries] = await it.store.domainEntries([domain]);
    return it.store.userRows(entries![0]!.table!, userid, entries![0]!.generation);
  }

  async function keys(pattern: string): Promise<string[]> {
    return ((await it.link.command('KEYS', pattern)) as Buffer[]).map(String).toSorted();
  }

  return it;
}
