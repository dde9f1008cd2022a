import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brief, errorsOf, good, onlyError, withRest } from './configs.ts';

const listener = (more: string) =>
  withRest(`listeners: [{ name: pop3, port: 110, tls: off, plaintext_auth: ["::1"]${more} }]\n`);
const upstream = (more: string) =>
  withRest(`upstreams: [{ name: mailstore, host: 127.0.0.1, port: 1110${more} }]\n`);
const of = (text: string) => good(listener(text)).config.listeners[0]!.proxyProtocol;

describe('the PROXY protocol of a listener', () => {
  test('is off unless it says from whom', () => {
    for (const text of ['', ', proxy_protocol: off', ', proxy_protocol: false']) assert.equal(of(text), null);
    assert.deepEqual(of(', proxy_protocol: { from: [192.0.2.0/24, "2001:db8::1"], timeout: 10s }'), {
      from: [
        { address: '192.0.2.0', prefix: 24, family: 'ipv4' },
        { address: '2001:db8::1', prefix: 128, family: 'ipv6' },
      ],
      timeout: 10_000,
    });
    assert.equal(of(', proxy_protocol: { from: [127.0.0.1] }')?.timeout, 5_000);
  });

  for (const [text, error] of Object.entries({
    '{}': 'listeners[0].proxy_protocol.from is missing',
    '{ from: [] }': 'listeners[0].proxy_protocol.from expected a list of networks',
    '{ from: 192.0.2.1 }': 'listeners[0].proxy_protocol.from expected a list of networks',
    '{ from: [balancer.example.com] }': 'listeners[0].proxy_protocol.from[0] expected a network',
    '{ from: [192.0.2.1], timeout: 1s }': 'listeners[0].proxy_protocol.timeout expected 3s to 1m',
    true: 'listeners[0].proxy_protocol expected off or settings',
    v2: 'listeners[0].proxy_protocol expected off or settings',
  })) {
    test(`is not ${text}`, () => {
      assert.equal(brief(onlyError(listener(`, proxy_protocol: ${text}`))).replace(/^\S+ /, ''), error);
    });
  }

  test('from everywhere is doubted', () => {
    for (const everywhere of ['0.0.0.0/0', '"::/0"']) {
      const { warnings } = good(listener(`, proxy_protocol: { from: [192.0.2.1, ${everywhere}] }`));
      assert.deepEqual(
        warnings.map(({ path, message }) => [path, message]),
        [['listeners[0].proxy_protocol.from[1]', 'anybody may say whose a connection is']],
      );
    }
  });
});

describe('what a mailstore is told of the client', () => {
  const told = (text: string) => {
    const { proxyProtocol, xclient } = good(upstream(text)).config.upstreams[0]!;
    return [proxyProtocol, xclient];
  };

  test('is nothing unless it is set', () => {
    assert.deepEqual(told(''), ['off', false]);
    assert.deepEqual(told(', proxy_protocol: off'), ['off', false]);
    assert.deepEqual(told(', proxy_protocol: false'), ['off', false]);
    assert.deepEqual(told(', proxy_protocol: v1'), ['v1', false]);
    assert.deepEqual(told(', proxy_protocol: v2'), ['v2', false]);
    assert.deepEqual(told(', xclient: true'), ['off', true]);
  });

  test('is one of the two', () => {
    const { path, message } = onlyError(upstream(', proxy_protocol: v2, xclient: true'));
    assert.deepEqual([path, message], ['upstreams[0].xclient', 'not used with proxy_protocol']);
  });

  test('is a version that exists', () => {
    const errors = errorsOf(upstream(', proxy_protocol: v3'));
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['expected off, v1 or v2'],
    );
  });
});
