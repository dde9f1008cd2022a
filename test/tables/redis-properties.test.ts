import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createPasswords } from '../../src/auth/scheme.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis, type RedisLink } from '../../src/tables/redis/client.ts';
import { FileStore } from '../../src/tables/sources/file-store.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../src/tables/teapop/lookup.ts';
import { mailboxPath } from '../../src/tables/teapop/mailbox.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { dumpRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { makeSite, redisAt, type Site } from '../support/site.ts';

/** Each run is a sync of a site and some dozens of logins. */
const RUNS = 60;
const ADDRESS = '127.0.0.1';

let server: RedisServer;
let site: Site;
let link: RedisLink;

before(async () => {
  server = await startRedis();
  site = makeSite('octets');
  link = connectRedis(redisAt(server.port));
  await link.whenReady(5_000);
});

after(async () => {
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
  { name, maildir: name, users: fc.array(user, { maxLength: 6 }) },
  { noNullPrototype: true },
);
const domains = fc.array(domain, { minLength: 1, maxLength: 4 });
type Domains = typeof domains extends fc.Arbitrary<infer Value> ? Value : never;

function writeTables(tables: Domains): void {
  const line = (name: string, maildir: string, i: number) =>
    `${name}:*:textfile:${maildir}:1:mail:mail:{dir}/users${i}:100:\n`;
  site.write('teapop.passwd', tables.map(({ name, maildir }, i) => line(name, maildir, i)).join(''));
  for (const [i, { users }] of tables.entries()) {
    const lines = users.map(({ userid, password, mailbox }) => `${userid}:${password}:${mailbox}\n`);
    site.write(`users${i}`, lines.join(''));
  }
}

/** Every user at every domain, with the right password and with a neighbour's. */
function loginsOf(tables: Domains): { user: string; password: string }[] {
  const users = tables.flatMap((each) => each.users);
  return tables.flatMap((each) =>
    users.flatMap(({ userid, password }, i) => [
      { user: `${userid}@${each.name}`, password },
      { user: `${userid}@${each.name}`, password: users[(i + 1) % users.length]!.password },
    ]),
  );
}

const passwords = createPasswords({ sealer: null });

/** The maildrop that a login reaches, or why it reaches none. */
async function decide(store: TableStore, user: string, password: string): Promise<string> {
  const found = await lookup(store, user, ADDRESS, DEFAULT_DIVIDERS);
  if (found.result !== 'rows') return found.result === 'none' ? found.reason : 'upstream';
  const { entry, rows, login } = found;
  for (const row of rows) {
    const context = { type: 'textfile', table: entry.table!, userid: login.userid } as const;
    if (!(await passwords.verify(row.secret, password, context))) continue;
    return `${row.line}: ${mailboxPath(entry, row.mailbox)}`;
  }
  return 'wrong-password';
}

test('with any octets in names and passwords, Redis decides as the files do', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(domains, async (tables) => {
      await link.command('FLUSHALL');
      writeTables(tables);
      const files = await FileStore.open(site.files);
      await site.sync(server.port);
      const redis = new RedisStore({ link: { ...link, close: () => {} }, prefix: 'test' });
      for (const { user, password } of loginsOf(tables)) {
        const expected = await decide(files, user, password);
        assert.equal(await decide(redis, user, password), expected);
        if (/^\d/.test(expected)) accepted++;
      }
      const keys = ((await link.command('KEYS', '*')) as Buffer[]).map(String);
      for (const key of keys)
        assert.match(key, /^test:\{(domains|table-[0-9a-f]{32}c?)\}(:tables|:diagnostics|:changes)?$/);
      await Promise.all([files.close(), redis.close()]);
    }),
    { numRuns: RUNS },
  );
  assert.ok(accepted > RUNS, `only ${accepted} logins were accepted`);
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
    assert.match(await decide(redis, `user${i}@acme.com`, password), /box$/);
  }
  await redis.close();
});
