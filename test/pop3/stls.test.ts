import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { converse, Driver, type Setting } from './drive.ts';

const BEGIN = '+OK Begin TLS\r\n';
const TLS_NEEDED = '-ERR Log in over TLS only\r\n';
const STRICT: Setting = { plaintextAllowed: false };

function secured(before: string, setting: Setting = {}): Driver {
  const driver = new Driver(setting).feed(`${before}STLS\r\n`);
  assert.deepEqual(driver.transcript.slice(-2), [BEGIN, 'startTls']);
  driver.machine.secured();
  driver.run();
  driver.transcript.length = 0;
  return driver;
}

describe('STLS', () => {
  it('starts the handshake right behind its +OK', () => {
    assert.deepEqual(converse('STLS\r\n'), [BEGIN, 'startTls']);
  });

  it('says nothing after the handshake until asked', () => {
    assert.deepEqual(secured('').transcript, []);
  });

  it('fails closed on octets behind it in one segment, whole lines or parts', () => {
    for (const behind of ['USER a\r\nPASS x\r\n', 'N', '\r', '\n', '\x16\x03\x01', 'STLS\r\n']) {
      const driver = new Driver().feed(`NOOP\r\nSTLS\r\n${behind}`);
      assert.deepEqual(driver.transcript.slice(1), [
        '-ERR Wait for the reply to STLS\r\n',
        'close plaintext-after-stls',
      ]);
      assert.equal(driver.machine.buffered, 0);
    }
  });

  it('fails closed on octets in a later segment', () => {
    for (const behind of ['USER a\r\nPASS x\r\n', 'N', '\n']) {
      const driver = new Driver().feed('STLS\r\n').feed(behind);
      driver.feed('NOOP\r\n');
      driver.machine.secured();
      driver.run();
      assert.deepEqual(driver.transcript, [BEGIN, 'startTls', 'close plaintext-after-stls']);
      assert.equal(driver.machine.buffered, 0);
    }
  });

  it('fails closed on octets between the +OK and the handshake', () => {
    const driver = new Driver();
    driver.machine.receive(Buffer.from('STLS\r\n'));
    assert.equal(driver.machine.next()?.do, 'reply');
    driver.machine.receive(Buffer.from('USER a\r\n'));
    assert.deepEqual(driver.run().transcript, ['close plaintext-after-stls']);
  });

  it('does not mind an empty segment', () => {
    assert.deepEqual(new Driver().feed('STLS\r\n').feed('').transcript, [BEGIN, 'startTls']);
  });

  it('forgets the user', () => {
    assert.deepEqual(secured('USER a\r\n').feed('PASS x\r\n').transcript, ['-ERR Send USER first\r\n']);
  });

  it('keeps the counters that the client could profit from', () => {
    const driver = secured('X\r\n'.repeat(4)).feed('X\r\n');
    assert.equal(driver.transcript.at(-1), 'close bad-commands');
    const failed = secured('USER a\r\nPASS x\r\n'.repeat(2)).feed('USER a\r\nPASS x\r\n');
    assert.equal(failed.transcript.at(-1), 'close login-attempts');
  });

  it('is refused a second time, on implicit TLS and where it is not offered', () => {
    assert.deepEqual(secured('').feed('STLS\r\n').transcript, ['-ERR TLS is active already\r\n']);
    assert.deepEqual(converse('STLS\r\nNOOP\r\n', { tls: true }), [
      '-ERR TLS is active already\r\n',
      '+OK\r\n',
    ]);
    assert.deepEqual(converse('STLS\r\nNOOP\r\n', { settings: { stls: false } }), [
      '-ERR Unknown command\r\n',
      '+OK\r\n',
    ]);
  });

  it('takes no argument', () => {
    assert.deepEqual(converse('STLS now\r\n'), ['-ERR Wrong arguments\r\n']);
  });

  it('is a response, not a command, inside AUTH', () => {
    assert.deepEqual(converse('AUTH PLAIN\r\nSTLS\r\n'), ['+ \r\n', '-ERR Malformed response\r\n']);
  });

  it('wants its own handshake', () => {
    assert.throws(() => new Driver().machine.secured(), /without startTls/);
  });
});

describe('where passwords need TLS', () => {
  it('refuses USER, PASS and AUTH before it, without [AUTH]', () => {
    for (const line of ['USER a', 'PASS x', 'AUTH PLAIN AGEAYg==', 'AUTH LOGIN', 'AUTH']) {
      assert.deepEqual(converse(`${line}\r\n`, STRICT), [TLS_NEEDED]);
    }
  });

  it('takes them after STLS and on implicit TLS', () => {
    const failed = '-ERR [AUTH] Login failed\r\n';
    assert.equal(secured('', STRICT).feed('USER a\r\nPASS x\r\n').transcript.at(-1), failed);
    assert.equal(converse('AUTH PLAIN AGEAYg==\r\n', { ...STRICT, tls: true }).at(-1), failed);
  });
});
