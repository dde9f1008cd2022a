import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { encodeStamp } from '../../../src/tables/published/redis-format.ts';
import { redisKeys } from '../../../src/tables/published/redis-keys.ts';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import type { RedisLink } from '../../../src/tables/redis/link.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { until } from '../../support/process.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { makeSite, redisAt, type Site } from '../../support/site.ts';

const TIMEOUT = 1_000;
let server: RedisServer;
let site: Site;
let link: RedisLink;
let store: RedisStore;

before(async () => {
  server = await startRedis();
  site = makeSite('redis-store');
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:10:\n');
  site.write('users', 'john:pw:box\n');
});

after(async () => {
  await server.stop();
  site.remove();
});

beforeEach(async () => {
  link = connectRedis({ ...redisAt(server.port), timeout: TIMEOUT });
  await link.whenReady(30_000);
  await link.command('FLUSHALL');
  store = new RedisStore({ link, prefix: 'test' });
});

afterEach(() => store.close());

const entry = async () => (await store.domainEntries(['acme.com']))[0]![0]!;

function unavailable(pattern: RegExp) {
  return (error: unknown) => error instanceof TablesUnavailable && pattern.test(error.message);
}

test('looks up what was published, and tells of it', async () => {
  await site.sync(server.port);
  const [known, unknown] = await store.domainEntries(['acme.com', 'nowhere']);
  assert.deepEqual(unknown, []);
  const { table, generation, maildir } = known![0]!;
  assert.equal(maildir, '/m');
  const rows = await store.userRows(table!, 'john', generation);
  assert.deepEqual(
    rows.map(({ mailbox, line }) => ({ mailbox, line })),
    [{ mailbox: 'box', line: 1 }],
  );
  assert.deepEqual(await store.userRows(table!, 'nobody', generation), []);

  await store.refresh();
  const { usable, publishedAt, domains, users } = store.status();
  assert.deepEqual({ usable, domains, users }, { usable: true, domains: 1, users: 1 });
  assert.ok(Math.abs(Date.now() - publishedAt!) < 10_000);
});

test('without published tables no login is decided', async () => {
  await assert.rejects(entry(), unavailable(/no tables are published.*run sync/));
  await store.refresh();
  assert.equal(store.status().usable, false);
  assert.match(store.status().detail, /run sync/);
});

test('tables of another format are named as such', async () => {
  await site.sync(server.port);
  await link.command('HSET', redisKeys('test').domains, 'g', '99.1');
  await assert.rejects(entry(), unavailable(/format 99, this version reads format 1/));
  await store.refresh();
  assert.match(store.status().detail, /format 99/);
});

test('a password table that is gone is no unknown user', async () => {
  await site.sync(server.port);
  const { table, generation } = await entry();
  await link.command('DEL', redisKeys('test').table(table!));
  await assert.rejects(store.userRows(table!, 'john', generation), unavailable(/evicted or removed/));
});

test('a damaged row or entry is no unknown user', async () => {
  await site.sync(server.port);
  const { table, generation } = await entry();
  await link.command('HSET', redisKeys('test').table(table!), 'ujohn', 'short');
  await assert.rejects(store.userRows(table!, 'john', generation), unavailable(/damaged/));
  await link.command('HSET', redisKeys('test').domains, 'dacme.com', '[');
  await assert.rejects(entry(), unavailable(/damaged/));
});

test('no name reaches another key or the fields of the publisher', async () => {
  await site.sync(server.port);
  const { table } = await entry();
  for (const name of ['g', 'm', '', 'ujohn', '*', '}:x{', '\0', `${redisKeys('test').domains}`]) {
    assert.deepEqual(await store.domainEntries([name]), [[]]);
    assert.deepEqual(await store.userRows(table!, name), []);
  }
  await assert.rejects(store.userRows('x}:{y', 'john'), RangeError);
});

test('a lookup that began before a publication ends in its own tables', async () => {
  site.write('users', 'john:pw:box\n');
  await site.sync(server.port);
  const began = await entry();
  site.write('users', 'john:pw:moved\n');
  await site.sync(server.port);
  const [before] = await store.userRows(began.table!, 'john', began.generation);
  assert.equal(before!.mailbox, 'box');
  const now = await entry();
  const [after] = await store.userRows(now.table!, 'john', now.generation);
  assert.equal(after!.mailbox, 'moved');

  site.write('teapop.passwd', 'other.com:*:reject\n');
  await site.sync(server.port);
  const [removed] = await store.userRows(now.table!, 'john', now.generation);
  assert.equal(removed!.mailbox, 'moved', 'its table was removed meanwhile');
  assert.deepEqual(await store.domainEntries(['acme.com']), [[]]);
  await assert.rejects(
    store.userRows(began.table!, 'john', began.generation),
    unavailable(/two publications/),
    'rather than of tables it did not begin in',
  );
  site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:10:\n');
});

test('with Redis killed logins are unavailable at once, and served again when it is back', async () => {
  await site.sync(server.port);
  await store.refresh();
  const { table } = await entry();
  await server.kill9();
  await until('the loss is noticed', () => !store.status().usable);
  const took = await waited(async () => {
    await assert.rejects(entry(), TablesUnavailable);
    await assert.rejects(store.userRows(table!, 'john'), TablesUnavailable);
  });
  assert.ok(took < TIMEOUT / 3, `${took} ms`);

  await server.restart();
  await link.whenReady(30_000);
  // It has come back empty.
  await assert.rejects(entry(), unavailable(/no tables are published/));
  await site.sync(server.port);
  assert.equal((await entry()).domain, 'acme.com');
  await until('the status is good again', () => store.status().usable);
});

test('with Redis frozen logins are unavailable within the timeout', async () => {
  await site.sync(server.port);
  server.freeze();
  const took = await waited(() => assert.rejects(entry(), TablesUnavailable));
  assert.ok(took < TIMEOUT * 2, `${took} ms`);
  await until('the connection is dropped', () => link.problem() !== null);
  assert.equal(store.status().usable, false);
  server.thaw();
  await link.whenReady(30_000);
  assert.equal((await entry()).domain, 'acme.com');
});

test('a stamp is of this format and its generation', () => {
  assert.equal(encodeStamp(12), '1.12');
});
