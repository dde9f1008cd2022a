import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import type { PublishProgress } from '../../../src/tables/publish/progress.ts';
import type { PublishReport } from '../../../src/tables/publish/publication.ts';
import { CHANGES_LISTED } from '../../../src/tables/published/changes.ts';
import { DOMAIN_TABLE, publishing, USERS } from '../../support/publishing.ts';
import { dumpRedis } from '../../support/redis.ts';
import { CHEAP, countingTools } from '../../support/site.ts';

const it = publishing();

const told = ({ domainChanges }: PublishReport) =>
  domainChanges.map(({ domain, entry, users, added, changed, removed }) => [
    domain,
    entry,
    ...[users, added, changed, removed],
  ]);

/** What the change log says of a generation, with the paths of the tables instead of their ids. */
async function logged(report: PublishReport): Promise<{ domains: unknown; tables: Record<string, unknown> }> {
  const value = await it.link.command('HGET', 'test:{domains}:changes', report.generation);
  const { domains, tables } = JSON.parse((value as Buffer).toString('latin1'));
  const paths = new Map([...report.changedTables, ...report.removedTables].map(({ id, path }) => [id, path]));
  const named = Object.entries(tables).map(([id, names]) => [
    paths.get(id)?.slice(it.site.path.length + 1) ?? id,
    Array.isArray(names) ? names.toSorted() : names,
  ]);
  return {
    domains: Array.isArray(domains) ? domains.toSorted() : domains,
    tables: Object.fromEntries(named),
  };
}

test('the report counts by domain, most users first, and names the users', async () => {
  const first = await it.sync();
  assert.deepEqual(told(first), [
    ['acme.com', 'added', 3, 3, 0, 0],
    ['old.org', 'added', 1, 1, 0, 0],
  ]);
  it.site.write('users', `${USERS.replace('secret-of-john', 'x').replace(/^jane.*\n/m, '')}eve:y:\nann:z:\n`);
  it.site.write('teapop.passwd', `${DOMAIN_TABLE.replace('/m:0', '/n:0')}new.org:*:reject\n`);
  const second = await it.sync();
  assert.deepEqual(told(second), [
    ['acme.com', 'changed', 4, 2, 1, 1],
    ['new.org', 'added', 0, 0, 0, 0],
  ]);
  assert.deepEqual(second.domainCounts, { added: 1, changed: 1, removed: 0 });
  assert.deepEqual(second.changedTables[0]!.names, {
    added: ['eve', 'ann'],
    changed: ['john'],
    removed: ['jane'],
  });
  it.site.write('teapop.passwd', DOMAIN_TABLE.split('\n')[0]!.concat('\n'));
  assert.deepEqual(told(await it.sync()), [
    ['old.org', 'removed', 0, 0, 0, 1],
    ['acme.com', 'changed', 4, 0, 0, 0],
    ['new.org', 'removed', 0, 0, 0, 0],
  ]);
});

test('users of a shared file are told for each of its domains, and counted once', async () => {
  const line = (domain: string) => `${domain}:*:textfile:/m:0:mail:mail:{dir}/users:100:\n`;
  it.site.write('teapop.passwd', line('a.org') + line('b.org'));
  await it.sync();
  it.site.write('users', `${USERS}eve:y:\n`);
  const report = await it.sync();
  assert.equal(report.added, 1);
  assert.deepEqual(told(report), [
    ['a.org', 'same', 4, 1, 0, 0],
    ['b.org', 'same', 4, 1, 0, 0],
  ]);
  // One domain that goes takes nobody from the file.
  it.site.write('teapop.passwd', line('b.org'));
  const fewer = await it.sync();
  assert.deepEqual([fewer.removed, fewer.domainCounts.removed, fewer.users], [0, 1, 4]);
  assert.deepEqual(told(fewer), [['a.org', 'removed', 0, 0, 0, 4]]);
});

test('the change log names what differs in Redis, and no more', async () => {
  assert.deepEqual(await logged(await it.sync()), { domains: null, tables: { users: null, htpasswd: null } });
  it.site.write('users', `eve:y:\n${USERS.replace('secret-of-john', 'x').replace(/^jane.*\n/m, '')}`);
  const second = await it.sync();
  assert.deepEqual(await logged(second), { domains: [], tables: { users: ['eve', 'jane', 'john'] } });

  it.site.write('teapop.passwd', `new.org:*:reject\n${DOMAIN_TABLE.split('\n')[0]}\n`);
  const third = await it.sync();
  assert.deepEqual(await logged(third), {
    domains: ['acme.com', 'new.org', 'old.org'],
    tables: { htpasswd: null },
  });
});

test('what is hashed anew is in the change log, though its line is the same', async () => {
  await it.sync();
  const report = await it.sync({ passwords: createPasswordTools({ ...CHEAP, time: 2 }, null) });
  assert.deepEqual(await logged(report), { domains: [], tables: { users: ['bob', 'jane', 'john'] } });
  assert.deepEqual([report.changed, report.changedTables[0]!.names?.changed], [0, []]);
});

test('a userid of two lines far apart is listed once, any octets as they are', async () => {
  const many = Array.from({ length: 700 }, (_, i) => `u${i}:p:b\n`).join('');
  it.site.write('users', `\xff"\\:one:a\n${many}\xff"\\:two:b\n`);
  it.site.write('teapop.passwd', DOMAIN_TABLE.replace(':100:', ':1000:'));
  await it.sync();
  it.site.write('users', `\xff"\\:one:a\n${many}\xff"\\:three:b\n`);
  const report = await it.sync();
  assert.deepEqual((await logged(report)).tables, { users: ['\xff"\\'] });
  assert.deepEqual(report.changedTables[0]!.names, { added: [], changed: ['\xff"\\'], removed: [] });
});

test('more than can be listed counts as everything', async () => {
  const rows = (password: string) =>
    Array.from({ length: CHANGES_LISTED + 1 }, (_, i) => `u${i}:${password}:b\n`).join('');
  it.site.write('teapop.passwd', DOMAIN_TABLE.replace(':100:', ':100000:'));
  const tools = { ...createPasswordTools(CHEAP, null), hash: async () => '{PLAIN}of a test' };
  it.site.write('users', rows('one'));
  await it.sync({ passwords: tools });
  it.site.write('users', rows('two'));
  const report = await it.sync({ passwords: tools });
  assert.equal(report.changed, CHANGES_LISTED + 1);
  assert.deepEqual((await logged(report)).tables, { users: null });
  assert.equal(report.changedTables[0]!.names, null);
});

test('a dry run says what would be, hashes nothing and leaves nothing behind', async () => {
  const tools = countingTools();
  const first = await it.sync({ dryRun: true, passwords: tools });
  assert.deepEqual([first.published, first.dryRun, first.generation, first.hashed], [true, true, 1, 3]);
  assert.deepEqual(await it.keys('*'), []);
  assert.ok(!existsSync(`${it.site.path}/state`), 'no fingerprint key was made');

  await it.sync();
  const before = await dumpRedis(it.link);
  it.site.write('users', `${USERS.replace('secret-of-john', 'x').replace(/^jane.*\n/m, '')}eve:y:\n`);
  it.site.write('teapop.passwd', `${DOMAIN_TABLE}new.org:*:reject\n`);
  const dry = await it.sync({ dryRun: true, passwords: tools });
  assert.equal(await dumpRedis(it.link), before);
  assert.deepEqual(tools.hashed, []);
  const real = await it.sync();
  const { duration: _, dryRun, ...same } = dry;
  const { duration: __, dryRun: ___, ...done } = real;
  assert.deepEqual(same, done, 'the real run does what the dry one said');
  assert.equal((await it.sync({ dryRun: true })).published, false);
});

test('a dry run is refused what the real one would be', async () => {
  await it.sync();
  it.site.write('users', '');
  await assert.rejects(it.sync({ dryRun: true, maxLoss: 0.5 }), /3 of 4 users \(75%\)/);
});

test('progress ends with all files, octets, rows and hashes', async () => {
  const seen: PublishProgress[] = [];
  await it.sync({ progress: (progress) => void seen.push(progress) });
  const { octets, ...last } = seen.at(-1)!;
  assert.deepEqual(last, { files: { done: 2, all: 2 }, rows: 4, hashed: 3 });
  assert.ok(octets.all > USERS.length && octets.done === octets.all);
  for (const [i, { octets }] of seen.entries()) {
    assert.ok(octets.done >= (seen[i - 1]?.octets.done ?? 0) && octets.done <= octets.all);
  }
  seen.length = 0;
  await it.sync({ progress: (progress) => void seen.push(progress) });
  assert.deepEqual([seen.at(-1)!.rows, seen.at(-1)!.files.done], [0, 2], 'unchanged files are done, too');
});
