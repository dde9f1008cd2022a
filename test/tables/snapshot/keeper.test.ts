import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, test } from 'node:test';
import type { Edition, Feed, FeedListener } from '../../../src/tables/published/feed.ts';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import { SnapshotKeeper } from '../../../src/tables/snapshot/keeper.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { mailboxOf, type Near, type NearOptions, nearSite } from '../../support/near.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';

// What was published is still there after a restart.
const it = nearSite(['--appendonly', 'yes', '--appendfsync', 'always']);
let path: string;
beforeEach(() => {
  path = `${it.site.path}/tables.snapshot`;
});

const HOUR = 3_600_000;

function kept(options: NearOptions = {}): NearOptions {
  return { nudged: false, timeout: 1_500, ...options, snapshot: { path, ...options.snapshot } };
}

/** A proxy has run and written its snapshot of generation 1. */
async function written(): Promise<void> {
  const { events, close } = await it.open(kept());
  await until('it is written', () => events.length > 0);
  assert.deepEqual(events, ['written 1, 0 taken over']);
  await close();
}

/** As if it could not be copied from Redis any more. */
function copiesNothing({ link }: Near): void {
  link.loses = ([name]) => name === 'HSCAN';
}

async function unavailable({ near }: Near, ...users: string[]): Promise<void> {
  for (const user of users) await assert.rejects(mailboxOf(near, user), TablesUnavailable, user);
}

async function isGone({ feed }: Near): Promise<void> {
  await it.server.kill9();
  await until('the loss is noticed', () => feed.failure !== null);
}

describe('a snapshot', () => {
  test('is written anew when something is published, and not otherwise', async () => {
    const { events, keeper } = await it.open(kept());
    await until('the first', () => events.length === 1);
    const first = readFileSync(path);
    await pause(150);
    assert.equal(events.length, 1);
    assert.deepEqual(keeper!.state?.generation, 1);
    it.site.write('users', 'john:pw:moved\n');
    await it.sync();
    await until('the second', () => events.length === 2);
    assert.deepEqual(events, ['written 1, 0 taken over', 'written 2, 2 taken over']);
    assert.notDeepEqual(readFileSync(path), first);
    assert.deepEqual(
      readdirSync(it.site.path).filter((name) => name.includes('.tmp')),
      [],
    );
  });

  test('is written at most so often', async () => {
    const { events, toldAt, feed } = await it.open(kept({ snapshot: { path, every: 1_000 } }));
    await until('the first', () => events.length === 1);
    for (const box of ['a', 'b', 'c']) {
      it.site.write('users', `john:pw:${box}\n`);
      await it.sync();
      await feed.poll();
    }
    await until('the next', () => events.length === 2);
    assert.ok(toldAt[1]! - toldAt[0]! > 700, 'a second less the spread of the first');
    assert.equal(events[1], 'written 4, 2 taken over');
  });

  test('is dated for as long as it is what is published', async () => {
    const { events, close } = await it.open(kept());
    await until('it is written', () => events.length === 1);
    const head = () => readFileSync(path).subarray(0, 512).toString('hex');
    const before = head();
    await until('it is dated anew', () => head() !== before);
    await close();
    const { keeper } = await it.openAlone(kept());
    assert.ok(keeper!.state!.age! < 5_000);
  });
});

describe('without Redis', () => {
  test('a proxy starts from its snapshot and serves everybody', async () => {
    await written();
    await it.server.kill9();
    const { near, keeper } = await it.openAlone(kept());
    for (const [user, box] of [
      ['john@acme.com', 'box'],
      ['jane@acme.com', 'jane'],
      ['otto@other.org', 'otto'],
    ] as const)
      assert.equal(await mailboxOf(near, user), box);
    assert.deepEqual(near.counts, { memory: 0, redis: 0, snapshot: 6, unavailable: 0 });
    const { usable, detail, users, domains, publishedAt } = near.status();
    assert.deepEqual({ usable, users, domains }, { usable: true, users: 3, domains: 2 });
    assert.match(detail, /ECONNREFUSED.*; the snapshot of generation 1, \d+ s old, is served$/);
    assert.ok(Math.abs(Date.now() - publishedAt!) < 60_000);
    assert.equal(keeper!.state?.octets, readFileSync(path).length);
  });

  test('whoever is not in the snapshot is unavailable, not unknown', async () => {
    await written();
    await it.server.kill9();
    await unavailable(await it.openAlone(kept()), 'nobody@acme.com', 'john@nowhere.com', 'bare');
  });

  test('the rows that were hot and the snapshot serve side by side', async () => {
    const opened = await it.open(kept());
    await until('it is written', () => opened.events.length === 1);
    await mailboxOf(opened.near, 'john@acme.com');
    await isGone(opened);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    assert.equal(opened.near.counts.snapshot, 0);
    assert.equal(await mailboxOf(opened.near, 'jane@acme.com'), 'jane');
    assert.equal(await mailboxOf(opened.near, 'otto@other.org'), 'otto');
    assert.equal(opened.near.counts.snapshot, 3);
    assert.equal(opened.near.status().usable, true);
    await unavailable(opened, 'nobody@acme.com');
    assert.deepEqual(opened.events, ['written 1, 0 taken over'], 'an outage is no failure of the snapshot');
  });

  test('no row is served that is known to have changed since', async () => {
    const opened = await it.open(kept());
    await until('it is written', () => opened.events.length === 1);
    copiesNothing(opened);
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    await opened.feed.poll();
    await isGone(opened);
    await unavailable(opened, 'john@acme.com');
    assert.equal(await mailboxOf(opened.near, 'jane@acme.com'), 'jane');
    assert.equal(await mailboxOf(opened.near, 'otto@other.org'), 'otto');
    assert.equal(opened.near.status().usable, true);
  });

  test('a snapshot that is too old is not served, and the status says so', async () => {
    await written();
    await it.server.kill9();
    const later = (by: number) => ({ path, clock: () => Date.now() + by });
    const young = await it.openAlone(kept({ maxStale: 24 * HOUR, snapshot: later(23 * HOUR) }));
    assert.equal(await mailboxOf(young.near, 'john@acme.com'), 'box');
    const old = await it.openAlone(kept({ maxStale: 24 * HOUR, snapshot: later(24 * HOUR) }));
    await unavailable(old, 'john@acme.com');
    assert.equal(old.near.status().usable, false);
    assert.match(old.near.status().detail, /the snapshot is \d+ s old, above max_stale$/);
  });

  test('a clock that is set while the proxy runs makes no snapshot young or old', async () => {
    await written();
    await it.server.kill9();
    let set = 0;
    const opened = await it.openAlone(
      kept({ maxStale: HOUR, snapshot: { path, clock: () => Date.now() + set } }),
    );
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    set = 48 * HOUR;
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    set = -48 * HOUR;
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    assert.ok(opened.keeper!.state!.age! < 60_000);
  });

  test('the age counts from the last answer of Redis, not from the date in the file', async () => {
    await written();
    const options = { path, every: HOUR, clock: () => Date.now() + 48 * HOUR };
    const opened = await it.open(kept({ maxStale: 24 * HOUR, snapshot: options }));
    await isGone(opened);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
  });

  test('a snapshot of the future is served once the clock is right', async () => {
    await written();
    await it.server.kill9();
    let behind = 30 * 24 * HOUR;
    const opened = await it.openAlone(kept({ snapshot: { path, clock: () => Date.now() - behind } }));
    await unavailable(opened, 'john@acme.com');
    assert.match(opened.near.status().detail, /dated in the future: is this host's clock right/);
    assert.equal(opened.keeper!.state!.age, null);
    behind = 0;
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
  });
});

describe('what changes at an awkward moment is not served', () => {
  /** A keeper behind a feed that says what it is told to say. */
  async function behind(feed: Partial<Feed>) {
    const { link } = await it.open();
    const [done, ignored] = [Promise.withResolvers<void>(), () => {}];
    const on = { written: () => done.resolve(), refused: ignored, failed: ignored };
    const keeper = await SnapshotKeeper.open({ path, prefix: 'test', link, every: 50, maxStale: HOUR, on });
    await keeper.verified;
    let listener: FeedListener = { changed: ignored };
    const edition = keeper.edition ?? null;
    const state = { age: 0, trusted: true, failure: null, edition, poll: async () => {}, add: ignored };
    const add = (each: FeedListener) => {
      listener = each;
    };
    const told = { ...state, ...feed, add } as unknown as Feed;
    keeper.follow(told);
    const [[entry] = []] = await new RedisStore({ link, prefix: 'test' }).domainEntries(['acme.com']);
    const table = entry!.table!;
    const changed = (of: Edition | null) =>
      listener.changed(
        [{ generation: 9, publishedAt: 9, domains: [], tables: new Map([[table, ['john']]]) }],
        of,
      );
    return { keeper, table, changed, told, done: done.promise };
  }

  test('while the file is read', async () => {
    await written();
    const { keeper, table, changed, told } = await behind({});
    const read = [keeper.users(table, 'john'), keeper.users(table, 'jane')];
    changed(told.edition);
    const [john, jane] = await Promise.all(read);
    assert.equal(john, null);
    assert.equal(jane![0]!.mailbox, 'jane');
    await keeper.close();
  });

  test('while the copy is finished', async () => {
    const { feed } = await it.open();
    const { edition } = feed;
    let telling = () => {};
    const poll = async () => void setImmediate(() => telling());
    const { keeper, table, changed, done } = await behind({ edition, poll });
    telling = () => changed(edition);
    changed(edition);
    await done;
    assert.equal(await keeper.users(table, 'john'), null);
    assert.equal((await keeper.users(table, 'jane'))![0]!.mailbox, 'jane');
    await keeper.close();
  });
});

describe('with Redis back', () => {
  test('newer tables there win at once', async () => {
    await written();
    await it.server.kill9();
    const opened = await it.openAlone(kept());
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    await it.server.restart();
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    await until('it is seen', async () => {
      const { redis } = opened.near.counts;
      const box = await mailboxOf(opened.near, 'john@acme.com');
      if (redis > 0) assert.equal(box, 'moved', 'the one before had an answer of Redis');
      return box === 'moved';
    });
    await until('it is copied', () => opened.events.length > 0);
    assert.deepEqual(opened.events, ['written 2, 2 taken over']);
    await isGone(opened);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'moved');
  });

  test('whoever has changed meanwhile is asked of Redis, though it comes back while the file is read', async () => {
    await written();
    const opened = await it.openAlone(kept());
    const { near, feed, link, keeper } = opened;
    link.loses = () => true;
    await feed.poll();
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    keeper!.users = async (...asked) => {
      copiesNothing(opened);
      await feed.poll();
      return SnapshotKeeper.prototype.users.apply(keeper, asked);
    };
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
    assert.deepEqual(near.counts, { memory: 0, redis: 2, snapshot: 1, unavailable: 0 });
  });

  test('what was published while the proxy was down is known by name', async () => {
    await written();
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    const opened = await it.openAlone(kept());
    copiesNothing(opened);
    await until('it follows', () => opened.feed.trusted);
    assert.equal(opened.near.invalidated, 0);
    await isGone(opened);
    await unavailable(opened, 'john@acme.com');
    assert.equal(await mailboxOf(opened.near, 'jane@acme.com'), 'jane');
  });

  test('tables of another history leave nothing of the snapshot', async () => {
    await written();
    await it.server.restart();
    const link = (await it.open()).link;
    await link.command('FLUSHALL');
    it.site.write('users', 'john:pw:other\n');
    await it.sync();
    const opened = await it.openAlone(kept());
    copiesNothing(opened);
    await until('it follows', () => opened.feed.trusted);
    await isGone(opened);
    await unavailable(opened, 'john@acme.com', 'jane@acme.com', 'otto@other.org');
    assert.equal(opened.near.status().usable, false);
    assert.match(opened.near.status().detail, /of other tables than those seen in Redis since$/);
  });
});

describe('a file that cannot be used', () => {
  for (const [what, spoil] of Object.entries<() => void>({
    'is cut short': () => truncateSync(path, readFileSync(path).length - 1),
    'has another octet': () => {
      const octets = readFileSync(path);
      octets[600]! ^= 1;
      writeFileSync(path, octets);
    },
    'is something else': () => writeFileSync(path, 'something else'),
  })) {
    test(`is refused, and a new one written, where it ${what}`, async () => {
      await written();
      spoil();
      await it.server.kill9();
      const opened = await it.openAlone(kept());
      assert.match(
        opened.events.join(),
        /^refused: (it has \d+ octets of \d+|its checksum is wrong|it is no snapshot)/,
      );
      assert.equal(opened.near.status().usable, false);
      await unavailable(opened, 'john@acme.com');
      await it.server.restart();
      await until('a new one is written', () => opened.events.length === 2);
      assert.equal(opened.events[1], 'written 1, 0 taken over');
      await isGone(opened);
      assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
    });
  }

  test('is refused when it turns out while it is read, and a new one written', async () => {
    await written();
    const opened = await it.open(kept());
    const octets = readFileSync(path);
    // The directory of sections: it is read when the next snapshot takes them over.
    octets.fill(0xff, 512, octets.length);
    writeFileSync(path, octets);
    it.site.write('users', 'john:pw:moved\n');
    await it.sync();
    await until('a new one is written', () => opened.events.some((event) => event.startsWith('written')));
    assert.match(opened.events[0]!, /^failed: /);
    assert.match(opened.events[1]!, /^refused: /);
    assert.equal(opened.events.at(-1), 'written 2, 0 taken over');
  });

  test('what a killed process left behind is removed, and nothing else', async () => {
    const names = ['4194305.tmp', `${process.ppid}.tmp`, 'x.tmp', 'old'].map(
      (end) => `tables.snapshot.${end}`,
    );
    for (const name of names) it.site.write(name, 'left');
    await it.open(kept());
    const left = readdirSync(it.site.path).filter((name) => names.includes(name));
    assert.deepEqual(left.toSorted(), names.slice(1).toSorted());
  });

  test('a folder that is not there is told of, and logins go on', async () => {
    const opened = await it.open(kept({ snapshot: { path: `${it.site.path}/nowhere/x` } }));
    await until('it is told', () => opened.events.length > 0);
    assert.match(opened.events[0]!, /^failed: ENOENT/);
    assert.equal(await mailboxOf(opened.near, 'john@acme.com'), 'box');
  });
});
