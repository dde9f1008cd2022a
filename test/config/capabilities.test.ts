import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { good, onlyError, withRest } from './configs.ts';

const listener = (more: string) =>
  withRest(`listeners: [{ name: pop3, port: 110, tls: off, plaintext_auth: ["::1"]${more} }]\n`);
const upstream = (more: string) =>
  withRest(`upstreams: [{ name: mailstore, host: 127.0.0.1, port: 1110${more} }]\n`);
const of = (text: string) => good(listener(text)).config.listeners[0]!.capabilities;

describe('the capabilities of a listener', () => {
  test('are what the mailstores announce, or a list', () => {
    assert.equal(of(''), 'auto');
    assert.equal(of(', capabilities: auto'), 'auto');
    assert.deepEqual(of(', capabilities: []'), []);
    assert.deepEqual(of(', capabilities: [TOP, EXPIRE NEVER, x-own a b]'), [
      'TOP',
      'EXPIRE NEVER',
      'x-own a b',
    ]);
  });

  for (const [text, path, message, hint] of [
    ['none', '', 'expected auto or a list of capabilities', /\[TOP, UIDL/],
    ['TOP', '', 'expected auto or a list of capabilities', /\[TOP, UIDL/],
    ['[1]', '[0]', 'expected a capability', /UIDL or EXPIRE NEVER/],
    ['[""]', '[0]', 'expected a capability', /UIDL/],
    ['[" TOP"]', '[0]', 'expected a capability', /UIDL/],
    ['["TOP\\r\\nUSER"]', '[0]', 'expected a capability', /UIDL/],
    ['["T\\u00d6P"]', '[0]', 'expected a capability', /UIDL/],
    [`[${'X'.repeat(511)}]`, '[0]', 'expected a capability', /UIDL/],
    ['[TOP, UIDL, top]', '[2]', 'a capability given twice', /keep one TOP/],
    ['[USER]', '[0]', 'not for this list', /where a login is possible/],
    ['[sasl PLAIN]', '[0]', 'not for this list', /the mechanisms that it takes/],
    ['[TOP, STLS]', '[1]', 'not for this list', /where TLS can begin/],
    ['[IMPLEMENTATION x]', '[0]', 'not for this list', /its own/],
    ['[UTF8 USER]', '[0]', 'not for this list', /does not take the command UTF8/],
    ['[LANG]', '[0]', 'not for this list', /does not take the command LANG/],
  ] as const) {
    test(`are not ${text.slice(0, 40)}`, () => {
      const error = onlyError(listener(`, capabilities: ${text}`));
      assert.equal(error.path, `listeners[0].capabilities${path}`);
      assert.equal(error.message, message);
      assert.match(error.hint ?? '', hint);
    });
  }

  test('of a list can all be announced', async () => {
    const { authorizationPolicy } = await import('../../src/pop3/capability.ts');
    const { SETTINGS } = await import('../pop3/drive.ts');
    const list = of(`, capabilities: [TOP, "EXPIRE NEVER", ".x", ${'X'.repeat(510)}]`);
    assert.ok(list !== 'auto');
    assert.doesNotThrow(() => authorizationPolicy({ ...SETTINGS, capabilities: list }));
  });
});

describe('the pipelining of an upstream', () => {
  test('is auto unless it is settled', () => {
    const settled = (text: string) => good(upstream(text)).config.upstreams[0]!.pipelining;
    assert.equal(settled(''), 'auto');
    for (const [text, expected] of Object.entries({
      ...{ auto: 'auto', on: 'on', off: 'off', true: 'on', false: 'off' },
    }))
      assert.equal(settled(`, pipelining: ${text}`), expected);
  });

  test('is no other word', () => {
    const { path, message } = onlyError(upstream(', pipelining: always'));
    assert.equal(path, 'upstreams[0].pipelining');
    assert.match(message, /^expected auto, on or off/);
  });
});
