import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPassword } from '../../../src/auth/argon2.ts';
import { survey } from '../../../src/tables/inspect/survey.ts';
import { redisKeys } from '../../../src/tables/published/redis-keys.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { publishing } from '../../support/publishing.ts';
import { CHEAP } from '../../support/site.ts';

const KEYS = redisKeys('test');
const it = publishing();

test('tells counts, memory, upgraded hashes, diagnostics and the server', async () => {
  await it.sync();
  const before = await survey(it.link, KEYS);
  assert.deepEqual([before.generation, before.domains, before.entries, before.tables], [1, 2, 2, 2]);
  assert.deepEqual([before.users, before.rows, before.upgraded], [4, 4, 0]);
  assert.ok(Math.abs(Date.now() - before.publishedAt) < 10_000);
  assert.deepEqual([before.diagnostics!.errors, before.diagnostics!.generation], [0, 1]);
  const { version, mode, role, evictionPolicy } = before.server!;
  assert.match(version, /^\d+\.\d+/);
  assert.deepEqual([mode, role, evictionPolicy], ['standalone', 'master', 'noeviction']);

  const [john] = await it.rowsOf('john', 'old.org');
  const [entries] = await it.store.domainEntries(['old.org']);
  await it.store.keepBetter(entries![0]!.table!, 'john', john!, await hashPassword('x', CHEAP));
  assert.equal((await survey(it.link, KEYS)).upgraded, 1);
});

test('weighs what Redis says the tables take, all of few and some of many', async () => {
  const lines = Array.from(
    { length: 450 },
    (_, i) => `d${i}.org:*:htpasswd:/m:0:mail:mail:{dir}/h${i}:900:\n`,
  );
  it.site.write('teapop.passwd', lines.join(''));
  for (let i = 0; i < 450; i++) {
    const users = i < 3 ? 300 : 2;
    it.site.write(`h${i}`, Array.from({ length: users }, (_, j) => `user${j}:abrVGN.c35n9U\n`).join(''));
  }
  await it.sync();
  const found = await survey(it.link, KEYS);
  let whole = 0;
  for (const id of (await it.link.command('SMEMBERS', KEYS.tables)) as Buffer[]) {
    whole += (await it.link.command('MEMORY', 'USAGE', KEYS.table(String(id)), 'SAMPLES', 0)) as number;
  }
  assert.ok(Math.abs(found.memory.tables / whole - 1) < 0.05, `${found.memory.tables} of ${whole}`);
  assert.equal(found.memory.perRow, found.memory.tables / found.rows);
  assert.ok(found.memory.domains > 450 * 50);
});

test('without tables, or with those of another format, says so', async () => {
  await assert.rejects(survey(it.link, KEYS), (error: Error) => {
    return error instanceof TablesUnavailable && /run sync/.test(error.message);
  });
  await it.sync();
  await it.link.command('HSET', KEYS.domains, 'g', '99.1');
  await assert.rejects(survey(it.link, KEYS), /another version/);
});

test('a server that does not let itself be asked is left out', async () => {
  await it.sync();
  const command: typeof it.link.command = (name, ...args) =>
    name === 'INFO' ? Promise.reject(new TablesUnavailable('NOPERM')) : it.link.command(name, ...args);
  assert.equal((await survey({ ...it.link, command }, KEYS)).server, null);
});
