import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { createPasswordTools } from '../../src/auth/password-tools.ts';
import { createSealer } from '../../src/auth/seal.ts';
import { ClaimLost } from '../../src/tables/claim.ts';
import { type PublishReport, SyncRefused } from '../../src/tables/publication.ts';
import { connectRedis, type RedisLink } from '../../src/tables/redis-client.ts';
import { RedisStore } from '../../src/tables/redis-store.ts';
import { TablesUnavailable } from '../../src/tables/store.ts';
import type { SyncOptions } from '../../src/tables/sync.ts';
import { dumpRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { CHEAP, countingTools, makeSite, redisAt, type Site } from '../support/site.ts';

const DOMAIN_TABLE = [
  'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:100:',
  'old.org:*:htpasswd:/m:0:mail:mail:{dir}/htpasswd:100:',
  '',
].join('\n');
const USERS = 'john:secret-of-john:box\njane:secret-of-jane:jane\nbob:secret-of-bob:/abs/bob\n';
const HTPASSWD = 'john:abrVGN.c35n9U\n';

let server: RedisServer;
let site: Site;
let link: RedisLink;
let store: RedisStore;

before(async () => {
  server = await startRedis();
});

after(() => server.stop());

beforeEach(async () => {
  site = makeSite('publish');
  site.write('teapop.passwd', DOMAIN_TABLE);
  site.write('users', USERS);
  site.write('htpasswd', HTPASSWD);
  link = connectRedis(redisAt(server.port));
  await link.whenReady(5_000);
  await link.command('FLUSHALL');
  store = new RedisStore({ link, prefix: 'test' });
});

afterEach(async () => {
  await store.close();
  site.remove();
});

async function sync(options: Partial<SyncOptions> = {}): Promise<PublishReport> {
  return (await site.sync(server.port, options)).report;
}

async function rowsOf(userid: string, domain = 'acme.com') {
  const [entries] = await store.domainEntries([domain]);
  return store.userRows(entries![0]!.table!, userid, entries![0]!.generation);
}

/** Commands that Redis has run and that write. */
async function writes(): Promise<string[]> {
  const stats = String(await link.command('INFO', 'commandstats'));
  return Array.from(stats.matchAll(/cmdstat_(\w+)/g), (match) => match[1]!).filter((name) =>
    ['hset', 'hdel', 'rename', 'unlink', 'sadd', 'srem'].includes(name),
  );
}

test('the first sync hashes every plain password and takes crypt strings as they are', async () => {
  const tools = countingTools();
  const report = await sync({ passwords: tools });
  assert.deepEqual(tools.hashed.toSorted(), ['secret-of-bob', 'secret-of-jane', 'secret-of-john']);
  const { published, generation, users, added, changed, removed, hashed, reused } = report;
  assert.deepEqual(
    { published, generation, users, added, changed, removed, hashed, reused },
    { published: true, generation: 1, users: 4, added: 4, changed: 0, removed: 0, hashed: 3, reused: 0 },
  );
  const [john] = await rowsOf('john');
  assert.match(john!.secret, /^\$argon2id\$v=19\$m=8,t=1,p=1\$/);
  assert.equal((await rowsOf('bob'))[0]!.mailbox, '/abs/bob');
  assert.deepEqual(await rowsOf('john', 'old.org'), [{ secret: 'abrVGN.c35n9U', mailbox: 'john', line: 1 }]);
});

test('no plain password is anywhere in Redis', async () => {
  await sync();
  site.write('users', `${USERS}new:secret-of-new:\n`);
  await sync();
  const dump = await dumpRedis(link);
  assert.ok(dump.includes('jane') && dump.includes('/abs/bob'), 'the dump holds what is published');
  for (const user of ['john', 'jane', 'bob', 'new']) assert.ok(!dump.includes(`secret-of-${user}`), user);
});

test('a sync of what is published writes nothing and hashes nothing', async () => {
  await sync();
  const before = await dumpRedis(link);
  await link.command('CONFIG', 'RESETSTAT');
  const tools = countingTools();
  const report = await sync({ passwords: tools });
  assert.deepEqual(await writes(), []);
  assert.equal(await dumpRedis(link), before);
  assert.deepEqual(tools.hashed, []);
  assert.equal(report.published, false);
  assert.deepEqual([report.generation, report.unchangedTables, report.users], [1, 2, 4]);
});

test('one changed row hashes one password; the rest keeps its hash', async () => {
  await sync();
  const [jane] = await rowsOf('jane');
  site.write('users', USERS.replace('secret-of-john', 'new secret'));
  const tools = countingTools();
  const report = await sync({ passwords: tools });
  assert.deepEqual(tools.hashed, ['new secret']);
  const { generation, added, changed, removed, hashed, reused, unchangedTables } = report;
  assert.deepEqual(
    { generation, added, changed, removed, hashed, reused, unchangedTables },
    { generation: 2, added: 0, changed: 1, removed: 0, hashed: 1, reused: 2, unchangedTables: 1 },
  );
  assert.deepEqual(await rowsOf('jane'), [jane]);
});

test('a line that moved keeps its hash and gets its new number', async () => {
  await sync();
  const [jane] = await rowsOf('jane');
  site.write('users', `ann:secret-of-ann:ann\n${USERS}`);
  const report = await sync();
  assert.deepEqual([report.added, report.changed, report.hashed, report.reused], [1, 0, 1, 3]);
  assert.deepEqual(await rowsOf('jane'), [{ ...jane!, line: 3 }]);
});

test('rows and tables removed from the files are gone for the next login', async () => {
  await sync();
  site.write('users', 'john:secret-of-john:box\n');
  const fewer = await sync();
  assert.deepEqual([fewer.removed, fewer.users], [2, 2]);
  assert.deepEqual(await rowsOf('jane'), []);

  site.write('teapop.passwd', `${DOMAIN_TABLE.split('\n')[1]}\n`);
  const one = await sync();
  assert.deepEqual([one.removed, one.removedTables.length, one.tables], [1, 1, 1]);
  assert.deepEqual(await store.domainEntries(['acme.com']), [[]]);
  assert.equal((await rowsOf('john', 'old.org')).length, 1);
});

test('only the generation before is kept', async () => {
  await sync();
  for (const box of ['a', 'b', 'c']) {
    site.write('users', `john:secret-of-john:${box}\n`);
    await sync();
  }
  site.write('htpasswd', 'jane:abrVGN.c35n9U\n');
  await sync();
  const keys = ((await link.command('KEYS', '*:previous')) as Buffer[]).map(String);
  const [old] = await store.domainEntries(['old.org']);
  assert.deepEqual(keys.toSorted(), [
    'test:{domains}:tables:previous',
    `test:{table-${old![0]!.table}}:previous`,
  ]);
});

test('a userid that stands in many places keeps all its rows in file order', async () => {
  const many = Array.from({ length: 700 }, (_, i) => `u${i}:p${i}:b${i}\n`).join('');
  site.write('users', `john:one:a\n${many}john:two:b\n`);
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\n');
  const first = await sync();
  assert.deepEqual([first.users, first.rows, first.added], [701, 702, 701]);
  assert.deepEqual(
    (await rowsOf('john')).map(({ mailbox, line }) => [mailbox, line]),
    [
      ['a', 1],
      ['b', 702],
    ],
  );
  site.write('users', `john:one:a\n${many}`);
  const second = await sync();
  assert.deepEqual(
    [second.users, second.changed, second.added, second.removed, second.hashed],
    [701, 1, 0, 0, 0],
  );
});

test('other Argon2 parameters hash every password anew, and a user is not called changed for it', async () => {
  await sync();
  const params = { ...CHEAP, time: 2 };
  const report = await sync({ passwords: createPasswordTools(params, null) });
  assert.deepEqual([report.hashed, report.reused, report.changed], [3, 0, 0]);
  assert.match((await rowsOf('jane'))[0]!.secret, /t=2/);
});

test('with the fingerprint key lost everything is hashed anew, and nothing is wrong', async () => {
  await sync();
  rmSync(`${site.path}/state/fingerprint.key`);
  const report = await sync();
  assert.deepEqual([report.hashed, report.users], [3, 4]);
  assert.equal((await rowsOf('jane')).length, 1);
});

test('the fingerprint key is for its owner alone, and made once', async () => {
  await sync();
  const path = `${site.path}/state/fingerprint.key`;
  const key = readFileSync(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(`${site.path}/state`).mode & 0o777, 0o700);
  await sync();
  assert.deepEqual(readFileSync(path), key);
});

test('a domain that offers APOP has its passwords sealed; another key seals them anew', async () => {
  const offersApop = (domain: string) => domain === 'acme.com';
  await assert.rejects(sync({ offersApop }), /no seal key/);
  const sealer = createSealer(Buffer.alloc(32, 1));
  const first = await sync({ offersApop, passwords: createPasswordTools(CHEAP, sealer) });
  assert.equal(first.hashed, 3);
  const [john] = await rowsOf('john');
  const table = (await store.domainEntries(['acme.com']))[0]![0]!.table!;
  assert.equal(sealer.open(john!.secret, { table, userid: 'john' }), 'secret-of-john');
  assert.ok(!(await dumpRedis(link)).includes('secret-of-john'));

  const other = createSealer(Buffer.alloc(32, 2));
  const second = await sync({ offersApop, passwords: createPasswordTools(CHEAP, other) });
  assert.deepEqual([second.hashed, second.changed], [3, 0]);
  const third = await sync();
  assert.equal(third.hashed, 3, 'APOP is offered no more');
  assert.match((await rowsOf('john'))[0]!.secret, /^\$argon2id\$/);
});

test('a file that is gone is no reason to lock its users out, unless somebody insists', async () => {
  await sync();
  rmSync(`${site.path}/users`);
  await assert.rejects(sync(), SyncRefused);
  assert.equal((await rowsOf('john')).length, 1);
  const { report, diagnostics } = await site.sync(server.port, { force: true });
  assert.equal(report.removed, 3);
  assert.ok(diagnostics.some(({ code }) => code === 'password-file-missing'));
  assert.deepEqual(await rowsOf('john'), []);

  rmSync(`${site.path}/teapop.passwd`);
  await assert.rejects(sync(), SyncRefused);
});

test('of two syncs at once one wins whole and the other says so', async () => {
  const second = () =>
    assert.rejects(
      sync(),
      (error) => error instanceof ClaimLost && /another sync is at work/.test(error.message),
    );
  const first = await sync({ beforeSwitch: second });
  assert.equal(first.published, true);
  assert.equal((await sync()).published, false, 'the claim was given back');
});

test('a sync whose claim went to another changes nothing', async () => {
  await sync();
  site.write('users', 'john:other:box\n');
  const before = await rowsOf('john');
  const beforeSwitch = async () => void (await link.command('SET', 'test:{domains}:sync', 'somebody else'));
  await assert.rejects(sync({ beforeSwitch }), ClaimLost);
  assert.deepEqual(await rowsOf('john'), before);
  assert.equal(String(await link.command('GET', 'test:{domains}:sync')), 'somebody else');
});

test('tables that change under a sync make it fail whole', async () => {
  await sync();
  site.write('users', 'john:other:box\n');
  const [next] = await (async () => {
    const keys: string[] = [];
    const beforeSwitch = async () => {
      keys.push(...((await link.command('KEYS', '*:next:*')) as Buffer[]).map(String));
      await link.command('DEL', keys[0]!);
    };
    await assert.rejects(sync({ beforeSwitch }), /Redis lost rows/);
    return keys;
  })();
  assert.match(next!, /^test:\{table-[0-9a-f]+\}:next:[0-9a-f]+$/);
  assert.equal((await rowsOf('jane')).length, 1);
});

for (const [how, options] of [
  [
    'a failing hash',
    { passwords: { ...createPasswordTools(CHEAP, null), hash: () => Promise.reject(new Error('broken')) } },
  ],
  ['a refusal before the switch', { beforeSwitch: () => Promise.reject(new Error('broken')) }],
  ['an abort', { signal: AbortSignal.abort(new Error('broken')) }],
] as [string, Partial<SyncOptions>][]) {
  test(`${how} leaves the live tables as they were and nothing behind`, async () => {
    await sync();
    const before = await dumpRedis(link);
    site.write('users', `${USERS}new:other:box\n`);
    site.write('teapop.passwd', `${DOMAIN_TABLE}more.org:*:reject\n`);
    await assert.rejects(sync(options), /broken/);
    assert.equal(await dumpRedis(link), before);
    assert.equal((await sync()).added, 1);
  });
}

test('a sync that loses Redis halfway leaves the live tables, and the next one clears up', async () => {
  await sync();
  site.write('users', USERS.replace('secret-of-jane', 'new secret'));
  const [jane] = await rowsOf('jane');
  const lose = async () => void (await link.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
  await assert.rejects(sync({ beforeSwitch: lose }), TablesUnavailable);
  assert.deepEqual(await rowsOf('jane'), [jane]);
  assert.equal(((await link.command('KEYS', '*:next:*')) as Buffer[]).length, 1);

  await assert.rejects(sync(), (error) => error instanceof ClaimLost && /process \d+\)/.test(error.message));
  // As if its time were over.
  await link.command('DEL', 'test:{domains}:sync');
  assert.equal((await sync()).changed, 1);
  assert.deepEqual(await link.command('KEYS', '*:next:*'), []);
  assert.equal(await link.command('EXISTS', 'test:{domains}:begun', 'test:{domains}:sync'), 0);
});

test('the claim of a sync lapses by itself', async () => {
  const beforeSwitch = async () => {
    const left = (await link.command('PTTL', 'test:{domains}:sync')) as number;
    assert.ok(left > 0 && left <= 30_000);
  };
  await sync({ beforeSwitch });
});

test('a Redis that was emptied is filled again', async () => {
  await sync();
  await link.command('FLUSHALL');
  assert.deepEqual([(await sync()).generation, (await rowsOf('john')).length], [1, 1]);
});

test('prefixes are sites of their own', async () => {
  await sync({ prefix: 'one' });
  await sync({ prefix: 'one.two' });
  site.write('users', 'john:secret-of-john:box\n');
  await sync({ prefix: 'one' });
  const keys = ((await link.command('KEYS', '*')) as Buffer[]).map(String);
  assert.ok(keys.every((key) => key.startsWith('one:{') || key.startsWith('one.two:{')));
});
