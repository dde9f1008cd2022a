import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UPSTREAM_LINE_LIMIT } from '../../src/pop3/upstream-reply.ts';
import { converse, GREETING, LONG, PASSTHROUGH, PLAIN, SENT, talk } from './mailstore.ts';

describe('a mailstore that does not play along', () => {
  const atLogin = (reply: string) => converse(PASSTHROUGH, GREETING, '+OK\r\n', reply).at(-1);

  it('refuses in its greeting', () => {
    assert.deepEqual(converse(PASSTHROUGH, '-ERR [SYS/TEMP] down\r\n'), [
      'fail greeting-refused at greeting',
    ]);
  });

  it('is something else', () => {
    for (const greeting of [
      '220 mail ESMTP\r\n',
      '* OK IMAP4rev1\r\n',
      '+OKAY\r\n',
      '\r\n',
      'HTTP/1.1 400\r\n',
    ]) {
      assert.deepEqual(converse(PASSTHROUGH, greeting), ['fail greeting-invalid at greeting']);
    }
  });

  it('sends more than its greeting, a whole line or a part', () => {
    for (const extra of ['+OK\r\n', '-', '\r\n']) {
      const transcript = talk(PASSTHROUGH, [GREETING + extra], (whole) => [whole]);
      assert.deepEqual(transcript, ['fail octets-after-greeting at greeting']);
    }
  });

  it('answers a line that was not sent', () => {
    const whole = (answer: string) => [answer];
    const transcript = talk(PASSTHROUGH, [GREETING, '+OK\r\n+OK logged in\r\n'], whole);
    assert.deepEqual(transcript, [SENT[0], 'fail octets-out-of-turn at user']);
    const challenge = talk(LONG, [GREETING, '+ \r\n+OK\r\n'], whole);
    assert.deepEqual(challenge, ['> AUTH PLAIN\r\n', 'fail octets-out-of-turn at challenge']);
  });

  it('answers what is no reply', () => {
    for (const reply of ['OK\r\n', '-ERROR\r\n', '+OK2\r\n', '+ok\r\n', '\r\n']) {
      assert.equal(atLogin(reply), 'fail reply-invalid at login');
    }
  });

  it('sends a line without end', () => {
    assert.equal(atLogin(`+OK ${'a'.repeat(UPSTREAM_LINE_LIMIT)}`), 'fail reply-too-long at login');
    assert.equal(atLogin(`+OK ${'a'.repeat(UPSTREAM_LINE_LIMIT - 6)}\r\n`), 'rest ');
  });

  it('refuses the user or the password', () => {
    assert.equal(converse(PASSTHROUGH, GREETING, '-ERR\r\n').at(-1), 'fail user-refused at user');
    assert.equal(atLogin('-ERR\r\n'), 'fail login-refused at login');
    assert.equal(atLogin('-ERR wrong\r\n'), 'fail login-refused at login');
    assert.equal(converse(PLAIN, GREETING, '-ERR no\r\n').at(-1), 'fail login-refused at login');
    assert.equal(converse(LONG, GREETING, '-ERR no\r\n').at(-1), 'fail login-refused at challenge');
  });

  it('says why in a response code, in any letter case', () => {
    const codes: [string, string][] = [
      ['[AUTH]', 'login-auth-refused'],
      ['[auth] x', 'login-auth-refused'],
      ['[In-Use] locked', 'in-use'],
      ['[LOGIN-DELAY] wait', 'login-delay'],
      ['[SYS/TEMP] x', 'sys-temp'],
      ['[SYS] x', 'sys-temp'],
      ['[sys/perm]', 'sys-perm'],
      ['[SYS/PERM/DISK] full', 'sys-perm'],
      ['[UTF8] x', 'login-refused'],
      ['[AUTHX] x', 'login-refused'],
      ['x [IN-USE]', 'login-refused'],
      ['[IN-USE', 'login-refused'],
    ];
    for (const [reply, failure] of codes)
      assert.equal(atLogin(`-ERR ${reply}\r\n`), `fail ${failure} at login`, reply);
    assert.equal(converse(PASSTHROUGH, GREETING, '-ERR [IN-USE]\r\n').at(-1), 'fail in-use at user');
  });

  it('closes', () => {
    assert.deepEqual(converse(PASSTHROUGH, '(closed)'), ['fail closed at greeting']);
    assert.deepEqual(converse(PASSTHROUGH, '+OK hal', '(closed)'), ['fail closed at greeting']);
    assert.deepEqual(converse(PASSTHROUGH, GREETING, '(closed)'), [SENT[0], 'fail closed at user']);
  });

  it('closes behind a refusal, which is what counts', () => {
    const transcript = converse(
      PASSTHROUGH,
      GREETING,
      '+OK\r\n',
      '-ERR [AUTH] no\r\n',
      '(closed)',
      '+OK\r\n',
    );
    assert.deepEqual(transcript, [...SENT, 'fail login-auth-refused at login']);
  });
});
