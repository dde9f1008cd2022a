import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLoginCache, type LoginCacheOptions } from '../../src/auth/login-cache.ts';
import { MARK_OCTETS } from '../../src/auth/remembered.ts';
import type { FoundRows } from '../../src/auth/rows.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';

const OPTIONS: LoginCacheOptions = { accepted: 100, rejected: 100, idle: 600_000, lifetime: 86_400_000 };

const ENTRY: DomainEntry = {
  ...{ ordinal: 0, line: 1, domain: 'acme.com', localAddress: '*', type: 'textfile' },
  ...{ maildir: '/m', hashLevels: 0, uid: 'mail', gid: 'mail', table: 'text', lockedOut: null },
};
const ROW: UserRow = { secret: '$argon2id$x', mailbox: 'john', line: 3 };

type Facts = { userid: string; password: string; entry: Partial<DomainEntry>; rows: UserRow[] };

function found({ userid, entry, rows }: Facts): FoundRows {
  return {
    result: 'rows',
    login: { userid, domain: 'acme.com' },
    entry: { ...ENTRY, ...entry },
    rows,
  };
}

const FACTS: Facts = { userid: 'john', password: 'secret', entry: {}, rows: [ROW] };

describe('a login is another one', () => {
  const cache = createLoginCache(OPTIONS);
  const markOf = (facts: Facts) => cache.ofRows(found(facts), facts.password);
  const others: [string, Partial<Facts>][] = [
    ['with another password', { password: 'Secret' }],
    ['of another user', { userid: 'jane' }],
    ['by another domain', { entry: { domain: 'acme.org' } }],
    ['by another table', { entry: { table: 'other' } }],
    ['by a table of another type', { entry: { type: 'htpasswd' } }],
    ['where the stored password has changed', { rows: [{ ...ROW, secret: '$argon2id$y' }] }],
    ['where the mailbox has changed', { rows: [{ ...ROW, mailbox: 'jane' }] }],
    ['where the line has moved', { rows: [{ ...ROW, line: 4 }] }],
    ['where a better hash stands beside the row', { rows: [{ ...ROW, better: '$argon2id$z' }] }],
    ['where a row has come before it', { rows: [{ ...ROW, line: 2 }, ROW] }],
    ['where a row has come behind it', { rows: [ROW, { ...ROW, line: 4 }] }],
    ['where octets have moved from the userid to the password', { userid: 'joh', password: 'nsecret' }],
    [
      'where octets have moved from the password to the row',
      { password: 'secre', rows: [{ ...ROW, secret: 't$argon2id$x' }] },
    ],
    [
      'where octets have moved from the secret to the mailbox',
      { rows: [{ ...ROW, secret: '$argon2id$', mailbox: 'xjohn' }] },
    ],
  ];
  for (const [what, change] of others) {
    test(what, () => {
      const mark = markOf({ ...FACTS, ...change });
      assert.notEqual(mark, markOf(FACTS));
      assert.equal(mark.length, MARK_OCTETS);
      assert.equal(mark, markOf({ ...FACTS, ...change }));
    });
  }

  test('whatever two logins are made of: no two have one mark', () => {
    // Octets that look like lengths.
    const octets = fc
      .array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 })
      .map((codes) => String.fromCharCode(...codes));
    const rows = fc.array(
      fc.record({ secret: octets, mailbox: octets, line: fc.integer({ min: 0, max: 3 }), better: octets }),
      { maxLength: 2 },
    );
    const facts = fc.record({
      userid: octets,
      password: octets,
      entry: fc.record({ domain: octets, table: octets }),
      rows,
    });
    fc.assert(
      fc.property(facts, facts, (one, other) => {
        assert.equal(markOf(one) === markOf(other), JSON.stringify(one) === JSON.stringify(other));
      }),
      { numRuns: 500 },
    );
  });

  test('refused for another reason, or with anything else in it', () => {
    const credentials = { user: 'john@acme.com', password: 'secret', authzid: '' };
    const marks = [
      cache.ofRefusal('unknown-user', credentials),
      cache.ofRefusal('unknown-domain', credentials),
      cache.ofRefusal('unknown-user', { ...credentials, user: 'john@acme.co' }),
      cache.ofRefusal('unknown-user', { ...credentials, user: 'john@acme.co', password: 'msecret' }),
      cache.ofRefusal('unknown-user', { ...credentials, authzid: 'john' }),
    ];
    assert.equal(new Set(marks).size, marks.length);
    assert.equal(cache.ofRefusal('unknown-user', { ...credentials }), marks[0]);
  });
});

describe('what is remembered', () => {
  test('the row that matched, or that none did', () => {
    const cache = createLoginCache(OPTIONS);
    const [right, wrong] = [cache.ofRows(found(FACTS), 'right'), cache.ofRows(found(FACTS), 'wrong')];
    assert.equal(cache.recall(right), undefined);
    cache.keep(right, 2);
    cache.keep(wrong, null);
    assert.equal(cache.recall(right), 2);
    assert.equal(cache.recall(wrong), null);
    assert.deepEqual(cache.state, {
      hits: { accepted: 1, rejected: 1 },
      misses: 2,
      entries: { accepted: 1, rejected: 1 },
    });
  });

  test('for the idle time and the lifetime', () => {
    let now = 0;
    const cache = createLoginCache({ ...OPTIONS, idle: 600, lifetime: 1_000, now: () => now });
    const mark = cache.ofRows(found(FACTS), 'right');
    cache.keep(mark, 0);
    now = 599;
    assert.equal(cache.recall(mark), 0);
    now = 999;
    assert.equal(cache.recall(mark), 0);
    now = 1_000;
    assert.equal(cache.recall(mark), undefined);
    cache.keep(mark, 0);
    now = 1_600;
    assert.equal(cache.state.entries.accepted, 0);
  });

  test('a flood of wrong passwords pushes out no right one', () => {
    const cache = createLoginCache({ ...OPTIONS, accepted: 2, rejected: 10 });
    const right = cache.ofRows(found(FACTS), 'right');
    cache.keep(right, 0);
    for (let i = 0; i < 1_000; i++) cache.keep(cache.ofRows(found(FACTS), `wrong ${i}`), null);
    assert.equal(cache.recall(right), 0);
    assert.deepEqual(cache.state.entries, { accepted: 1, rejected: 10 });
  });

  test('by this process alone: no two have a key', () => {
    const [one, other] = [createLoginCache(OPTIONS), createLoginCache(OPTIONS)];
    assert.notEqual(one.ofRows(found(FACTS), 'x'), other.ofRows(found(FACTS), 'x'));
  });

  test('nothing where it is off', () => {
    const cache = createLoginCache(null);
    const mark = cache.ofRows(found(FACTS), 'right');
    cache.keep(mark, 0);
    assert.equal(cache.recall(mark), undefined);
    assert.deepEqual(cache.state.entries, { accepted: 0, rejected: 0 });
  });
});
