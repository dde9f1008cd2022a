import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { CHANGES_KEPT, decodeChanges, encodeChanges } from '../../../src/tables/published/change-log.ts';
import { type Difference, type Edition, Feed } from '../../../src/tables/published/feed.ts';
import type { Reply } from '../../../src/tables/redis/link.ts';
import { ChangesSince } from '../../../src/tables/snapshot/changes-since.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';

/** What is published, as Redis would tell it, on a clock that stands until it is moved. */
class Told {
  now = 0;
  stamp: string | null = '1.1';
  publishedAt = 100;
  log = new Map<number, Buffer>();
  /** Set, a question is answered when it resolves. */
  hold: Promise<void> | null = null;
  broken = false;
  polls = 0;
  heard = () => {};
  connection = () => {};
  differences: [Difference, Edition | null][] = [];
  answers: [boolean, string][] = [];
  feed: Feed;

  constructor(held?: Edition) {
    this.feed = new Feed({
      link: {
        command: async (_, key, ...fields) => this.#reply(String(key), fields),
        onChange: (listener) => {
          this.connection = listener;
        },
        problem: () => null,
      },
      prefix: 'test',
      trust: 1_000,
      listen: (channel, heard) => {
        assert.equal(channel, 'test:{domains}:changed');
        this.heard = heard;
        return { close: () => {} };
      },
      held: held ?? null,
      now: () => this.now,
    });
    this.feed.add({
      changed: (...difference) => this.differences.push(difference),
      answering: (...answer) => this.answers.push(answer),
    });
  }

  async #reply(key: string, fields: unknown[]): Promise<Reply> {
    if (this.broken) throw new TablesUnavailable('gone');
    if (key === 'test:{domains}:changes')
      return fields.map((generation) => this.log.get(Number(generation)) ?? null);
    this.polls++;
    const meta = Buffer.from(JSON.stringify({ publishedAt: this.publishedAt }));
    const reply = [this.stamp === null ? null : Buffer.from(this.stamp), meta];
    await this.hold;
    return reply;
  }

  publish(generation: number, publishedAt: number, domains: string[] | null): void {
    this.stamp = `1.${generation}`;
    this.publishedAt = publishedAt;
    this.log.set(generation, encodeChanges({ publishedAt, domains, tables: new Map() }));
  }

  /** Domains named since the last time, or 'all'. */
  named(): unknown[] {
    const found = this.differences.flatMap(([difference]) =>
      difference === 'all' ? ['all'] : difference.flatMap(({ domains }) => domains),
    );
    this.differences = [];
    return found;
  }
}

const open: Feed[] = [];
afterEach(() => {
  for (const feed of open.splice(0)) feed.close();
});

/** Follows generation 1, which was the first it saw. */
async function following(): Promise<Told> {
  const told = new Told();
  open.push(told.feed);
  told.publish(1, 100, null);
  await told.feed.poll();
  assert.deepEqual(told.named(), ['all']);
  return told;
}

describe('an answer', () => {
  test('is good from the moment its question was sent', async () => {
    const told = await following();
    assert.equal(told.feed.trusted, true);
    let answer = () => {};
    told.now = 1_000;
    told.hold = new Promise((resolve) => {
      answer = resolve;
    });
    const polled = told.feed.poll();
    await until('it is sent', () => told.polls === 2);
    told.now = 1_001;
    assert.equal(told.feed.trusted, false, 'the one before is too old');
    told.now = 1_800;
    answer();
    await polled;
    assert.equal(told.feed.age, 800);
    told.now = 2_000;
    assert.equal(told.feed.trusted, true);
    told.now = 2_001;
    assert.equal(told.feed.trusted, false);
  });

  test('that does not come ends the trust, and is told once', async () => {
    const told = await following();
    told.broken = true;
    await told.feed.poll();
    await told.feed.poll();
    assert.equal(told.feed.trusted, false);
    assert.equal(told.feed.failure, 'gone');
    assert.deepEqual(told.answers, [[false, 'gone']]);
    told.broken = false;
    await told.feed.poll();
    assert.equal(told.feed.trusted, true);
    assert.deepEqual(told.answers, [
      [false, 'gone'],
      [true, ''],
    ]);
    assert.deepEqual(told.named(), [], 'nothing was published meanwhile');
  });

  test('from tables that are not there is none', async () => {
    const told = await following();
    told.stamp = null;
    await told.feed.poll();
    assert.match(told.feed.failure!, /no tables are published/);
    assert.deepEqual(told.named(), [], 'what is remembered stays');
  });

  test('in a format of another version empties the memory', async () => {
    const told = await following();
    told.stamp = '2.2';
    await told.feed.poll();
    assert.match(told.feed.failure!, /format/);
    assert.deepEqual(told.named(), ['all']);
    assert.equal(told.feed.edition, null);
  });
});

describe('what changed', () => {
  test('is told by name, over all generations that were missed', async () => {
    const told = await following();
    const { edition } = told.feed;
    await told.feed.poll();
    assert.equal(told.feed.edition, edition, 'the same object while it is the same');
    told.publish(2, 200, ['a.com']);
    told.publish(3, 300, ['b.com', 'c.com']);
    await told.feed.poll();
    assert.deepEqual(told.feed.edition, { generation: 3, publishedAt: 300 });
    assert.deepEqual(told.named(), ['a.com', 'b.com', 'c.com']);
  });

  for (const [what, change] of Object.entries<(told: Told) => void>({
    'a list is missing': (told) => {
      told.publish(2, 200, ['a.com']);
      told.publish(3, 300, ['b.com']);
      told.log.delete(2);
    },
    'a list is damaged': (told) => {
      told.publish(2, 200, ['a.com']);
      told.log.set(2, Buffer.from('{"publishedAt":200,"domains":[1]}'));
    },
    'the number went back': (told) => {
      told.publish(1, 100, null);
      told.publish(0, 50, []);
    },
    'the number is the same, of another publication': (told) => told.publish(1, 500, []),
    'the list of the known one is of another publication': (told) => {
      told.publish(1, 500, []);
      told.publish(2, 600, ['a.com']);
    },
    'the list of the newest one is of another publication': (told) => {
      told.publish(2, 200, ['a.com']);
      told.publishedAt = 201;
    },
    'too many were missed': (told) => {
      for (let generation = 2; generation <= CHANGES_KEPT + 1; generation++)
        told.publish(generation, 100 * generation, ['a.com']);
    },
  })) {
    test(`is everything where ${what}`, async () => {
      const told = await following();
      change(told);
      await told.feed.poll();
      assert.deepEqual(told.named(), ['all']);
      assert.equal(told.feed.edition?.publishedAt, told.publishedAt);
      assert.equal(told.feed.trusted, true);
    });
  }

  test('is told since what was held at the start', async () => {
    const told = new Told({ generation: 1, publishedAt: 100 });
    open.push(told.feed);
    assert.equal(told.feed.trusted, false, 'not before an answer');
    assert.equal(told.feed.age, Number.POSITIVE_INFINITY);
    told.publish(1, 100, null);
    told.publish(2, 200, ['a.com']);
    await told.feed.poll();
    assert.deepEqual(told.named(), ['a.com']);
  });
});

describe('polls', () => {
  test('come by themselves, and at once with a nudge or a connection', async () => {
    const told = new Told();
    open.push(told.feed);
    told.feed.start();
    await until('the first', () => told.polls > 0);
    for (const cause of [told.heard, told.connection]) {
      const before = told.polls;
      cause();
      const took = await waited(() => until('one more', () => told.polls > before));
      assert.ok(took < 200, `${took} ms`);
    }
    const before = told.polls;
    const took = await waited(() => until('one by itself', () => told.polls > before));
    assert.ok(took < 1_000, `${took} ms`);
    told.feed.close();
    const last = told.polls;
    await pause(600);
    assert.equal(told.polls, last, 'none after the end');
  });

  test('are one at a time, and who asks during one gets the next', async () => {
    const told = await following();
    let answer = () => {};
    told.hold = new Promise((resolve) => {
      answer = resolve;
    });
    const first = told.feed.poll();
    await until('it is sent', () => told.polls === 2);
    told.publish(2, 200, ['a.com']);
    const next = [told.feed.poll(), told.feed.poll(), told.feed.poll()];
    await pause(5);
    assert.equal(told.polls, 2);
    answer();
    await first;
    assert.equal(told.feed.edition?.generation, 1, 'it was asked before');
    await Promise.all(next);
    assert.equal(told.polls, 3, 'all of them shared it');
    assert.equal(told.feed.edition?.generation, 2);
  });
});

test('the change log keeps names of any octets', () => {
  const names = ['', '\0', '\xff\xfe', '"\\', '\u007f\u0080', '__proto__'];
  const tables = new Map<string, string[] | null>([
    ['t1', names],
    ['t2', null],
    ['__proto__', ['x']],
  ]);
  const changes = { publishedAt: 5, domains: names, tables };
  assert.deepEqual(decodeChanges(encodeChanges(changes)), changes);
  for (const damaged of ['', '{}', '[]', 'null', '{"publishedAt":1,"domains":null,"tables":null}', '{"a":'])
    assert.equal(decodeChanges(Buffer.from(damaged)), null, damaged);
});

describe('changes since a copy', () => {
  const change = (domains: string[] | null, tables: [string, string[] | null][] = []) => [
    { generation: 1, publishedAt: 1, domains, tables: new Map(tables) },
  ];

  test('are known by name, by table, or all of them', () => {
    const since = new ChangesSince();
    since.add(change(['a.com'], [['t1', ['john']]]));
    since.add(change([], [['t1', ['jane']]]));
    since.add(change([], [['t2', null]]));
    assert.deepEqual(
      ['a.com', 'b.com'].map((name) => since.hasDomain(name)),
      [true, false],
    );
    const users = [
      ['t1', 'john'],
      ['t1', 'jane'],
      ['t1', 'otto'],
      ['t2', 'otto'],
      ['t3', 'john'],
    ] as const;
    assert.deepEqual(
      users.map(([table, userid]) => since.hasUser(table, userid)),
      [true, true, false, true, false],
    );
    since.add(change([], [['t2', ['john']]]));
    assert.equal(since.hasUser('t2', 'otto'), true, 'all of it stays all of it');
    since.add(change(null));
    assert.equal(since.hasDomain('b.com'), true);
    assert.equal(since.all, false);
    since.add('all');
    assert.equal(since.hasUser('t3', 'john'), true);
    since.add(change([], [['t3', ['jane']]]));
    assert.deepEqual([since.all, since.hasUser('t3', 'john'), since.hasDomain('b.com')], [true, true, true]);
  });

  test('beyond the bound are all', () => {
    const since = new ChangesSince(5);
    since.add(change(['a', 'b', 'c']));
    assert.equal(since.all, false);
    since.add(change([], [['t', ['a', 'b', 'c']]]));
    assert.deepEqual([since.all, since.hasDomain('z'), since.hasUser('z', 'z')], [true, true, true]);
  });
});
