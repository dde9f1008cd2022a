/** Upstreams of one server and of several. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorsOf, good, onlyError } from './configs.ts';

/** No upstream is there. */
const LISTENER = 'listeners: [{ name: l, port: 1995, tls: off, plaintext_auth: [10.0.0.0/8] }]\n';
const upstream = (settings: string) => `${LISTENER}upstreams: [{ name: a, ${settings} }]\n`;
const configured = (settings: string) => good(upstream(settings)).config.upstreams[0]!;
const only = (settings: string) => {
  const { path, message, hint } = onlyError(upstream(settings));
  return [`${path}: ${message}`, hint];
};

describe('the servers of an upstream', () => {
  test('are the one of host, or those of the list', () => {
    assert.deepEqual(configured('host: localhost').servers, [
      { name: 'a', host: 'localhost', port: 110, weight: 1 },
    ]);
    assert.deepEqual(
      configured('tls: implicit, servers: [{ host: m1 }, { host: "::1", weight: 0 }, { host: m2, port: 7 }]')
        .servers,
      [
        { name: 'm1:995', host: 'm1', port: 995, weight: 1 },
        { name: '[::1]:995', host: '::1', port: 995, weight: 0 },
        { name: 'm2:7', host: 'm2', port: 7, weight: 1 },
      ],
    );
    assert.deepEqual(configured('port: 1100, servers: [{ name: m1, host: localhost, weight: 3 }]').servers, [
      { name: 'm1', host: 'localhost', port: 1100, weight: 3 },
    ]);
  });

  test('are given, in one of the two ways', () => {
    assert.deepEqual(only('port: 110'), [
      'upstreams[0]: no server is given',
      'write host, or a list of servers',
    ]);
    assert.deepEqual(only('host: localhost, servers: [{ host: localhost, port: 7 }]'), [
      'upstreams[0].host: not used with servers',
      'leave it out: the servers are those under servers',
    ]);
    assert.equal(only('servers: []')[0], 'upstreams[0].servers: expected a list of 1 to 256 servers');
    assert.equal(only('servers: [{ port: 7 }]')[0], 'upstreams[0].servers[0].host: is missing');
  });

  test('have names that differ, for they bind the users', () => {
    const message = (name: string) => `upstreams[0].servers[1]: a second server ${name}`;
    assert.deepEqual(only('servers: [{ host: localhost }, { host: localhost }]'), [
      message('localhost:110'),
      'servers[0] has it already; a name of its own tells them apart',
    ]);
    assert.equal(only('servers: [{ name: x, host: m1 }, { name: x, host: m2 }]')[0], message('x'));
    configured('servers: [{ name: x, host: localhost }, { name: y, host: localhost }]');
  });

  test('have weights, one of them above 0', () => {
    assert.deepEqual(only('servers: [{ host: m1, weight: 0 }, { host: m2, weight: 0 }]'), [
      'upstreams[0].servers: no server has a weight',
      'give one of them a weight above 0',
    ]);
    for (const weight of ['-1', '257', '1.5', 'heavy'])
      assert.match(only(`servers: [{ host: m1, weight: ${weight} }]`)[0]!, /weight: expected a whole number/);
  });

  test('are none of the listeners', () => {
    const { path, message } = onlyError(upstream('servers: [{ host: m1 }, { host: 127.0.0.1, port: 1995 }]'));
    assert.equal(path, 'upstreams[0].servers[1].port');
    assert.match(message, /^the proxy would be its own upstream: listeners\[0\]/);
  });

  test('are doubted where one of them is told passwords in plain over a network', () => {
    const { warnings } = good(upstream('servers: [{ host: 127.0.0.1 }, { host: m1 }]'));
    assert.deepEqual(
      warnings.map(({ path, message }) => `${path}: ${message}`),
      ['upstreams[0].tls: passwords and mail go to this host in plain'],
    );
  });
});

describe('the health of servers', () => {
  const check = (settings: string) => configured(settings).health.check;
  const two = 'servers: [{ host: m1 }, { host: m2 }]';

  test('is checked where there are several, or as it is told', () => {
    assert.equal(check('host: localhost'), null);
    assert.equal(check('servers: [{ host: localhost }]'), null);
    assert.equal(check(two), 10_000);
    assert.equal(check('host: localhost, health: { check: 3s }'), 3_000);
    assert.equal(check(`${two}, health: { check: off }`), null);
    assert.equal(check(`${two}, health: { check: false }`), null);
    assert.equal(check(`${two}, health: { check: null }`), 10_000);
    assert.equal(
      only('host: m1, health: { check: often }')[0],
      'upstreams[0].health.check: expected a duration',
    );
    assert.equal(
      only('host: m1, health: { check: 1ms }')[0],
      'upstreams[0].health.check: expected 100ms to 1h',
    );
  });

  test('has waits that grow', () => {
    const error = only('host: m1, health: { retry: 10s, max_retry: 5s }');
    assert.deepEqual(error, [
      'upstreams[0].health.max_retry: shorter than health.retry',
      'raise it, or lower health.retry',
    ]);
    const health = { check: null, fall: 3, retry: 1_000, maxRetry: 60_000 };
    assert.deepEqual(configured('host: localhost').health, health);
  });
});

test('one slip in a server hides none in the next', () => {
  const paths = errorsOf(upstream('servers: [{ hst: m1 }, { host: m1, wight: 2 }, { host: "a b" }]')).map(
    ({ path }) => path,
  );
  const at = (nth: number, key: string) => `upstreams[0].servers[${nth}].${key}`;
  assert.deepEqual(paths, [at(0, 'hst'), at(1, 'wight'), at(2, 'host')]);
});
