import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createStandings, type StandingsOptions } from '../../src/auth/standings.ts';

const HOME = '192.0.2.1';
const PHONE = '2001:db8:1:2::7';
const STRANGE = '198.51.100.9';
const JOHN = 'john@acme.com';
const MINUTE = 60_000;
const DAY = 86_400_000;

function standings(options: StandingsOptions = {}) {
  const clock = { now: 0 };
  const all = createStandings({ now: () => clock.now, ...options });
  const rank = (address: string, user = JOHN) => all.of(address, user).rank;
  const fail = (address: string, user: string, times: number) => {
    for (let i = 0; i < times; i++) all.refused(address, user);
  };
  return { ...all, of: all.of.bind(all), accepted: all.accepted.bind(all), clock, rank, fail };
}

describe('a user', () => {
  test('is known where he has logged in, from there; from elsewhere familiar', () => {
    const { accepted, rank } = standings();
    assert.equal(rank(HOME), 'clean');
    accepted(HOME, JOHN);
    assert.deepEqual([rank(HOME), rank(PHONE), rank(HOME, 'jane@acme.com')], ['known', 'familiar', 'clean']);
  });

  test('is known from several places, and of more than four from those used last', () => {
    const { accepted, rank, clock } = standings();
    const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5'];
    for (const address of addresses) accepted(address, JOHN);
    clock.now += 2 * MINUTE;
    accepted('192.0.2.2', JOHN);
    accepted('192.0.2.6', JOHN);
    assert.deepEqual(
      [...addresses, '192.0.2.6'].map((address) => rank(address)),
      ['familiar', 'known', 'familiar', 'known', 'known', 'known'],
    );
  });

  test('is known for a week after he was there', () => {
    const { accepted, rank, clock } = standings();
    accepted(HOME, JOHN);
    clock.now = 6 * DAY;
    accepted(HOME, JOHN);
    clock.now = 13 * DAY - 1;
    assert.equal(rank(HOME), 'known');
    clock.now = 13 * DAY;
    assert.deepEqual([rank(HOME), rank(PHONE)], ['clean', 'clean']);
  });

  test('is the same from all addresses of an IPv6 network', () => {
    const { accepted, rank, of } = standings();
    accepted('2001:db8:1:2::7', JOHN);
    assert.equal(rank('2001:db8:1:2:aaaa::1'), 'known');
    assert.equal(rank('2001:db8:1:3::7'), 'familiar');
    assert.equal(of('2001:db8:1:2:aaaa::1', JOHN).net, of('2001:db8:1:2::7', 'x').net);
  });
});

describe('wrong passwords', () => {
  test('of one address make it doubtful for everybody there but those who are known there', () => {
    const { accepted, rank, fail } = standings();
    accepted(HOME, 'jane@acme.com');
    fail(HOME, 'nobody@acme.com', 2);
    assert.equal(rank(HOME), 'clean', 'two are nothing');
    fail(HOME, 'nobody@acme.com', 1);
    assert.equal(rank(HOME), 'doubtful');
    assert.equal(rank(HOME, 'jane@acme.com'), 'known');
    assert.equal(rank(PHONE), 'clean');
  });

  test('of all addresses of an IPv6 network count together', () => {
    const { rank, fail } = standings();
    for (let i = 1; i <= 3; i++) fail(`2001:db8:1:2::${i}`, `user${i}`, 1);
    assert.deepEqual([rank('2001:db8:1:2::99'), rank('2001:db8:1:3::99')], ['doubtful', 'clean']);
  });

  test('are forgotten one by one', () => {
    const { rank, fail, clock } = standings();
    fail(STRANGE, JOHN, 3);
    clock.now = 3 * MINUTE;
    assert.equal(rank(STRANGE), 'doubtful');
    clock.now = 4 * MINUTE;
    assert.equal(rank(STRANGE), 'clean');
    fail(STRANGE, JOHN, 1);
    assert.equal(rank(STRANGE), 'doubtful');
  });

  test('of a flood are forgotten within an hour after it', () => {
    const { rank, fail, clock } = standings();
    fail(STRANGE, JOHN, 10_000);
    clock.now = 40 * MINUTE;
    assert.equal(rank(STRANGE), 'doubtful');
    clock.now = 60 * MINUTE;
    assert.equal(rank(STRANGE), 'clean');
  });

  test('of a known user at home: he is not known there until they are forgotten', () => {
    const { accepted, rank, fail, clock } = standings();
    accepted(HOME, JOHN);
    fail(HOME, JOHN, 3);
    assert.equal(rank(HOME), 'doubtful');
    // The right password goes on working; it proves nothing of those.
    clock.now = MINUTE;
    accepted(HOME, JOHN);
    assert.equal(rank(HOME), 'doubtful');
    clock.now = 4 * MINUTE;
    assert.equal(rank(HOME), 'known');
  });

  test('of a user by strangers: whoever comes from elsewhere is no longer familiar; home he stays known', () => {
    const { accepted, rank, fail } = standings();
    accepted(HOME, JOHN);
    for (let i = 0; i < 3; i++) fail(`198.51.100.${i}`, JOHN, 1);
    assert.deepEqual([rank(HOME), rank(PHONE)], ['known', 'clean']);
  });

  test('of others where a user comes from elsewhere: he is preferred to strangers there', () => {
    const { accepted, rank, fail } = standings();
    accepted(HOME, JOHN);
    fail(STRANGE, 'nobody@acme.com', 5);
    assert.deepEqual([rank(STRANGE), rank(STRANGE, 'nobody@acme.com')], ['clean', 'doubtful']);
  });
});

describe('bounded in memory', () => {
  test('of more users than that those seen longest ago are forgotten', () => {
    const { accepted, rank } = standings({ users: 3 });
    for (const user of ['a', 'b', 'c', 'd']) accepted(HOME, user);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((user) => rank(HOME, user)),
      ['clean', 'known', 'known', 'known'],
    );
  });

  test('of more nets likewise; names that were never right take no room', () => {
    const { rank, fail } = standings({ nets: 2 });
    for (const last of [1, 2, 3]) fail(`192.0.2.${last}`, JOHN, 3);
    assert.deepEqual(
      [1, 2, 3].map((last) => rank(`192.0.2.${last}`)),
      ['clean', 'doubtful', 'doubtful'],
    );
  });
});
