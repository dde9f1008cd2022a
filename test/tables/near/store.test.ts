import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MOST_READS } from '../../../src/tables/near/shared-reads.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import { type TableStore, TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { mailboxOf, NEAR_DOMAINS, nearSite, type WatchedLink } from '../../support/near.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';
import { redisAt } from '../../support/site.ts';

/** Within which a change has to be seen, from the end of the sync on. */
const SECOND = 1_000;

const it = nearSite();

/** How often Redis ran a command, by its own count. */
async function calls(command: string): Promise<number> {
  const link = connectRedis(redisAt(it.server.port));
  await link.whenReady(30_000);
  const stats = String(await link.command('INFO', 'commandstats'));
  link.close();
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** The first entry of a domain, of a table. */
async function entryOf(near: TableStore, domain: string): Promise<{ table: string; generation: number }> {
  const [[entry] = []] = await near.domainEntries([domain]);
  return { table: entry!.table!, generation: entry!.generation! };
}

/** Keeps the replies to what is asked until `release` from arriving before `arrive`. */
function holdReplies(link: WatchedLink) {
  const { batch } = link;
  const [answered, arrived] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  link.batch = async (commands) => {
    const replies = await batch(commands);
    answered.resolve();
    await arrived.promise;
    return replies;
  };
  const release = () => {
    link.batch = batch;
  };
  return { release, answered: answered.promise, arrive: arrived.resolve };
}

describe('a hot row', () => {
  test('needs no round trip', async () => {
    const { near, feed, link } = await it.open({ nudged: false });
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    assert.equal(await mailboxOf(near, 'nobody@acme.com'), 'unknown-user');
    assert.equal(await mailboxOf(near, 'john@nowhere.com'), 'unknown-domain');
    const { memory, redis } = near.counts;
    assert.ok(redis >= 4);
    const polled = () => link.sent.length;
    const [before, sent] = [await calls('hmget'), polled()];
    for (let i = 0; i < 1_000; i++) {
      assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
      assert.equal(await mailboxOf(near, 'nobody@acme.com'), 'unknown-user');
      assert.equal(await mailboxOf(near, 'john@nowhere.com'), 'unknown-domain');
    }
    // The feed's polls and what the status reads go on meanwhile.
    assert.ok((await calls('hmget')) - before <= 10, `${(await calls('hmget')) - before} commands`);
    assert.ok(polled() - sent <= 10);
    assert.equal(near.counts.memory - memory, 5_000);
    assert.equal(near.counts.redis, redis);
    assert.ok(feed.trusted);
  });

  test('answers within the same turn of the event loop', async () => {
    const { near } = await it.open();
    await mailboxOf(near, 'john@acme.com');
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    assert.equal(turned, false);
  });

  test('has the same content as the one read from Redis', async () => {
    const { near } = await it.open();
    const read = async () => {
      const entries = await near.domainEntries(['acme.com', 'default']);
      const { table, generation } = entries[0]![0]!;
      return { entries, rows: await near.userRows(table!, 'john', generation) };
    };
    const [first, second] = [await read(), await read()];
    assert.deepEqual(second, first);
    assert.equal(near.counts.memory, 2);
  });
});

describe('a change', () => {
  for (const nudged of [true, false]) {
    test(`is seen within a second of the sync ${nudged ? 'by a nudge' : 'though every nudge is lost'}`, async () => {
      const { near } = await it.open({ nudged });
      for (const user of ['john@acme.com', 'jane@acme.com', 'otto@other.org', 'new@acme.com'])
        await mailboxOf(near, user);
      it.site.write('users', 'john:pw:moved\nnew:pw:new\n');
      await it.sync();
      const seen = async () =>
        (await mailboxOf(near, 'john@acme.com')) === 'moved' &&
        (await mailboxOf(near, 'jane@acme.com')) === 'unknown-user' &&
        (await mailboxOf(near, 'new@acme.com')) === 'new';
      const took = await waited(() => until('all of it is seen', seen));
      assert.ok(took < SECOND, `${took} ms`);
      if (nudged) assert.ok(took < SECOND / 4, `${took} ms`);
      // What did not change stayed where it was.
      const { redis } = near.counts;
      assert.equal(await mailboxOf(near, 'otto@other.org'), 'otto');
      assert.equal(near.counts.redis, redis);
      assert.equal(near.invalidated, 3);
    });
  }

  test('of the domain table is seen, and rows of its other domains come with the new generation', async () => {
    const { near } = await it.open();
    await mailboxOf(near, 'john@acme.com');
    await mailboxOf(near, 'otto@other.org');
    it.site.write(
      'teapop.passwd',
      'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\nother.org:*:reject:\n',
    );
    await it.sync();
    await until('it is seen', async () => (await mailboxOf(near, 'otto@other.org')) === 'domain-rejected');
    const { redis } = near.counts;
    const entry = await entryOf(near, 'acme.com');
    assert.equal(entry.generation, 2);
    assert.equal((await near.userRows(entry.table, 'john', 2))[0]!.mailbox, 'box');
    assert.equal(near.counts.redis, redis, 'both were hot');
  });

  test('between the two lookups of a login does not mix generations', async () => {
    const { near, feed } = await it.open({ nudged: false });
    await mailboxOf(near, 'john@acme.com');
    const old = await entryOf(near, 'acme.com');
    it.site.write('users', 'john:pw:moved\n');
    await it.sync();
    await feed.poll();
    const before = async () => (await near.userRows(old.table, 'john', old.generation))[0]!.mailbox;
    assert.equal(await before(), 'box');
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
    assert.equal(await before(), 'box', 'though the row of now is hot');
  });

  for (const what of ['a domain', 'a user'])
    test(`is not undone by an answer about ${what} that was on its way`, async () => {
      const { near, feed, link } = await it.open({ nudged: false });
      const { table, generation } = await entryOf(near, 'acme.com');
      // Redis answers before the change, and the answer arrives behind the invalidation.
      const held = holdReplies(link);
      const reading =
        what === 'a user' ? near.userRows(table, 'john', generation) : near.domainEntries(['other.org']);
      held.release();
      await held.answered;
      it.site.write('users', 'john:pw:moved\n');
      it.site.write('teapop.passwd', NEAR_DOMAINS.replace('/o:', '/new:'));
      await it.sync();
      await feed.poll();
      held.arrive();
      const [first] = (await reading).flat();
      assert.ok(
        first && ('mailbox' in first ? first.mailbox === 'box' : first.maildir === '/o'),
        'it began before',
      );
      assert.equal(await mailboxOf(near, 'john@acme.com'), 'moved');
      assert.equal((await near.domainEntries(['other.org']))[0]?.[0]?.maildir, '/new');
    });

  test('follows another at once, and the login begins anew instead of failing', async () => {
    const { near, feed } = await it.open({ nudged: false, trust: 60_000 });
    await mailboxOf(near, 'john@acme.com');
    for (const box of ['second', 'third', 'fourth']) {
      it.site.write('users', `john:pw:${box}\njane:pw:${box}\n`);
      await it.sync();
    }
    const { age } = feed;
    assert.equal(
      await mailboxOf(near, 'jane@acme.com'),
      'fourth',
      'its domain was hot, three generations old',
    );
    assert.ok(feed.age < age, 'it has asked');
  });

  test('of everything empties the memory: a Redis that came back empty counts anew', async () => {
    const { near, feed } = await it.open({ nudged: false });
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    assert.equal(feed.edition?.generation, 1);
    await it.server.restart();
    it.site.write('users', 'john:pw:other-history\n');
    await it.sync();
    await until('it is seen', async () => (await mailboxOf(near, 'john@acme.com')) === 'other-history');
    assert.equal(feed.edition?.generation, 1, 'the same number, another publication');
  });
});

describe('unknown names', () => {
  test('push out each other and no row in use', async () => {
    const { near } = await it.open({ bounds: { rows: 50, unknown: 20 } });
    await mailboxOf(near, 'john@acme.com');
    for (let i = 0; i < 200; i++) {
      assert.equal(await mailboxOf(near, `made-up-${i}@acme.com`), 'unknown-user');
      assert.equal(await mailboxOf(near, `john@made-up-${i}.com`), 'unknown-domain');
    }
    assert.equal(near.size.unknown, 20);
    const { redis } = near.counts;
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box');
    assert.equal(near.counts.redis, redis);
  });

  test('are not believed for longer than rows are', async () => {
    const { near } = await it.open();
    assert.equal(await mailboxOf(near, 'new@fresh.com'), 'unknown-domain');
    assert.equal(await mailboxOf(near, 'new@acme.com'), 'unknown-user');
    it.site.write(
      'teapop.passwd',
      'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\nfresh.com:*:textfile:/f:0:mail:mail:{dir}/users:10:\n',
    );
    it.site.write('users', 'new:pw:here\n');
    await it.sync();
    const known = async () => {
      const found = [await mailboxOf(near, 'new@fresh.com'), await mailboxOf(near, 'new@acme.com')];
      return found.every((mailbox) => mailbox === 'here');
    };
    const took = await waited(() => until('both are known', known));
    assert.ok(took < SECOND, `${took} ms`);
  });
});

describe('many lookups at once', () => {
  test('of one cold row ask once', async () => {
    const { near, link } = await it.open({ nudged: false });
    const before = link.sent.length;
    const found = await Promise.all(Array.from({ length: 500 }, () => mailboxOf(near, 'john@acme.com')));
    assert.deepEqual(new Set(found), new Set(['box']));
    assert.ok(link.sent.length - before <= 4, `${link.sent.length - before} commands`);
  });

  test('of different rows wait up to a bound; the rest fails at once', async () => {
    // Trusted for longer than Redis may need for an answer to a poll.
    const { near, link } = await it.open({ nudged: false, timeout: 5_000, trust: 60_000 });
    await mailboxOf(near, 'john@acme.com');
    let go = () => {};
    link.hold = new Promise((resolve) => (go = resolve));
    const asked = Array.from({ length: MOST_READS + 500 }, (_, i) => mailboxOf(near, `user${i}@acme.com`));
    const early = await Promise.race([Promise.allSettled(asked.slice(MOST_READS + 100)), pause(20_000)]);
    assert.ok(early, 'those beyond the bound have not waited');
    for (const each of early)
      assert.ok(each.status === 'rejected' && each.reason instanceof TablesUnavailable);
    assert.equal(await mailboxOf(near, 'john@acme.com'), 'box', 'hot rows serve all the while');
    go();
    link.hold = null;
    const all = await Promise.allSettled(asked);
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, MOST_READS);
    assert.equal(await mailboxOf(near, `user${MOST_READS + 400}@acme.com`), 'unknown-user');
  });
});

test('a better hash is in the next answer', async () => {
  it.site.write('teapop.passwd', 'old.org:*:htpasswd:/m:0:mail:mail:{dir}/htpasswd:100:\n');
  it.site.write('htpasswd', 'john:abrVGN.c35n9U\n');
  await it.sync();
  const { near } = await it.open();
  const entry = await entryOf(near, 'old.org');
  const [row] = await near.userRows(entry.table, 'john', entry.generation);
  const better = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g';
  assert.equal(await near.keepBetter(entry.table, 'john', row!, better), true);
  const [after] = await near.userRows(entry.table, 'john', entry.generation);
  assert.equal(after!.better, better);
});
