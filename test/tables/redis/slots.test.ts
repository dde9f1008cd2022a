import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextOf, previousOf, redisKeys } from '../../../src/tables/published/redis-keys.ts';
import { redirection, SLOTS, slotOf, slotOfCommand, slotRanges } from '../../../src/tables/redis/slots.ts';
import { tableId } from '../../../src/tables/teapop/table-id.ts';

const anyOctets = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));

test('a key is in the slot that Redis says', () => {
  // As CLUSTER KEYSLOT of a real server answers.
  const slots: [string, number][] = [
    ['123456789', 12739],
    ['foo', 12182],
    ['', 0],
    ['{user1000}.following', slotOf('user1000')],
    ['foo{}{bar}', slotOf('foo{}{bar}')],
    ['foo{{bar}}zap', slotOf('{bar')],
    ['foo{bar}{zap}', slotOf('bar')],
    ['foo{bar', slotOf('foo{bar')],
  ];
  for (const [key, slot] of slots) assert.equal(slotOf(key), slot, key);
  assert.notEqual(slotOf('foo{}{bar}'), slotOf('bar'), 'empty braces are no tag');
});

test('what changes together is in one slot, whatever octets paths hold', () => {
  const keys = redisKeys('site');
  const together = (...all: string[]) => assert.equal(new Set(all.map(slotOf)).size, 1, all.join(' '));
  together(keys.domains, keys.tables, keys.claim, keys.begun, keys.changes, nextOf(keys.domains, 'ab'));
  fc.assert(
    fc.property(anyOctets, fc.constantFrom('textfile', 'htpasswd'), (path, type) => {
      const live = keys.table(tableId(type as 'textfile', path, 10));
      assert.match(live, /^site:\{table-[0-9a-z]+\}$/);
      together(live, nextOf(live, 'ab'), previousOf(live));
    }),
  );
});

test('names of domains and users never reach a key: they are fields', () => {
  fc.assert(
    fc.property(anyOctets, (name) => {
      const keys = redisKeys('site');
      const bare = slotOfCommand(['HMGET', keys.domains, 'g']);
      assert.equal(slotOfCommand(['HMGET', keys.domains, 'g', `d${name}`]), bare);
      if (!/^[0-9A-Za-z_-]{1,128}$/.test(name)) assert.throws(() => keys.table(name), RangeError);
    }),
  );
});

test('a command goes by its first key', () => {
  assert.equal(slotOfCommand(['GET', 'foo']), 12182);
  assert.equal(slotOfCommand(['GET', Buffer.from('foo')]), 12182);
  assert.equal(slotOfCommand(['EVALSHA', 'sha', 1, 'foo', 'arg']), 12182);
  assert.equal(slotOfCommand(['MEMORY', 'USAGE', 'foo']), 12182);
  assert.equal(slotOfCommand(['PING']), null);
  assert.equal(slotOfCommand(['PUBLISH', 'channel', 'x']), null);
});

test('slots come with their master and replicas; a node may not know its own address', () => {
  const asked = { host: 'seed', port: 1 };
  const node = (host: string | null, port: number) => [host === null ? null : Buffer.from(host), port];
  const ranges = slotRanges(
    [
      [0, 5, node('10.0.0.1', 7000), node('10.0.0.2', 7001)],
      [6, SLOTS - 1, node('', 7002)],
      [7, 7, node(null, 7003)],
    ],
    asked,
  );
  assert.deepEqual(ranges[0], {
    from: 0,
    to: 5,
    master: { host: '10.0.0.1', port: 7000 },
    replicas: [{ host: '10.0.0.2', port: 7001 }],
  });
  assert.deepEqual(ranges[1]?.master, { host: 'seed', port: 7002 });
  assert.deepEqual(ranges[2]?.master, { host: 'seed', port: 7003 });
});

test('a redirection names its node', () => {
  const asked = { host: 'seed', port: 1 };
  assert.deepEqual(redirection('MOVED 3999 10.0.0.1:6381', asked), {
    kind: 'MOVED',
    to: { host: '10.0.0.1', port: 6381 },
  });
  assert.deepEqual(redirection('ASK 3999 ::1:6381', asked), { kind: 'ASK', to: { host: '::1', port: 6381 } });
  assert.deepEqual(redirection('MOVED 3999 :6381', asked)?.to, { host: 'seed', port: 6381 });
  for (const other of ['MOVED', 'MOVED x 10.0.0.1:1', 'ERR MOVED 1 a:2', 'CLUSTERDOWN Hash slot not served'])
    assert.equal(redirection(other, asked), null);
});
