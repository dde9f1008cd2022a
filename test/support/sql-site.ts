import { after, afterEach, before, beforeEach } from 'node:test';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { createPasswordTools } from '../../src/auth/password-tools.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { PublishReport } from '../../src/tables/publish/publication.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import type { CompileOptions } from '../../src/tables/sources/compile.ts';
import type { SyncOptions } from '../../src/tables/sync/sync.ts';
import type { Diagnostic, SqlDialect } from '../../src/tables/teapop/model.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { CHEAP, makeSite, redisAt, type Site } from './site.ts';
import { type SqlServer, START_TIME } from './sql-server.ts';

/** The account of the database that the lines name. */
export const READER = { user: 'reader', password: 'secret-of-reader' };

/** What of a line a test sets; the rest names the table `users` with its three columns. */
export type LineFields = Partial<
  Record<
    'domain' | 'maildir' | 'host' | 'port' | 'database' | 'user' | 'password' | 'table' | 'columns',
    string
  >
>;

export type SqlDatabase = {
  dialect: SqlDialect;
  start: () => Promise<SqlServer>;
  /** Makes the database `mail` and the account READER that may read it, once. */
  prepare(server: SqlServer): Promise<unknown>;
  /** Makes the table `users` anew, empty. */
  create: string;
};

export type SqlSite = {
  server: SqlServer;
  redis: RedisServer;
  link: RedisLink;
  site: Site;
  files: CompileOptions;
  store: RedisStore;
  line(fields?: LineFields): string;
  /** Writes the domain table. */
  serve(...lines: string[]): void;
  sync(options?: Partial<SyncOptions>): Promise<{ report: PublishReport; diagnostics: Diagnostic[] }>;
  /** The mailbox's path where a login is accepted, else what comes instead. */
  login(user: string, password: string, store?: TableStore): Promise<string>;
};

/**
 * A database server and a Redis for the file; for each of its tests an emptied Redis, an empty table and a new site that
 * names it.
 */
export function sqlSite({ dialect, start, prepare, create }: SqlDatabase): SqlSite {
  const it = { line, serve, sync, login } as SqlSite;

  before(
    async () => {
      [it.server, it.redis] = await Promise.all([start(), startRedis()]);
      await prepare(it.server);
    },
    { timeout: START_TIME },
  );
  after(() => Promise.all([it.server.stop(), it.redis.stop()]));
  beforeEach(async () => {
    it.site = makeSite('sql');
    it.files = { ...it.site.files, sql: true, hashProblem: createPasswordTools(CHEAP, null).hashProblem };
    it.link = connectRedis(redisAt(it.redis.port));
    await it.link.whenReady(30_000);
    await it.link.command('FLUSHALL');
    it.store = new RedisStore({ link: it.link, prefix: 'test' });
    serve(line());
    await it.server.sql(create, 'mail');
  });
  afterEach(async () => {
    await it.store.close();
    it.site.remove();
  });

  function line(fields: LineFields = {}): string {
    const { domain = 'acme.com', maildir = '/m', host = '127.0.0.1', port = String(it.server.port) } = fields;
    const { database = 'mail', user = READER.user, password = READER.password } = fields;
    const { table = 'users', columns = 'login:secret:box' } = fields;
    const place = [host, port, database, user, password, table, columns].join(':');
    return `${domain}:*:${dialect}:${maildir}:0:mail:mail:${place}:`;
  }

  function serve(...lines: string[]): void {
    it.site.write('teapop.passwd', `${lines.join('\n')}\n`);
  }

  function sync(options: Partial<SyncOptions> = {}) {
    return it.site.sync(it.redis.port, { files: it.files, ...options });
  }

  async function login(user: string, password: string, store: TableStore = it.store): Promise<string> {
    const problems: Error[] = [];
    const authenticator = createAuthenticator({
      store,
      dividers: '@%',
      passwords: createPasswords({ sealer: null }),
      verifier: createVerifier({ concurrency: 2, queue: 100 }),
      dummy: async () => {},
      localUserRule: () => 'mailbox',
      onError: (error) => problems.push(error),
    });
    const credentials = { mechanism: 'PLAIN', user, password, authzid: '' } as const;
    const decision = await authenticator.authenticate(credentials, '127.0.0.1', { lookup: 0, verify: 0 });
    if (problems.length > 0) throw problems[0];
    return decision.result === 'accepted' ? decision.account.mailbox : decision.result;
  }

  return it;
}
