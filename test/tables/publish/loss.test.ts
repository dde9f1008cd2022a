import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { SyncRefused } from '../../../src/tables/publish/loss.ts';
import { publishing } from '../../support/publishing.ts';
import { dumpRedis } from '../../support/redis.ts';

const it = publishing();
const DOMAINS = 10;
const USERS_EACH = 10;

const users = (count: number) => Array.from({ length: count }, (_, i) => `u${i}:pw${i}:b${i}\n`).join('');
const line = (i: number, file = `f${i}`) => `d${i}.org:*:textfile:/m:0:mail:mail:{dir}/${file}:1000:\n`;
const table = (of: readonly number[]) => of.map((i) => line(i)).join('');
const all = Array.from({ length: DOMAINS }, (_, i) => i);

/** Ten domains of ten users each, published. */
async function tenByTen(): Promise<void> {
  for (const i of all) it.site.write(`f${i}`, users(USERS_EACH));
  it.site.write('teapop.passwd', table(all));
  await it.sync();
}

async function refused(message: RegExp, maxLoss = 0.2): Promise<void> {
  const before = await dumpRedis(it.link);
  await assert.rejects(
    it.sync({ maxLoss }),
    (error) => error instanceof SyncRefused && message.test(error.message),
  );
  assert.equal(await dumpRedis(it.link), before, 'a refused sync changes nothing');
}

test('as many users as allowed may go, one more is refused, and force publishes all the same', async () => {
  await tenByTen();
  it.site.write('f0', users(0));
  it.site.write('f1', users(0));
  assert.equal((await it.sync({ maxLoss: 0.2 })).removed, 20);
  it.site.write('f2', users(0));
  it.site.write('f3', users(3));
  await refused(
    /17 of 80 users \(21\.3%\) and 0 of 10 domains \(0%\) would be lost, more than sync\.max_loss \(20%\) allows: 'd2\.org' loses 10 of 10 users, 'd3\.org' loses 7 of 10 users; --force/,
  );
  const forced = await it.sync({ maxLoss: 0.2, force: true });
  assert.deepEqual([forced.removed, forced.users], [17, 63]);
});

test('domains are guarded on their own, before any password is hashed', async () => {
  await tenByTen();
  for (const i of all.slice(3)) it.site.write(`f${i}`, users(200));
  it.site.write('teapop.passwd', table(all.slice(3)));
  await refused(
    /: 30 of 100 users \(30%\) and 3 of 10 domains \(30%\) would be lost.*: 'd0\.org' is gone with 10 of 10 users, 'd1\.org'/,
  );
  it.site.write('teapop.passwd', table(all.slice(2)));
  const report = await it.sync({ maxLoss: 0.2 });
  // That the lines of the others have moved up changes no login.
  assert.deepEqual(report.domainCounts, { added: 0, changed: 0, removed: 2 });
});

test('only the worst are named', async () => {
  await tenByTen();
  for (const i of all) it.site.write(`f${i}`, users(i));
  await refused(
    /'d0\.org' loses 10 of 10 users, 'd1\.org' loses 9 .*'d4\.org' loses 6 of 10 users and 5 more;/,
  );
});

test('with nothing allowed one user is too many; with everything allowed none is', async () => {
  await tenByTen();
  it.site.write('f0', users(USERS_EACH - 1));
  await refused(/1 of 100 users \(1%\)/, 0);
  it.site.write('teapop.passwd', 'empty:*:reject\n');
  assert.equal((await it.sync({ maxLoss: 1 })).users, 0);
});

test('users that are replaced by others are lost all the same', async () => {
  await tenByTen();
  for (const i of all.slice(0, 3)) it.site.write(`f${i}`, users(USERS_EACH).replaceAll('u', 'other'));
  await refused(/30 of 100 users/);
});

test('files that moved, or got another max, lose nobody and hash nothing', async () => {
  await tenByTen();
  for (const i of all) renameSync(`${it.site.path}/f${i}`, `${it.site.path}/moved${i}`);
  it.site.write(
    'teapop.passwd',
    all
      .map((i) => line(i, `moved${i}`))
      .join('')
      .replace('1000:\n', '500:\n'),
  );
  const report = await it.sync({ maxLoss: 0 });
  assert.deepEqual(
    [report.added, report.changed, report.removed, report.hashed, report.reused],
    [0, 0, 0, 0, 100],
  );
  assert.deepEqual(report.removedTables, []);
  assert.equal(report.changedTables[3]!.movedFrom, `${it.site.path}/f3`);
  assert.equal((await it.rowsOf('u3', 'd7.org')).length, 1);
  assert.equal((await it.sync()).published, false);
});

test('a file that moved and is not where it should be is refused as one that is gone', async () => {
  await tenByTen();
  it.site.write('teapop.passwd', all.map((i) => line(i, `moved${i}`)).join(''));
  await refused(/moved\d is gone or cannot be read, and 10 published users/, 1);
});

test('a password file that is gone is refused however few its users are', async () => {
  await tenByTen();
  rmSync(`${it.site.path}/f0`);
  await refused(/f0 is gone or cannot be read, and 10 published users/, 1);
});

test('a refusal tells what is wrong with the files', async () => {
  await tenByTen();
  for (const i of [0, 1, 2]) it.site.write(`f${i}`, `\n${users(USERS_EACH)}`);
  await assert.rejects(it.sync({ maxLoss: 0.2 }), (error) => {
    assert.ok(error instanceof SyncRefused);
    const { file, line, code } = error.diagnostics.find(({ code }) => code === 'blank-line')!;
    assert.deepEqual([file, line, code], [`${it.site.path}/f0`, 1, 'blank-line']);
    return true;
  });
});

test('a first sync, and one after Redis was emptied, has nothing to lose', async () => {
  await tenByTen();
  await it.link.command('FLUSHALL');
  it.site.write('teapop.passwd', table([0]));
  assert.equal((await it.sync({ maxLoss: 0 })).users, 10);
});
