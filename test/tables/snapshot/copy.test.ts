import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { redisKeys } from '../../../src/tables/published/redis-keys.ts';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import type { RedisLink } from '../../../src/tables/redis/link.ts';
import { type CopyOptions, copyTables } from '../../../src/tables/snapshot/copy.ts';
import { SnapshotFile } from '../../../src/tables/snapshot/reader.ts';
import { tableId } from '../../../src/tables/teapop/table-id.ts';
import { nearSite, type WatchedLink, watched } from '../../support/near.ts';
import { redisAt } from '../../support/site.ts';

const it = nearSite();
const keys = redisKeys('test');
let path: string;
let link: WatchedLink;

beforeEach(async () => {
  path = `${it.site.path}/tables.snapshot`;
  link = watched(connectRedis(redisAt(it.server.port)));
  await link.whenReady(30_000);
});
afterEach(() => link.close());

async function copy(options: Partial<CopyOptions> = {}) {
  const settled = async () => true;
  const { signal } = new AbortController();
  return copyTables({ link, prefix: 'test', path, previous: null, settled, signal, ...options });
}

async function opened<Result>(use: (file: SnapshotFile) => Promise<Result>): Promise<Result> {
  const file = await SnapshotFile.open(path, 'test');
  try {
    await file.verify();
    return await use(file);
  } finally {
    await file.close();
  }
}

const idOf = (file: string) => tableId('textfile', `${it.site.path}/${file}`, 1000);
const mailboxOf = (file: SnapshotFile, table: string, userid: string) =>
  file.users(idOf(table), userid).then(([row]) => row?.mailbox ?? null);

describe('a copy', () => {
  test('holds what is published', async () => {
    const { edition, users, sections, taken } = await copy();
    assert.deepEqual({ users, sections, taken }, { users: 3, sections: 3, taken: 0 });
    await opened(async (file) => {
      assert.deepEqual(file.head.edition, edition);
      assert.equal(edition.generation, 1);
      assert.deepEqual([file.head.users, file.head.domains], [3, 2]);
      assert.ok(Math.abs(file.date - Date.now()) < 10_000);
      assert.equal(await mailboxOf(file, 'users', 'john'), 'box');
      assert.equal(await mailboxOf(file, 'others', 'otto'), 'otto');
      assert.equal(await mailboxOf(file, 'others', 'john'), null);
      assert.equal((await file.entries('acme.com'))[0]?.maildir, '/m');
      assert.deepEqual(await file.entries('default'), []);
    });
  });

  test('says of any names what Redis says', async () => {
    const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
    const pointed = fc.constantFrom('\0', 'g', 'm', 'u', 'd', '{', '\xff', '\x80', ' ', 'default', '\r');
    const name = fc.array(fc.oneof(octet, pointed), { maxLength: 4 }).map((parts) => parts.join(''));
    const store = new RedisStore({ link: { ...link, close() {} }, prefix: 'test' });
    let known = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(name, { maxLength: 8 }),
        fc.array(name, { maxLength: 4 }),
        async (userids, domains) => {
          it.site.write('users', userids.map((userid, i) => `${userid}:pw:box${i}\n`).join(''));
          const lines = domains.map((domain) => `${domain}:*:textfile:/x:0:mail:mail:{dir}/users:1000:\n`);
          it.site.write(
            'teapop.passwd',
            `acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\n${lines.join('')}`,
          );
          await it.sync();
          await copy();
          await opened(async (file) => {
            const fields = ((await link.command('HKEYS', keys.domains)) as Buffer[]).map((key) =>
              key.toString('latin1'),
            );
            const named = fields.filter((field) => field[0] === 'd').map((field) => field.slice(1));
            for (const domain of [...named, ...domains, ...userids, 'g', 'm']) {
              const [entries] = await store.domainEntries([domain]);
              assert.deepEqual(await file.entries(domain), entries);
            }
            const rows = ((await link.command('HKEYS', keys.table(idOf('users')))) as Buffer[]).map((key) =>
              key.toString('latin1').slice(1),
            );
            for (const userid of [...rows, ...userids, ...domains, '', 'g', 'm']) {
              const found = await store.userRows(idOf('users'), userid);
              assert.deepEqual(await file.users(idOf('users'), userid), found);
              known += found.length;
            }
          });
        },
      ),
      { numRuns: 25 },
    );
    assert.ok(known > 25, `${known} rows`);
    await store.close();
  });

  test('takes over the tables that did not change', async () => {
    await copy();
    it.site.write('users', 'john:pw:moved\njane:pw:jane\n');
    await it.sync();
    const taken = (previous: SnapshotFile) => copy({ previous }).then(({ taken }) => taken);
    link.sent = [];
    assert.equal(await opened(taken), 2, 'the domains and one table');
    assert.equal(link.sent.filter((name) => name === 'HSCAN').length, 1);
    await opened(async (file) => {
      assert.equal(await mailboxOf(file, 'users', 'john'), 'moved');
      assert.equal(await mailboxOf(file, 'others', 'otto'), 'otto');
      assert.equal(
        (await file.entries('other.org'))[0]?.generation,
        2,
        'of the generation that it is a copy of',
      );
    });

    it.site.write('teapop.passwd', 'acme.com:*:textfile:/new:0:mail:mail:{dir}/users:1000:\n');
    await it.sync();
    assert.equal(await opened(taken), 1, 'the table that is left');
    await opened(async (file) => {
      assert.equal(await mailboxOf(file, 'users', 'john'), 'moved');
      assert.equal(await mailboxOf(file, 'others', 'otto'), null, 'its table is gone');
      assert.equal((await file.entries('acme.com'))[0]?.maildir, '/new');
      assert.deepEqual(await file.entries('other.org'), []);
      assert.deepEqual((await file.sections()).size, 2);
    });
  });

  test('of a thousand small tables asks for many at once, and takes them over as one', async () => {
    const lines = Array.from(
      { length: 1_000 },
      (_, i) => `d${i}.com:*:htpasswd:/m:0:mail:mail:{dir}/h${i}:10:\n`,
    );
    for (let i = 0; i < 1_000; i++) it.site.write(`h${i}`, `john:abrVGN.c35n9U\nuser${i}:abrVGN.c35n9U\n`);
    it.site.write('teapop.passwd', lines.join(''));
    await it.sync();
    const { batch } = link;
    let batches = 0;
    link.batch = (commands) => {
      batches++;
      return batch(commands);
    };
    assert.equal((await copy()).sections, 1_001);
    assert.ok(batches < 60, `${batches} round trips`);
    const again = await opened((previous) => copy({ previous }));
    assert.equal(again.taken, 1_001);
    await opened(async (file) => {
      for (const i of [0, 1, 500, 999]) {
        const id = tableId('htpasswd', `${it.site.path}/h${i}`, 10);
        assert.equal((await file.users(id, `user${i}`))[0]?.secret, 'abrVGN.c35n9U');
        assert.deepEqual(await file.users(id, 'user2000'), []);
      }
    });
  });
});

describe('a publication', () => {
  /** Runs something before the given HSCAN is sent. */
  function before(nth: number, interfere: () => Promise<unknown>): void {
    const { batch } = link;
    let scans = 0;
    link.batch = async (commands) => {
      const scanning = commands.some(([name]) => name === 'HSCAN');
      if (scanning && ++scans === nth) await interfere();
      return batch(commands);
    };
  }

  const large = (box: string) =>
    Array.from({ length: 2_000 }, (_, i) => `user${i}:abrVGN.c35n9U\n`).join('') + box;
  const largeId = () => tableId('htpasswd', `${it.site.path}/large`, 5000);

  for (const nth of [1, 2, 4]) {
    test(`while it is copied is part of the copy, whole (before scan ${nth})`, async () => {
      it.site.write('teapop.passwd', 'acme.com:*:htpasswd:/1:0:mail:mail:{dir}/large:5000:\n');
      it.site.write('large', large(''));
      await it.sync();
      before(nth, async () => {
        it.site.write('teapop.passwd', 'acme.com:*:htpasswd:/2:0:mail:mail:{dir}/large:5000:\n');
        it.site.write('large', large('new:abrVGN.c35n9U\n').replace('user7:', 'user7b:'));
        await it.sync();
      });
      const { edition, users } = await copy();
      assert.deepEqual([edition.generation, users], [3, 2_001]);
      await opened(async (file) => {
        assert.equal((await file.entries('acme.com'))[0]?.maildir, '/2');
        assert.deepEqual(await file.users(largeId(), 'user7'), []);
        for (const userid of ['user7b', 'new', 'user0', 'user1999'])
          assert.equal((await file.users(largeId(), userid)).length, 1, userid);
      });
    });
  }

  test('that is interrupted while it is copied is no part of the copy, not in part either', async () => {
    it.site.write('teapop.passwd', 'acme.com:*:htpasswd:/1:0:mail:mail:{dir}/large:5000:\n');
    it.site.write('large', large(''));
    await it.sync();
    const key = keys.table(largeId());
    const meta = (await link.command('HGET', key, 'm')) as Buffer;
    before(3, async () => {
      await link.command('RENAME', key, `${key}:previous`);
      await link.command('HSET', key, 'g', '1.3', 'm', meta, 'unobody', 'x');
    });
    assert.equal((await copy()).edition.generation, 2);
    await opened(async (file) => {
      for (let i = 0; i < 2_000; i += 13)
        assert.equal((await file.users(largeId(), `user${i}`)).length, 1, `user${i}`);
      assert.deepEqual(await file.users(largeId(), 'nobody'), []);
    });
  });

  test('that removes a table while it is copied removes it from the copy', async () => {
    const settled = async ({ generation }: { generation: number }) => {
      if (generation === 2) return true;
      it.site.write('teapop.passwd', 'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:1000:\n');
      await it.sync();
      return false;
    };
    assert.equal((await copy({ settled })).sections, 2);
    await opened(async (file) => {
      assert.equal(await mailboxOf(file, 'others', 'otto'), null);
      assert.equal(await mailboxOf(file, 'users', 'john'), 'box');
    });
  });

  test('that is asked for at the end is copied as well', async () => {
    let asked = 0;
    const settled = async () => {
      if (asked++ > 0) return true;
      it.site.write('users', 'john:pw:moved\n');
      await it.sync();
      return false;
    };
    assert.equal((await copy({ settled })).edition.generation, 2);
    assert.equal(await opened((file) => mailboxOf(file, 'users', 'john')), 'moved');
  });

  test('that was interrupted before it counted is not part of it', async () => {
    const key = keys.table(idOf('users'));
    const meta = (await link.command('HGET', key, 'm')) as Buffer;
    // As a sync leaves it that ends between its tables and the domain table.
    await link.command('RENAME', key, `${key}:previous`);
    await link.command('HSET', key, 'g', '1.2', 'm', meta);
    await copy();
    assert.equal(await opened((file) => mailboxOf(file, 'users', 'john')), 'box');
  });

  test('that never ends is given up', async () => {
    await assert.rejects(copy({ settled: async () => false }), /faster than they could be copied/);
    assert.deepEqual(leftovers(), []);
  });
});

describe('a copy that fails leaves what is there', () => {
  const spoil: Record<string, (link: RedisLink) => Promise<unknown>> = {
    'rows are missing': (to) => to.command('HDEL', keys.table(idOf('users')), 'ujohn'),
    'a table is missing': (to) => to.command('DEL', keys.table(idOf('users'))),
    'no tables are published': (to) => to.command('DEL', keys.domains),
    'the format is another': (to) => to.command('HSET', keys.domains, 'g', '9.9'),
  };
  for (const [what, damage] of Object.entries(spoil)) {
    test(`where ${what}`, async () => {
      await copy();
      const kept = readFileSync(path);
      await damage(link);
      await assert.rejects(copy(), { name: 'TablesUnavailable' });
      assert.deepEqual(readFileSync(path), kept);
      assert.deepEqual(leftovers(), ['tables.snapshot']);
    });
  }

  test('where the proxy stops', async () => {
    const stop = new AbortController();
    const stopping = copy({
      signal: stop.signal,
      settled: async () => {
        stop.abort(new Error('stop'));
        return true;
      },
    });
    await assert.rejects(stopping, /stop/);
    assert.deepEqual(leftovers(), []);
  });

  test('where the folder is not there', async () => {
    await assert.rejects(copy({ path: `${it.site.path}/nowhere/x` }), { code: 'ENOENT' });
  });
});

function leftovers(): string[] {
  return readdirSync(it.site.path).filter((name) => name.startsWith('tables.snapshot'));
}
