import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from '../../src/config/suggestions.ts';
import { isLoopback, parseDuration, parseNetwork, parseShare, parseSize } from '../../src/config/units.ts';

test('durations are milliseconds', () => {
  const cases: [string, number][] = [
    ['0s', 0],
    ['500ms', 500],
    ['3s', 3000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ];
  for (const [text, value] of cases) assert.equal(parseDuration(text), value, text);
  for (const text of [
    '',
    '3',
    's',
    '3 s',
    '-3s',
    '+3s',
    '1.5h',
    '1e3s',
    '3S',
    '3sec',
    ' 3s',
    '3s ',
    '3s\n',
    '9999999999s',
  ]) {
    assert.ok(Number.isNaN(parseDuration(text)), JSON.stringify(text));
  }
});

test('sizes are octets', () => {
  const cases: [string, number][] = [
    ['0B', 0],
    ['512B', 512],
    ['64KiB', 65_536],
    ['19MiB', 19_922_944],
    ['4GiB', 4_294_967_296],
  ];
  for (const [text, value] of cases) assert.equal(parseSize(text), value, text);
  for (const text of ['', '64', '64K', '64KB', '64kib', '64 KiB', '-1B', '1.5MiB', '1TiB']) {
    assert.ok(Number.isNaN(parseSize(text)), text);
  }
});

test('shares are parts of one', () => {
  const cases: [string, number][] = [
    ['0%', 0],
    ['0.5%', 0.005],
    ['20%', 0.2],
    ['100%', 1],
    ['101%', 1.01],
  ];
  for (const [text, value] of cases) assert.equal(parseShare(text), value, text);
  for (const text of ['', '%', '20', '0.2', '20 %', '-1%', '1e1%', '.5%', '20.%', '20%\n', '1000%']) {
    assert.ok(Number.isNaN(parseShare(text)), JSON.stringify(text));
  }
});

test('networks are CIDR or one address', () => {
  assert.deepEqual(parseNetwork('192.0.2.0/24'), { address: '192.0.2.0', prefix: 24, family: 'ipv4' });
  assert.deepEqual(parseNetwork('192.0.2.7'), { address: '192.0.2.7', prefix: 32, family: 'ipv4' });
  assert.deepEqual(parseNetwork('0.0.0.0/0'), { address: '0.0.0.0', prefix: 0, family: 'ipv4' });
  assert.deepEqual(parseNetwork('2001:db8::/32'), { address: '2001:db8::', prefix: 32, family: 'ipv6' });
  assert.deepEqual(parseNetwork('::1'), { address: '::1', prefix: 128, family: 'ipv6' });
  const none = [
    '',
    '/8',
    '10/8',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/8/8',
    'fe80::1%eth0/64',
    'a/8',
  ];
  for (const text of [...none, '10.0.0.0/-1', '10.0.0.0/08a', '256.0.0.0/8', ' 10.0.0.0/8']) {
    assert.equal(parseNetwork(text), null, text);
  }
});

test('loopback hosts', () => {
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost', 'LocalHost'])
    assert.ok(isLoopback(host), host);
  for (const host of ['128.0.0.1', '127.example.com', '::', '0.0.0.0', 'localhost.example.com']) {
    assert.ok(!isLoopback(host), host);
  }
});

test('what was meant', () => {
  const known = [
    'login_attempts',
    'login_time',
    'line_time',
    'port',
    'name',
    'plaintext_auth',
    'certificate',
    'certificates',
  ];
  const cases: [string, string | null][] = [
    ['login_tme', 'login_time'],
    ['logintime', 'login_time'],
    ['lineTime', 'line_time'],
    ['line-time', 'line_time'],
    ['prot', 'port'],
    ['nmae', 'name'],
    ['plaintext', 'plaintext_auth'],
    ['certifcates', 'certificates'],
    ['x', null],
    ['colour', null],
    ['', null],
    ['p'.repeat(10_000), null],
  ];
  for (const [word, meant] of cases) assert.equal(nearest(word, known), meant, word.slice(0, 20));
});

test('edit distance', () => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
    ['port', 'prot', 1],
  ];
  for (const [one, other, distance] of cases) {
    assert.equal(editDistance(one, other), distance);
    assert.equal(editDistance(other, one), distance);
  }
});
