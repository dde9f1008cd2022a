import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64, converse, Driver, type Setting } from './drive.ts';

const FAILED = '-ERR [AUTH] Login failed\r\n';
const MALFORMED = '-ERR Malformed response\r\n';
const ON: Setting = { settings: { methods: ['USER', 'CRAM-MD5'] } };
const DIGEST = 'b913a602c7eda7a495b4e6e7334d3890';
const challenge = (count: number) => `+ ${base64(`<unique${count}@teapop-proxy>`)}\r\n`;
const login = (user: string, count = 1) =>
  `authenticate ${JSON.stringify(['CRAM-MD5', user, '', DIGEST, `<unique${count}@teapop-proxy>`])}`;

describe('CRAM-MD5', () => {
  it('hands over the name, the digest and the challenge that it answers', () => {
    const answer = base64(`john@acme.com ${DIGEST}`);
    assert.deepEqual(converse(`AUTH CRAM-MD5\r\n${answer}\r\nNOOP\r\n`, ON), [
      challenge(1),
      login('john@acme.com'),
      FAILED,
      '+OK\r\n',
    ]);
    const upper = base64(`john ${DIGEST.toUpperCase()}`);
    assert.deepEqual(converse(`auth cram-md5\n${upper}\n`, ON).slice(1), [login('john'), FAILED]);
  });

  it('takes a name with spaces', () => {
    const answer = base64(` two  words  ${DIGEST}`);
    assert.equal(converse(`AUTH CRAM-MD5\r\n${answer}\r\n`, ON)[1], login(' two  words '));
  });

  it('makes another challenge for each attempt', () => {
    const attempt = `AUTH CRAM-MD5\r\n${base64(`a ${DIGEST}`)}\r\n`;
    assert.deepEqual(converse(attempt + attempt, ON), [
      challenge(1),
      login('a'),
      FAILED,
      challenge(2),
      login('a', 2),
      FAILED,
    ]);
    assert.deepEqual(converse(`AUTH CRAM-MD5\r\n*\r\n${attempt}`, ON).slice(2, 4), [
      challenge(2),
      login('a', 2),
    ]);
  });

  it('refuses an initial response: it could answer no challenge', () => {
    for (const initial of ['=', base64(`a ${DIGEST}`)]) {
      assert.deepEqual(converse(`AUTH CRAM-MD5 ${initial}\r\nNOOP\r\n`, ON), [MALFORMED, '+OK\r\n']);
    }
  });

  it('refuses what is no name and digest', () => {
    const bad = [
      '',
      'john',
      DIGEST,
      ` ${DIGEST}`,
      `john ${DIGEST}a`,
      `john ${DIGEST.slice(1)}`,
      `john\t${DIGEST}`,
    ];
    const forged = [`jo\0hn ${DIGEST}`, `jo\r\nhn ${DIGEST}`, `john ${DIGEST}\n`];
    for (const answer of [...bad, ...forged]) {
      const transcript = converse(`AUTH CRAM-MD5\r\n${base64(answer)}\r\nNOOP\r\n`, ON);
      assert.deepEqual(transcript, [challenge(1), MALFORMED, '+OK\r\n'], JSON.stringify(answer));
    }
  });

  it('is announced and taken without TLS where digests may come, and PLAIN is not', () => {
    const methods = ['USER', 'PLAIN', 'CRAM-MD5'] as const;
    const driver = new Driver({ settings: { methods }, clearLogins: 'digests' });
    driver.feed('CAPA\r\nAUTH\r\nUSER a\r\nAUTH PLAIN\r\nAUTH NTLM\r\nAUTH CRAM-MD5\r\n');
    const [capa, list, ...replies] = driver.transcript;
    assert.match(capa!, /\r\nSTLS\r\nSASL CRAM-MD5\r\n/);
    assert.doesNotMatch(capa!, /USER|PLAIN/);
    assert.equal(list, '+OK Mechanisms follow\r\nCRAM-MD5\r\n.\r\n');
    const tls = '-ERR Log in over TLS only\r\n';
    assert.deepEqual(replies, [tls, tls, '-ERR Unknown mechanism\r\n', challenge(1)]);
  });
});
