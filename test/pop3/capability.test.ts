import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { authorizationPolicy } from '../../src/pop3/capability.ts';
import { converse, Driver, SETTINGS, type Setting, text } from './drive.ts';

/** The lines of the CAPA reply, first and last taken off. */
function capabilities(setting: Setting = {}, before = ''): string[] {
  const reply = converse(`${before}CAPA\r\n`, setting).at(-1)!;
  const lines = reply.split('\r\n');
  assert.match(lines.shift()!, /^\+OK/);
  assert.deepEqual(lines.splice(-2), ['.', '']);
  return lines;
}

const COMMON = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING'];
const LOGIN = ['USER', 'SASL PLAIN LOGIN'];

describe('CAPA', () => {
  it('announces STLS and passwords where both are taken', () => {
    assert.deepEqual(capabilities(), [...COMMON, 'STLS', ...LOGIN]);
  });

  it('leaves USER and SASL out where they need TLS', () => {
    assert.deepEqual(capabilities({ plaintextAllowed: false }), [...COMMON, 'STLS']);
  });

  it('leaves STLS out on TLS', () => {
    assert.deepEqual(capabilities({ tls: true, plaintextAllowed: false }), [...COMMON, ...LOGIN]);
  });

  it('changes with STLS', () => {
    const driver = new Driver({ plaintextAllowed: false }).feed('STLS\r\n');
    driver.machine.secured();
    driver.feed('CAPA\r\n');
    assert.ok(driver.transcript.at(-1)!.includes('\r\nUSER\r\nSASL PLAIN LOGIN\r\n'));
    assert.ok(!driver.transcript.at(-1)!.includes('STLS'));
  });

  it('leaves STLS out where the listener has none', () => {
    assert.deepEqual(capabilities({ settings: { stls: false } }), [...COMMON, ...LOGIN]);
  });

  it('is the same between USER and PASS', () => {
    assert.deepEqual(capabilities({}, 'USER a\r\n'), capabilities());
  });

  it('lists no SASL without mechanisms, and those offered alone', () => {
    assert.deepEqual(capabilities({ settings: { methods: ['USER'] } }), [...COMMON, 'STLS', 'USER']);
    assert.deepEqual(capabilities({ settings: { methods: ['LOGIN'] } }), [...COMMON, 'STLS', 'SASL LOGIN']);
  });

  it('has tags in upper case and parameters as written', () => {
    const settings = { capabilities: ['top', 'Expire Never', '.dot'], implementation: 'Teapop-Proxy x1' };
    assert.deepEqual(capabilities({ settings, tls: true }), [
      'TOP',
      'EXPIRE Never',
      // Dot-stuffed (RFC 1939 §3): the client sees one dot.
      '..DOT',
      ...LOGIN,
      'IMPLEMENTATION Teapop-Proxy x1',
    ]);
  });
});

describe('a policy', () => {
  const withBanner = (banner: string) => text(authorizationPolicy({ ...SETTINGS, banner }).greeting);

  it('greets with its banner, or with +OK alone', () => {
    assert.equal(withBanner('mail.acme.com POP3'), '+OK mail.acme.com POP3\r\n');
    assert.equal(withBanner(''), '+OK\r\n');
  });

  it('refuses a banner that offers APOP, holds a line end, looks like a response code or is too long', () => {
    for (const banner of [
      '<1.2@host>',
      'ready <a.b@c> go',
      'a\r\n+OK',
      'a\nb',
      'a\0',
      'a\u010ab',
      '[SYS/TEMP] x',
    ]) {
      assert.throws(() => withBanner(banner), /banner/);
    }
    assert.throws(() => withBanner('a'.repeat(512 - '+OK \r\n'.length + 1)), /512/);
    assert.equal(withBanner('a'.repeat(512 - '+OK \r\n'.length)).length, 512);
  });

  it('takes a banner with <…> that no client reads as a timestamp', () => {
    assert.equal(withBanner('<ready> a@b'), '+OK <ready> a@b\r\n');
  });

  it('refuses capabilities that the state decides, that are no printable line or too long', () => {
    const lines = [
      'USER',
      'sasl PLAIN',
      'Stls',
      'IMPLEMENTATION x',
      '',
      ' TOP',
      'TOP\r\nUSER',
      'T\xf6P',
      'X '.repeat(9),
      'X'.repeat(511),
    ];
    for (const line of lines) {
      assert.throws(() => authorizationPolicy({ ...SETTINGS, capabilities: [line] }), /capability/, line);
    }
    assert.throws(() => authorizationPolicy({ ...SETTINGS, implementation: 'a\nb' }), /capability/);
  });
});
