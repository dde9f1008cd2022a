import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import { ClaimLost } from '../../../src/tables/publish/claim.ts';
import { SyncRefused } from '../../../src/tables/publish/loss.ts';
import type { SyncOptions } from '../../../src/tables/sync/sync.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { DOMAIN_TABLE, publishing, USERS } from '../../support/publishing.ts';
import { dumpRedis } from '../../support/redis.ts';
import { CHEAP } from '../../support/site.ts';

const it = publishing();

test('a file that is gone is no reason to lock its users out, unless somebody insists', async () => {
  await it.sync();
  rmSync(`${it.site.path}/users`);
  await assert.rejects(it.sync(), SyncRefused);
  assert.equal((await it.rowsOf('john')).length, 1);
  const { report, diagnostics } = await it.site.sync(it.server.port, { force: true });
  assert.equal(report.removed, 3);
  assert.ok(diagnostics.some(({ code }) => code === 'password-file-missing'));
  assert.deepEqual(await it.rowsOf('john'), []);

  rmSync(`${it.site.path}/teapop.passwd`);
  await assert.rejects(it.sync(), SyncRefused);
});

test('of two syncs at once one wins whole and the other says so', async () => {
  const second = () =>
    assert.rejects(
      it.sync(),
      (error) => error instanceof ClaimLost && /another sync is at work/.test(error.message),
    );
  const first = await it.sync({ beforeSwitch: second });
  assert.equal(first.published, true);
  assert.equal((await it.sync()).published, false, 'the claim was given back');
});

test('a sync whose claim went to another changes nothing', async () => {
  await it.sync();
  it.site.write('users', 'john:other:box\n');
  const before = await it.rowsOf('john');
  const beforeSwitch = async () =>
    void (await it.link.command('SET', 'test:{domains}:sync', 'somebody else'));
  await assert.rejects(it.sync({ beforeSwitch }), ClaimLost);
  assert.deepEqual(await it.rowsOf('john'), before);
  assert.equal(String(await it.link.command('GET', 'test:{domains}:sync')), 'somebody else');
});

test('tables that change under a sync make it fail whole', async () => {
  await it.sync();
  it.site.write('users', 'john:other:box\n');
  const evict = async () => {
    const [next] = await it.keys('*:next:*');
    assert.match(next!, /^test:\{table-[0-9a-f]+\}:next:[0-9a-f]+$/);
    await it.link.command('DEL', next!);
  };
  await assert.rejects(it.sync({ beforeSwitch: evict }), /Redis lost rows/);
  assert.equal((await it.rowsOf('jane')).length, 1);
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
    await it.sync();
    const before = await dumpRedis(it.link);
    it.site.write('users', `${USERS}new:other:box\n`);
    it.site.write('teapop.passwd', `${DOMAIN_TABLE}more.org:*:reject\n`);
    await assert.rejects(it.sync(options), /broken/);
    assert.equal(await dumpRedis(it.link), before);
    assert.equal((await it.sync()).added, 1);
  });
}

test('a sync that loses Redis halfway leaves the live tables, and the next one clears up', async () => {
  await it.sync();
  it.site.write('users', USERS.replace('secret-of-jane', 'new secret'));
  const [jane] = await it.rowsOf('jane');
  const lose = async () => void (await it.link.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
  await assert.rejects(it.sync({ beforeSwitch: lose }), TablesUnavailable);
  assert.deepEqual(await it.rowsOf('jane'), [jane]);
  assert.equal((await it.keys('*:next:*')).length, 1);

  await assert.rejects(
    it.sync(),
    (error) => error instanceof ClaimLost && /process \d+\)/.test(error.message),
  );
  // As if its time were over.
  await it.link.command('DEL', 'test:{domains}:sync');
  assert.equal((await it.sync()).changed, 1);
  assert.deepEqual(await it.keys('*:next:*'), []);
  assert.equal(await it.link.command('EXISTS', 'test:{domains}:begun', 'test:{domains}:sync'), 0);
});

test('the claim of a sync lapses by itself', async () => {
  const beforeSwitch = async () => {
    const left = (await it.link.command('PTTL', 'test:{domains}:sync')) as number;
    assert.ok(left > 0 && left <= 30_000);
  };
  await it.sync({ beforeSwitch });
});
