import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeBase64 } from '../../src/pop3/base64.ts';
import { RESPONSE_LIMIT } from '../../src/pop3/sasl.ts';
import { ACCEPTED, base64, converse, Driver } from './drive.ts';

const FAILED = '-ERR [AUTH] Login failed\r\n';
const BAD_BASE64 = '-ERR Bad base64\r\n';
const MALFORMED = '-ERR Malformed response\r\n';
const TOO_LONG = '-ERR Line too long\r\n';
const CANCELLED = '-ERR Authentication cancelled\r\n';
const login = (mechanism: string, user: string, password: string, authzid = '') =>
  `authenticate ${JSON.stringify([mechanism, user, password, authzid])}`;
const plain = (authzid: string, user: string, password: string) => base64(`${authzid}\0${user}\0${password}`);

/** A response of the length asked for, in base64, whose password fills it. */
function plainOfLength(length: number): { response: string; password: string } {
  const password = 'p'.repeat((length / 4) * 3 - 3);
  return { response: plain('', 'u', password), password };
}

describe('AUTH', () => {
  it('alone lists the mechanisms, multi-line', () => {
    assert.deepEqual(
      converse('AUTH\r\nauth  \r\n'),
      Array(2).fill('+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n'),
    );
  });

  it('refuses a mechanism that is not offered, and a third word', () => {
    assert.deepEqual(converse('AUTH CRAM-MD5\r\nAUTH PLAIN = =\r\nNOOP\r\n'), [
      '-ERR Unknown mechanism\r\n',
      '-ERR Wrong arguments\r\n',
      '+OK\r\n',
    ]);
    assert.deepEqual(converse('AUTH LOGIN\r\n', { settings: { methods: ['PLAIN'] } }), [
      '-ERR Unknown mechanism\r\n',
    ]);
  });

  it('cancels at * and goes on', () => {
    assert.deepEqual(converse('AUTH PLAIN\r\n*\r\nNOOP\r\n'), ['+ \r\n', CANCELLED, '+OK\r\n']);
    const transcript = converse('AUTH LOGIN YQ==\r\n*\r\nAUTH LOGIN\r\n*\r\n');
    assert.deepEqual(transcript, ['+ UGFzc3dvcmQ6\r\n', CANCELLED, '+ VXNlcm5hbWU6\r\n', CANCELLED]);
  });

  it('refuses bad base64 and goes on', () => {
    for (const bad of [
      '!',
      'AGEAYg',
      'AGEAYg=',
      'AGEAYg===',
      'AGEA Yg==',
      'AGEAYh==',
      '=',
      '_-8=',
      'AGEAYg==\r',
      '\0',
    ]) {
      assert.deepEqual(converse(`AUTH PLAIN\r\n${bad}\r\nNOOP\r\n`), ['+ \r\n', BAD_BASE64, '+OK\r\n'], bad);
    }
    assert.deepEqual(converse('AUTH PLAIN AGEAYg\r\nNOOP\r\n'), [BAD_BASE64, '+OK\r\n']);
  });

  it('takes base64 without padding where it needs none', () => {
    assert.deepEqual(converse(`AUTH PLAIN ${plain('', 'ab', 'cd')}\r\n`), [
      login('PLAIN', 'ab', 'cd'),
      FAILED,
    ]);
    assert.ok(!plain('', 'ab', 'cd').includes('='));
  });

  it('takes a response of 12,288 octets, in answer to a challenge or at once', () => {
    const { response, password } = plainOfLength(RESPONSE_LIMIT);
    assert.equal(response.length, 12_288);
    const verdict = [login('PLAIN', 'u', password), FAILED];
    assert.deepEqual(converse(`AUTH PLAIN\r\n${response}\r\n`), ['+ \r\n', ...verdict]);
    assert.deepEqual(converse(`auth plain ${response}\r\n`), verdict);
  });

  it('answers a longer one once, drops its rest and goes on', () => {
    for (const length of [RESPONSE_LIMIT + 4, 40_000]) {
      const { response } = plainOfLength(length);
      assert.deepEqual(converse(`AUTH PLAIN\r\n${response}\r\nNOOP\r\n`), ['+ \r\n', TOO_LONG, '+OK\r\n']);
      assert.deepEqual(converse(`AUTH PLAIN ${response}\r\nNOOP\r\n`), [TOO_LONG, '+OK\r\n']);
    }
  });

  it('reads a command in the place of a response as a response', () => {
    assert.deepEqual(converse('AUTH PLAIN\r\nQUIT\r\nAUTH LOGIN\r\nNOOP\r\n*\r\n'), [
      '+ \r\n',
      MALFORMED,
      '+ VXNlcm5hbWU6\r\n',
      '+ UGFzc3dvcmQ6\r\n',
      CANCELLED,
    ]);
  });

  it('hands over what came behind the last response', () => {
    const transcript = converse('AUTH LOGIN\r\nYQ==\r\nYg==\r\nSTAT\r\nQ', { verdict: () => ACCEPTED });
    assert.equal(transcript.at(-1), 'relay STAT\r\nQ');
  });
});

describe('PLAIN', () => {
  it('logs in with and without an initial response', () => {
    const verdict = [login('PLAIN', 'john@acme.com', 'j04n'), FAILED];
    const response = plain('', 'john@acme.com', 'j04n');
    assert.deepEqual(converse(`AUTH PLAIN ${response}\r\n`), verdict);
    assert.deepEqual(converse(`AuTh pLaIn\r\n${response}\n`), ['+ \r\n', ...verdict]);
  });

  it('takes = for an empty initial response, which PLAIN does not know', () => {
    assert.deepEqual(converse('AUTH PLAIN =\r\nNOOP\r\n'), [MALFORMED, '+OK\r\n']);
    assert.deepEqual(converse('AUTH PLAIN\r\n\r\nNOOP\r\n'), ['+ \r\n', MALFORMED, '+OK\r\n']);
  });

  it('hands the authzid on, so that its refusal looks like any failed login', () => {
    assert.deepEqual(converse(`AUTH PLAIN ${plain('boss', 'john', 'x')}\r\n`), [
      login('PLAIN', 'john', 'x', 'boss'),
      FAILED,
    ]);
  });

  it('keeps 8-bit octets as they are', () => {
    const driver = new Driver().feed(`AUTH PLAIN ${plain('', 'j\xc3\xa4', ' \xff\t ')}\r\n`);
    assert.deepEqual(driver.logins, [
      { mechanism: 'PLAIN', user: 'j\xc3\xa4', password: ' \xff\t ', authzid: '' },
    ]);
  });

  it('refuses CR, LF and NUL in a field, a missing field and an empty name', () => {
    const bad = [
      '\0a',
      'a',
      '',
      '\0\0p',
      '\0a\0p\0',
      '\0a\0b\0c',
      '\0a\rb\0p',
      '\0a\nSTAT\0p',
      '\0a\0p\r\nSTAT',
      'z\n\0a\0p',
    ];
    for (const message of bad) {
      assert.deepEqual(
        converse(`AUTH PLAIN\r\n${base64(message)}\r\n`),
        ['+ \r\n', MALFORMED],
        JSON.stringify(message),
      );
    }
  });
});

describe('LOGIN', () => {
  it('asks for the name and the password in the words clients look for', () => {
    assert.deepEqual(converse(`AUTH LOGIN\r\n${base64('john')}\r\n${base64(' p ')}\r\n`), [
      '+ VXNlcm5hbWU6\r\n',
      '+ UGFzc3dvcmQ6\r\n',
      login('LOGIN', 'john', ' p '),
      FAILED,
    ]);
    assert.deepEqual(
      [decodeBase64('VXNlcm5hbWU6'), decodeBase64('UGFzc3dvcmQ6')],
      ['Username:', 'Password:'],
    );
  });

  it('takes an initial response for the name', () => {
    assert.deepEqual(converse(`AUTH LOGIN ${base64('john')}\r\n${base64('p')}\r\n`), [
      '+ UGFzc3dvcmQ6\r\n',
      login('LOGIN', 'john', 'p'),
      FAILED,
    ]);
  });

  it('refuses an empty name, and CR, LF and NUL in name and password', () => {
    assert.deepEqual(converse('AUTH LOGIN =\r\nAUTH LOGIN\r\n\r\n'), [
      MALFORMED,
      '+ VXNlcm5hbWU6\r\n',
      MALFORMED,
    ]);
    for (const bad of ['a\rb', 'a\n', '\0', 'a\r\nQUIT']) {
      assert.deepEqual(converse(`AUTH LOGIN ${base64(bad)}\r\n`), [MALFORMED]);
      assert.deepEqual(converse(`AUTH LOGIN YQ==\r\n${base64(bad)}\r\n`), ['+ UGFzc3dvcmQ6\r\n', MALFORMED]);
    }
  });

  it('keeps no name of an exchange that was cancelled', () => {
    const transcript = converse(
      `AUTH LOGIN ${base64('boss')}\r\n*\r\nAUTH LOGIN\r\n${base64('john')}\r\n${base64('p')}\r\n`,
    );
    assert.equal(transcript.at(-2), login('LOGIN', 'john', 'p'));
  });
});
