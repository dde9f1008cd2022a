import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import { formatKeys, makeKeys } from '../../../src/auth/scram.ts';
import { createScramSalts } from '../../../src/auth/scram-salts.ts';
import { createSealer } from '../../../src/auth/seal.ts';
import type { Keeping } from '../../../src/tables/teapop/password-tools.ts';
import { DOMAIN_TABLE, publishing, USERS } from '../../support/publishing.ts';
import { dumpRedis } from '../../support/redis.ts';
import { CHEAP, countingTools } from '../../support/site.ts';

const it = publishing();

/** Commands that Redis has run and that write. */
async function writes(): Promise<string[]> {
  const stats = String(await it.link.command('INFO', 'commandstats'));
  return Array.from(stats.matchAll(/cmdstat_(\w+)/g), (match) => match[1]!).filter((name) =>
    ['hset', 'hdel', 'rename', 'unlink', 'sadd', 'srem'].includes(name),
  );
}

test('the first sync hashes every plain password and takes crypt strings as they are', async () => {
  const tools = countingTools();
  const report = await it.sync({ passwords: tools });
  assert.deepEqual(tools.hashed.toSorted(), ['secret-of-bob', 'secret-of-jane', 'secret-of-john']);
  const { published, generation, users, added, changed, removed, hashed, reused } = report;
  assert.deepEqual(
    { published, generation, users, added, changed, removed, hashed, reused },
    { published: true, generation: 1, users: 4, added: 4, changed: 0, removed: 0, hashed: 3, reused: 0 },
  );
  const [john] = await it.rowsOf('john');
  assert.match(john!.secret, /^\$argon2id\$v=19\$m=8,t=1,p=1\$/);
  assert.equal((await it.rowsOf('bob'))[0]!.mailbox, '/abs/bob');
  assert.deepEqual(await it.rowsOf('john', 'old.org'), [
    { secret: 'abrVGN.c35n9U', mailbox: 'john', line: 1 },
  ]);
});

test('no plain password is anywhere in Redis', async () => {
  await it.sync();
  it.site.write('users', `${USERS}new:secret-of-new:\n`);
  await it.sync();
  const dump = await dumpRedis(it.link);
  assert.ok(dump.includes('jane') && dump.includes('/abs/bob'), 'the dump holds what is published');
  for (const user of ['john', 'jane', 'bob', 'new']) assert.ok(!dump.includes(`secret-of-${user}`), user);
});

test('a sync of what is published writes nothing and hashes nothing', async () => {
  await it.sync();
  const before = await dumpRedis(it.link);
  await it.link.command('CONFIG', 'RESETSTAT');
  const tools = countingTools();
  const report = await it.sync({ passwords: tools });
  assert.deepEqual(await writes(), []);
  assert.equal(await dumpRedis(it.link), before);
  assert.deepEqual(tools.hashed, []);
  assert.equal(report.published, false);
  assert.deepEqual([report.generation, report.unchangedTables, report.users], [1, 2, 4]);
});

test('one changed row hashes one password; the rest keeps its hash', async () => {
  await it.sync();
  const [jane] = await it.rowsOf('jane');
  it.site.write('users', USERS.replace('secret-of-john', 'new secret'));
  const tools = countingTools();
  const report = await it.sync({ passwords: tools });
  assert.deepEqual(tools.hashed, ['new secret']);
  const { generation, added, changed, removed, hashed, reused, unchangedTables } = report;
  assert.deepEqual(
    { generation, added, changed, removed, hashed, reused, unchangedTables },
    { generation: 2, added: 0, changed: 1, removed: 0, hashed: 1, reused: 2, unchangedTables: 1 },
  );
  assert.deepEqual(await it.rowsOf('jane'), [jane]);
});

test('a line that moved keeps its hash and gets its new number', async () => {
  await it.sync();
  const [jane] = await it.rowsOf('jane');
  it.site.write('users', `ann:secret-of-ann:ann\n${USERS}`);
  const report = await it.sync();
  assert.deepEqual([report.added, report.changed, report.hashed, report.reused], [1, 0, 1, 3]);
  assert.deepEqual(await it.rowsOf('jane'), [{ ...jane!, line: 3 }]);
});

test('rows and tables removed from the files are gone for the next login', async () => {
  await it.sync();
  it.site.write('users', 'john:secret-of-john:box\n');
  const fewer = await it.sync();
  assert.deepEqual([fewer.removed, fewer.users], [2, 2]);
  assert.deepEqual(await it.rowsOf('jane'), []);

  it.site.write('teapop.passwd', `${DOMAIN_TABLE.split('\n')[1]}\n`);
  const one = await it.sync();
  assert.deepEqual([one.removed, one.removedTables.length, one.tables], [1, 1, 1]);
  assert.deepEqual(await it.store.domainEntries(['acme.com']), [[]]);
  assert.equal((await it.rowsOf('john', 'old.org')).length, 1);
});

test('only the generation before is kept', async () => {
  await it.sync();
  for (const box of ['a', 'b', 'c']) {
    it.site.write('users', `john:secret-of-john:${box}\n`);
    await it.sync();
  }
  it.site.write('htpasswd', 'jane:abrVGN.c35n9U\n');
  await it.sync();
  const keys = await it.keys('*:previous');
  const [old] = await it.store.domainEntries(['old.org']);
  assert.deepEqual(keys, [`test:{table-${old![0]!.table}}:previous`]);
});

test('a userid that stands in many places keeps all its rows in file order', async () => {
  const many = Array.from({ length: 700 }, (_, i) => `u${i}:p${i}:b${i}\n`).join('');
  it.site.write('users', `john:one:a\n${many}john:two:b\n`);
  it.site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\n');
  const first = await it.sync();
  assert.deepEqual([first.users, first.rows, first.added], [701, 702, 701]);
  assert.deepEqual(
    (await it.rowsOf('john')).map(({ mailbox, line }) => [mailbox, line]),
    [
      ['a', 1],
      ['b', 702],
    ],
  );
  it.site.write('users', `john:one:a\n${many}`);
  const second = await it.sync();
  assert.deepEqual(
    [second.users, second.changed, second.added, second.removed, second.hashed],
    [701, 1, 0, 0, 0],
  );
});

test('other Argon2 parameters hash every password anew, and a user is not called changed for it', async () => {
  await it.sync();
  const params = { ...CHEAP, time: 2 };
  const report = await it.sync({ passwords: createPasswordTools(params, null) });
  assert.deepEqual([report.hashed, report.reused, report.changed], [3, 0, 0]);
  assert.match((await it.rowsOf('jane'))[0]!.secret, /t=2/);
});

test('with the fingerprint key lost everything is hashed anew, and nothing is wrong', async () => {
  await it.sync();
  rmSync(`${it.site.path}/state/fingerprint.key`);
  const report = await it.sync();
  assert.deepEqual([report.hashed, report.users], [3, 4]);
  assert.equal((await it.rowsOf('jane')).length, 1);
});

test('the fingerprint key is for its owner alone, and made once', async () => {
  await it.sync();
  const path = `${it.site.path}/state/fingerprint.key`;
  const key = readFileSync(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(`${it.site.path}/state`).mode & 0o777, 0o700);
  await it.sync();
  assert.deepEqual(readFileSync(path), key);
});

test('a domain that offers APOP has its passwords sealed; another key seals them anew', async () => {
  const keeping = (domain: string) => (domain === 'acme.com' ? ('sealed' as const) : ('hashed' as const));
  await assert.rejects(it.sync({ keeping }), /no seal key/);
  const sealer = createSealer(Buffer.alloc(32, 1));
  const first = await it.sync({ keeping, passwords: createPasswordTools(CHEAP, sealer) });
  assert.equal(first.hashed, 3);
  const [john] = await it.rowsOf('john');
  const table = (await it.store.domainEntries(['acme.com']))[0]![0]!.table!;
  assert.equal(sealer.open(john!.secret, { table, userid: 'john' }), 'secret-of-john');
  assert.ok(!(await dumpRedis(it.link)).includes('secret-of-john'));

  const other = createSealer(Buffer.alloc(32, 2));
  const second = await it.sync({ keeping, passwords: createPasswordTools(CHEAP, other) });
  assert.deepEqual([second.hashed, second.changed], [3, 0]);
  const third = await it.sync();
  assert.equal(third.hashed, 3, 'APOP is offered no more');
  assert.match((await it.rowsOf('john'))[0]!.secret, /^\$argon2id\$/);
});

test('a domain that offers SCRAM has its keys; another key or more iterations make them anew', async () => {
  const keeping = (domain: string) => (domain === 'acme.com' ? ('scram' as const) : ('hashed' as const));
  await assert.rejects(it.sync({ keeping }), /no seal key/);
  const tools = (key: number, iterations: number) => {
    const salts = createScramSalts(Buffer.alloc(32, key), iterations);
    return { salts, passwords: createPasswordTools(CHEAP, null, salts) };
  };
  const { salts, passwords } = tools(1, 4096);
  const first = await it.sync({ keeping, passwords });
  assert.equal(first.hashed, 3);
  const [john] = await it.rowsOf('john');
  const table = (await it.store.domainEntries(['acme.com']))[0]![0]!.table!;
  const place = { table, userid: 'john' };
  assert.equal(john!.secret, formatKeys(await makeKeys('secret-of-john', salts.saltOf(place))));
  assert.ok(!(await dumpRedis(it.link)).includes('secret-of-john'));

  it.site.write('users', USERS.replace('secret-of-jane', 'changed'));
  const second = await it.sync({ keeping, passwords });
  assert.deepEqual([second.hashed, second.reused, second.changed], [1, 2, 1]);
  assert.deepEqual(await it.rowsOf('john'), [john], 'what was made of an unchanged line stays');
  const dearer = await it.sync({ keeping, passwords: tools(1, 5000).passwords });
  assert.deepEqual([dearer.hashed, dearer.changed], [3, 0]);
  assert.match((await it.rowsOf('john'))[0]!.secret, /^\{SCRAM-SHA-256\}5000,/);
  const other = await it.sync({ keeping, passwords: tools(2, 5000).passwords });
  assert.deepEqual([other.hashed, other.changed], [3, 0]);
  assert.equal((await it.sync()).hashed, 3, 'SCRAM is offered no more');
  assert.match((await it.rowsOf('john'))[0]!.secret, /^\$argon2id\$/);
});

test('of domains that share a file the one that wants the most of it decides', async () => {
  const line = DOMAIN_TABLE.split('\n').find((each) => each.startsWith('acme.com:'))!;
  it.site.write('teapop.passwd', `${DOMAIN_TABLE}${line.replace('acme.com', 'also.com')}\n`);
  const key = Buffer.alloc(32, 1);
  const passwords = createPasswordTools(CHEAP, createSealer(key), createScramSalts(key, 4096));
  const kept = async (acme: Keeping, also: Keeping) => {
    await it.sync({ passwords, keeping: (domain) => (domain === 'acme.com' ? acme : also) });
    return (await it.rowsOf('john'))[0]!.secret.replace(/^(\{[A-Z0-9-]+\}|\$[a-z0-9]+\$).*/s, '$1');
  };
  assert.equal(await kept('hashed', 'scram'), '{SCRAM-SHA-256}');
  assert.equal(await kept('sealed', 'scram'), '{SEALED}');
  assert.equal(await kept('hashed', 'sealed'), '{SEALED}');
  assert.equal(await kept('hashed', 'hashed'), '$argon2id$');
});

test('a Redis that was emptied is filled again', async () => {
  await it.sync();
  await it.link.command('FLUSHALL');
  assert.deepEqual([(await it.sync()).generation, (await it.rowsOf('john')).length], [1, 1]);
});

test('prefixes are sites of their own', async () => {
  await it.sync({ prefix: 'one' });
  await it.sync({ prefix: 'one.two' });
  it.site.write('users', 'john:secret-of-john:box\n');
  await it.sync({ prefix: 'one' });
  const keys = await it.keys('*');
  assert.ok(keys.every((key) => key.startsWith('one:{') || key.startsWith('one.two:{')));
});
