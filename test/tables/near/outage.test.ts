import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FIELD_META, FIELD_STAMP } from '../../../src/tables/published/redis-keys.ts';
import type { Command } from '../../../src/tables/redis/link.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { mailboxOf, NEAR_DOMAINS, type Near, nearSite } from '../../support/near.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';

/** Short, so that what comes after it can be waited for. */
const TIMEOUT = 1_500;
const TRUST = 200;

// What was published is still there after a restart.
const it = nearSite(['--appendonly', 'yes', '--appendfsync', 'always']);

const KNOWN = ['john@acme.com', 'otto@other.org'];

/** Looks the known ones up, and some that are in no table. */
async function warm({ near }: Near): Promise<void> {
  for (const user of KNOWN) await mailboxOf(near, user);
  assert.equal(await mailboxOf(near, 'nobody@acme.com'), 'unknown-user');
  assert.equal(await mailboxOf(near, 'john@nowhere.com'), 'unknown-domain');
}

async function killed(): Promise<Near> {
  const opened = await it.open({ nudged: false, timeout: TIMEOUT });
  await warm(opened);
  await it.server.kill9();
  await until('the loss is noticed', () => opened.feed.failure !== null);
  return opened;
}

describe('with Redis killed', () => {
  test('hot users are served, and everybody else is unavailable, not unknown', async () => {
    const { near } = await killed();
    const { memory } = near.counts;
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    assert.equal(await mailboxOf(near, 'otto@other.org'), 'otto');
    assert.equal(near.counts.memory - memory, 4);
    for (const user of ['jane@acme.com', 'nobody@acme.com', 'john@nowhere.com', 'x@cold.com', 'bare'])
      await assert.rejects(mailboxOf(near, user), TablesUnavailable, user);
    assert.equal(near.counts.unavailable, 5);
  });

  test('hot rows alone are no usable copy of the tables, and the status says why', async () => {
    const { near } = await killed();
    const { usable, detail, users, domains } = near.status();
    assert.equal(usable, false);
    assert.match(
      detail,
      /^Redis at 127\.0\.0\.1:\d+: .*; no snapshot is at hand, 5 rows in memory are served alone$/,
    );
    assert.deepEqual({ users, domains }, { users: 3, domains: 2 }, 'as it was known last');
    await it.server.restart();
    await until('it is usable again', () => near.status().usable);
  });

  test('hot rows are served up to max_stale, and no longer', async () => {
    const opened = await it.open({ nudged: false, trust: TRUST, maxStale: 700 });
    await warm(opened);
    await it.server.kill9();
    await until('the loss is noticed', () => opened.feed.failure !== null);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    await pause(700);
    await assert.rejects(mailboxOf(opened.near, 'john@acme.com'), TablesUnavailable);
    await it.server.restart();
    await until('it follows again', () => opened.feed.trusted);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
  });

  test('a row that was known to have changed is not served', async () => {
    const { near, feed } = await it.open({ nudged: false });
    for (const user of KNOWN) await mailboxOf(near, user);
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    await feed.poll();
    await it.server.kill9();
    await until('the loss is noticed', () => feed.failure !== null);
    await assert.rejects(mailboxOf(near, 'john@acme.com'), TablesUnavailable);
    assert.equal(await mailboxOf(near, 'otto@other.org'), 'otto');
  });

  test('the first answer after the outage is a fresh one', async () => {
    const { near } = await killed();
    await it.server.restart();
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    const before = near.counts.redis;
    await until('Redis is asked again', async () => {
      const { redis } = near.counts;
      const answer = await mailboxOf(near, 'john@acme.com');
      if (redis > before) assert.equal(answer, 'moved', 'the one before had an answer of Redis');
      return answer === 'moved';
    });
    for (let i = 0; i < 100; i++) assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
  });

  test('nothing queues: a thousand lookups fail at once and leave nothing behind', async () => {
    const { near } = await killed();
    const took = await waited(async () => {
      const asked = Array.from({ length: 1_000 }, (_, i) => mailboxOf(near, `user${i}@acme.com`));
      const settled = await Promise.allSettled(asked);
      assert.ok(settled.every(({ status }) => status === 'rejected'));
    });
    assert.ok(took < TIMEOUT, `${took} ms`);
    await it.server.restart();
    await until('it answers again', () => near.status().usable);
    const { redis } = near.counts;
    await pause(50);
    assert.equal(near.counts.redis, redis, 'none of them is asked now');
  });
});

describe('with Redis frozen', () => {
  test('only the first logins wait for it', async () => {
    const opened = await it.open({ nudged: false, trust: TRUST, timeout: TIMEOUT });
    await warm(opened);
    it.server.freeze();
    try {
      await until('rows are not trusted any more', () => !opened.feed.trusted);
      const first = await waited(async () =>
        assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box'),
      );
      assert.ok(first < 2 * TIMEOUT + 100, `${first} ms: one timeout for each row`);
      await until('a poll has failed', () => opened.feed.failure !== null);
      const others = await waited(async () => {
        for (let i = 0; i < 200; i++) assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
      });
      assert.ok(others < TIMEOUT / 2, `${others} ms: 200 logins that each waited would take a minute`);
      assert.equal(opened.near.status().usable, false);
    } finally {
      it.server.thaw();
    }
    await until('it follows again', () => opened.feed.trusted);
    assert.equal(await mailboxOf(opened.near, 'jane@acme.com'), 'jane');
  });
});

/** What the feed asks, and the status. */
const isPoll = ([, , first, second, ...more]: Command) =>
  first === FIELD_STAMP && second === FIELD_META && more.length === 0;

describe('with the feed broken and Redis answering', () => {
  test('each login asks Redis, so that no change is missed', async () => {
    const { near, feed, link } = await it.open({ nudged: false, trust: TRUST });
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    link.loses = isPoll;
    await until('rows are not trusted any more', () => !feed.trusted);
    assert.match(feed.failure ?? '', /lost on the way/);
    const { memory } = near.counts;
    it.site.write('users', 'john:pw:moved\n');
    await it.sync();
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
    assert.equal(await mailboxOf(near, 'jane@acme.com'), 'unknown-user');
    assert.equal(near.counts.memory, memory);
    link.loses = null;
    await until('it follows again', () => feed.trusted);
    assert.equal(feed.edition?.generation, 2);
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
  });
});

test('what Redis has contradicted is not served when it is gone, though the feed never told of it', async () => {
  const { near, feed, link } = await it.open({ nudged: false, trust: TRUST });
  const read = async () => {
    const [[entry] = []] = await near.domainEntries(['acme.com']);
    return near.userRows(entry!.table!, 'john', entry!.generation);
  };
  await mailboxOf(near, 'otto@other.org');
  await read();
  const [[before] = []] = await near.domainEntries(['acme.com']);
  link.loses = isPoll;
  await until('rows are not trusted any more', () => !feed.trusted);
  it.site.write('users', 'john:pw:moved\n');
  it.site.write('teapop.passwd', NEAR_DOMAINS.replace('/m:', '/new:'));
  await it.sync();
  assert.equal((await read())[0]!.mailbox, 'moved');
  link.loses = () => true;
  assert.equal(await mailboxOf(near, 'otto@other.org'), 'otto');
  await assert.rejects(async () => near.domainEntries(['acme.com']), TablesUnavailable);
  await assert.rejects(
    async () => near.userRows(before!.table!, 'john', before!.generation),
    TablesUnavailable,
  );
});

test('a Redis that lost the tables is taken for one that is gone', async () => {
  const { near, feed, link } = await it.open({ nudged: false, trust: TRUST });
  await mailboxOf(near, 'john@acme.com');
  await link.command('FLUSHALL');
  await until('it is noticed', () => feed.failure !== null);
  assert.match(feed.failure!, /no tables are published/);
  assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
  await assert.rejects(mailboxOf(near, 'jane@acme.com'), TablesUnavailable);
  it.site.write('users', 'john:pw:moved\n');
  await it.sync();
  await until('it follows again', () => feed.trusted);
  assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
});

test('a table that Redis lost makes nobody unknown', async () => {
  const { near, link } = await it.open({ nudged: false });
  await mailboxOf(near, 'john@acme.com');
  const tables = ((await link.command('KEYS', 'test:{table-*}')) as Buffer[]).map(String);
  for (const key of tables) await link.command('DEL', key);
  assert.equal(await mailboxOf(near, 'john@acme.com'), 'box', 'it is hot');
  await assert.rejects(mailboxOf(near, 'jane@acme.com'), /evicted or removed/);
});
