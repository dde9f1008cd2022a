import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { openLibcrypt } from '../../src/auth/libcrypt.ts';
import { createPasswordTools } from '../../src/auth/password-tools.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createScramSalts } from '../../src/auth/scram-salts.ts';
import { createSealer } from '../../src/auth/seal.ts';
import { rollBack } from '../../src/tables/publish/rollback.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import { FileStore } from '../../src/tables/sources/file-store.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../src/tables/teapop/lookup.ts';
import { mailboxPath } from '../../src/tables/teapop/mailbox.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { type Near, openNear } from '../support/near.ts';
import { until } from '../support/process.ts';
import { dumpRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { CHEAP, makeSite, redisAt, type Site } from '../support/site.ts';

/** Each run is two syncs of a site, two rollbacks, and some hundreds of logins. */
const RUNS = 60;
const ADDRESS = '127.0.0.1';

let server: RedisServer;
let site: Site;
let link: RedisLink;
/** A proxy that goes on through all of it. */
let proxy: Near;

before(async () => {
  server = await startRedis();
  site = makeSite('octets');
  link = connectRedis(redisAt(server.port));
  await link.whenReady(30_000);
  proxy = await openNear(redisAt(server.port));
});

after(async () => {
  await proxy.close();
  link.close();
  await server.stop();
  site.remove();
});

const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
/** What means something to a key, a pattern, a protocol, a line, a stored form or the tables themselves. */
const pointed = fc.constantFrom(
  ...[
    ':',
    '{',
    '}',
    '{x}',
    '*',
    '?',
    '[a]',
    '\0',
    '%',
    '@',
    '\r',
    '\r\n',
    '\n',
    ' ',
    '#',
    ';',
    '\xff',
    '\xc3\xbc',
  ],
  ...[
    'g',
    'm',
    'u',
    'default',
    'empty',
    '{PLAIN}',
    '{SEALED}',
    '$argon2id$',
    ':next:',
    ':previous',
    'domains',
  ],
);
const name = fc
  .array(fc.oneof(octet, pointed), { minLength: 0, maxLength: 4 })
  .map((parts) => parts.join(''));
const user = fc.record({ userid: name, password: name, mailbox: name }, { noNullPrototype: true });
const domain = fc.record(
  {
    name,
    type: fc.constantFrom('textfile', 'textfile', 'htpasswd'),
    maildir: name,
    users: fc.array(user, { maxLength: 6 }),
  },
  { noNullPrototype: true },
);
/** `keeping`: what the passwords of textfiles become. */
const tables = fc.record(
  {
    keeping: fc.constantFrom('hashed', 'scram', 'sealed'),
    domains: fc.array(domain, { minLength: 1, maxLength: 4 }),
  },
  { noNullPrototype: true },
);
type Tables = typeof tables extends fc.Arbitrary<infer Value> ? Value : never;

const libcrypt = openLibcrypt();

async function writeTables({ domains }: Tables): Promise<void> {
  const lines = domains.map(
    ({ name, type, maildir }, i) => `${name}:*:${type}:${maildir}:1:mail:mail:{dir}/users${i}:100:\n`,
  );
  site.write('teapop.passwd', lines.join(''));
  for (const [i, { type, users }] of domains.entries()) {
    const rows = users.map(async ({ userid, password, mailbox }) => {
      if (type === 'textfile') return `${userid}:${password}:${mailbox}\n`;
      // Some are whole hashes, some are anything.
      const hash = mailbox.length % 2 === 0 ? await libcrypt.crypt(password, 'ab') : null;
      return `${userid}:${hash ?? password}\n`;
    });
    site.write(`users${i}`, (await Promise.all(rows)).join(''));
  }
}

type Login = { user: string; password: string };

/** Every user at every domain, with the right password and with a neighbour's. */
function loginsOf({ domains }: Tables): Login[] {
  const users = domains.flatMap((each) => each.users);
  return domains.flatMap((each) =>
    users.flatMap(({ userid, password }, i) => [
      { user: `${userid}@${each.name}`, password },
      { user: `${userid}@${each.name}`, password: users[(i + 1) % users.length]!.password },
    ]),
  );
}

const sealer = createSealer(Buffer.alloc(32, 1));
/** RFC 7677 §4 has 4,096 iterations and more: their time is nothing to this test. */
const salts = createScramSalts(Buffer.alloc(32, 1), 10);
const passwords = createPasswords({ sealer });

/** The maildrop that a login reaches, or why it reaches none. */
async function decide(store: TableStore, { user, password }: Login): Promise<string> {
  const found = await lookup(store, user, ADDRESS, DEFAULT_DIVIDERS);
  if (found.result !== 'rows') return found.result === 'none' ? found.reason : 'upstream';
  const { entry, rows, login } = found;
  const type = entry.type === 'htpasswd' ? 'htpasswd' : 'textfile';
  const context = { type, table: entry.table!, userid: login.userid } as const;
  for (const row of rows) {
    if (!(await passwords.verify(row.secret, password, context))) continue;
    return `${row.line}: ${mailboxPath(entry, row.mailbox)}`;
  }
  return 'wrong-password';
}

/** What the files make of each login. */
type Decided = { login: Login; expected: string }[];

/** Publishes the tables and tells what the files decide. */
async function publish(tables: Tables): Promise<Decided> {
  await writeTables(tables);
  const files = await FileStore.open(site.files);
  const tools = createPasswordTools(CHEAP, sealer, salts);
  await site.sync(server.port, { passwords: tools, keeping: () => tables.keeping });
  const decided: Decided = [];
  for (const login of loginsOf(tables)) decided.push({ login, expected: await decide(files, login) });
  await files.close();
  return decided;
}

/** Redis, asked cold, and a proxy that knows what was there before decide as the files did. */
async function agree(decided: Decided): Promise<void> {
  const redis = new RedisStore({ link: { ...link, close: () => {} }, prefix: 'test' });
  const { generation } = await redis.domainsNow([]);
  await proxy.feed.poll();
  await until('the proxy follows', () => proxy.feed.edition?.generation === generation);
  for (const { login, expected } of decided) {
    assert.equal(await decide(redis, login), expected);
    assert.equal(await decide(proxy.near, login), expected);
  }
  await redis.close();
}

test('with any octets in names and passwords, Redis decides as the files do, through changes and back', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(tables, tables, async (first, second) => {
      await link.command('FLUSHALL');
      const ofFirst = await publish(first);
      await agree(ofFirst);
      const ofSecond = await publish(second);
      await agree(ofSecond);
      if (((await link.command('EXISTS', 'test:{domains}:previous')) as number) > 0) {
        await rollBack(link, 'test');
        await agree(ofFirst);
        await rollBack(link, 'test');
        await agree(ofSecond);
      }
      const keys = ((await link.command('KEYS', '*')) as Buffer[]).map(String);
      for (const key of keys) {
        assert.match(
          key,
          /^test:\{(domains|table-[0-9a-f]{32}c?)\}(:tables)?(:diagnostics|:changes|:previous)?$/,
        );
      }
      accepted += [...ofFirst, ...ofSecond].filter(({ expected }) => /^\d/.test(expected)).length;
    }),
    { numRuns: RUNS },
  );
  assert.ok(accepted > 2 * RUNS, `only ${accepted} logins were accepted`);
});

test('whatever a plain password looks like, it does not reach Redis', async () => {
  const mark = 'S3cret-mark';
  const forms = [
    mark,
    `{PLAIN}${mark}`,
    `{SEALED}${mark}`,
    `$argon2id$${mark}`,
    `$1$salt$${mark}`,
    `\xff${mark} `,
  ];
  await link.command('FLUSHALL');
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users0:100:\n');
  site.write('users0', forms.map((password, i) => `user${i}:${password}:box\n`).join(''));
  const { report } = await site.sync(server.port);
  assert.equal(report.hashed, forms.length);
  assert.ok(!(await dumpRedis(link)).includes(mark));
  const redis = new RedisStore({ link: { ...link, close: () => {} }, prefix: 'test' });
  for (const [i, password] of forms.entries()) {
    assert.match(await decide(redis, { user: `user${i}@acme.com`, password }), /box$/);
  }
  await redis.close();
});
