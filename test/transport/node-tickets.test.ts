import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TicketKeys } from '../../src/transport/node-tickets.ts';

const SECRET = new Uint8Array(32).fill(7);
const DAY = 86_400;
const HOUR = 3_600_000;

/** Keys at hours that the test sets. */
function keysAt(secret = SECRET, group = 'a', lifetime = DAY) {
  const clock = { hours: 480_000 };
  return { clock, keys: new TicketKeys(secret, group, lifetime, () => clock.hours * HOUR) };
}

test('the keys of a secret are the same everywhere, those of another secret, group or lifetime are not', () => {
  const { keys } = keysAt();
  assert.deepEqual(keysAt().keys.current, keys.current);
  for (const other of [keysAt(new Uint8Array(32)), keysAt(SECRET, 'b'), keysAt(SECRET, 'a', DAY * 2)]) {
    assert.notDeepEqual(other.keys.current.name, keys.current.name);
    assert.equal(keys.find(other.keys.current.name), undefined);
  }
  const { name, hmac, aes } = keys.current;
  assert.deepEqual([name.length, hmac.length, aes.length], [16, 16, 16]);
  assert.notDeepEqual(hmac, aes);
});

test('the key for new tickets changes twice in the life of a ticket', () => {
  const { clock, keys } = keysAt();
  const names = new Set<string>();
  for (let hour = 0; hour < 24; hour += 1) {
    clock.hours = 480_000 + hour;
    names.add(keys.current.name.toString('hex'));
  }
  assert.equal(names.size, 2);
});

test('a ticket is taken as long as it lives, and forgotten soon after', () => {
  const { clock, keys } = keysAt();
  for (const start of [480_000, 480_011.9]) {
    clock.hours = start;
    const given = keys.current;
    for (const later of [0, 1, 11, 12, 13, 23, 23.9]) {
      clock.hours = start + later;
      assert.equal(keys.find(given.name)?.aes.toString('hex'), given.aes.toString('hex'), `${later} h`);
    }
    clock.hours = start + 37;
    assert.equal(keys.find(given.name), undefined);
  }
});

test('a host whose clock is behind takes the tickets of one that is ahead', () => {
  const [ahead, behind] = [keysAt(), keysAt()];
  ahead.clock.hours = 480_012.1;
  behind.clock.hours = 480_011.9;
  assert.notDeepEqual(ahead.keys.current.name, behind.keys.current.name);
  assert.deepEqual(behind.keys.find(ahead.keys.current.name), ahead.keys.current);
  assert.deepEqual(ahead.keys.find(behind.keys.current.name), behind.keys.current);
});
