import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import { base64, latin1 } from './drive.ts';
import {
  AUTH,
  converse,
  GREETING,
  LONG,
  PASSTHROUGH,
  PLAIN,
  plainPlan,
  SENT,
  STLS,
  talk,
} from './mailstore.ts';

describe('USER and PASS to the mailstore', () => {
  it('go line by line, with every space of the password', () => {
    assert.deepEqual(converse(PASSTHROUGH, GREETING, '+OK\r\n', '+OK Logged in.\r\n'), [
      ...SENT,
      'done +OK Logged in.\r\n',
      'rest ',
    ]);
  });

  it('say nothing before the greeting', () => assert.deepEqual(converse(PASSTHROUGH), []));

  it('take replies that end in a bare LF, and give the client CRLF', () => {
    assert.deepEqual(converse(PASSTHROUGH, '+OK\n', '+OK\n', '+OK\n'), [...SENT, 'done +OK\r\n', 'rest ']);
  });

  it('hand over the octets behind the final +OK', () => {
    const transcript = talk(PASSTHROUGH, [GREETING, '+OK\r\n', '+OK in\r\n+OK 2 320\r\n\0par'], (whole) => [
      whole,
    ]);
    assert.deepEqual(transcript.slice(2), ['done +OK in\r\n', 'rest +OK 2 320\r\n\0par']);
  });

  it('hold the final line to 512 octets without control characters', () => {
    const [, , done] = converse(
      PASSTHROUGH,
      GREETING,
      '+OK\r\n',
      `+OK a\0b\rc\x1b\x1f\x7f~ ${'\xe4'.repeat(900)}\r\n`,
    );
    assert.equal(done, `done ${`+OK a b c   ~ ${'\xe4'.repeat(900)}`.slice(0, 510)}\r\n`);
  });

  it('keep the upstream from being tried again once the password is out', () => {
    const machine = new UpstreamLogin(PASSTHROUGH);
    const answer = (reply: string) => {
      machine.receive(latin1(reply));
      machine.next();
      return machine.loginSent;
    };
    assert.deepEqual([answer(GREETING), answer('+OK\r\n')], [false, true]);
  });

  it('refuse octets after the hand-over instead of losing them', () => {
    const machine = new UpstreamLogin(PASSTHROUGH);
    for (const reply of [GREETING, '+OK\r\n', '+OK\r\n']) {
      machine.receive(latin1(reply));
      machine.next();
    }
    assert.equal(machine.stage, 'done');
    assert.throws(() => machine.receive(latin1('+OK\r\n')), /handed over/);
  });
});

describe('AUTH PLAIN to the mailstore', () => {
  it('sends authzid, authcid and password with the command where the line has room', () => {
    assert.deepEqual(converse(PLAIN, GREETING, '+OK\r\n'), [AUTH, 'done +OK\r\n', 'rest ']);
  });

  it('waits for the challenge where it has not', () => {
    const response = `> ${base64(`johnacme\0master\0${'s'.repeat(300)}`)}\r\n`;
    for (const challenge of ['+ \r\n', '+\r\n', '+ c29tZQ==\r\n']) {
      assert.deepEqual(converse(LONG, GREETING, challenge, '+OK\r\n'), [
        '> AUTH PLAIN\r\n',
        response,
        'done +OK\r\n',
        'rest ',
      ]);
    }
  });

  it('keeps the command to 255 octets', () => {
    for (let length = 150; length < 200; length++) {
      const [first] = converse(plainPlan('s'.repeat(length)), GREETING);
      assert.ok(first!.length - '> '.length <= 255);
    }
  });

  it('takes no +OK before the response for a login', () => {
    assert.deepEqual(converse(LONG, GREETING, '+OK\r\n'), [
      '> AUTH PLAIN\r\n',
      'fail reply-invalid at challenge',
    ]);
  });

  it('does not answer a challenge that is not due', () => {
    assert.deepEqual(converse(PLAIN, GREETING, '+ \r\n'), [AUTH, 'fail unexpected-continuation at login']);
    assert.deepEqual(converse(PASSTHROUGH, '+ \r\n'), ['fail unexpected-continuation at greeting']);
    assert.deepEqual(converse(PASSTHROUGH, GREETING, '+ \r\n'), [
      SENT[0],
      'fail unexpected-continuation at user',
    ]);
  });
});

describe('STLS to the mailstore', () => {
  it('comes before the login, and no greeting after it', () => {
    assert.deepEqual(converse(STLS, GREETING, '+OK\r\n', '(secured)', '+OK\r\n', '+OK\r\n'), [
      '> STLS\r\n',
      'startTls',
      ...SENT,
      'done +OK\r\n',
      'rest ',
    ]);
  });

  it('refused is an error, never a login in clear', () => {
    const refused = ['> STLS\r\n', 'fail stls-refused at stls'];
    assert.deepEqual(converse(STLS, GREETING, '-ERR\r\n'), refused);
    assert.deepEqual(converse(STLS, GREETING, '-ERR [SYS/TEMP] unknown\r\n', '+OK\r\n', '+OK\r\n'), refused);
  });

  it('fails on octets behind its reply, in one segment or a later one', () => {
    const sent = ['> STLS\r\n'];
    const whole = (answer: string) => [answer];
    for (const behind of ['+OK injected\r\n', '+', '\n']) {
      const one = talk(STLS, [GREETING, `+OK\r\n${behind}`], whole);
      assert.deepEqual(one, [...sent, 'fail octets-before-tls at stls']);
      const later = talk(STLS, [GREETING, '+OK\r\n', behind, '(secured)', '+OK\r\n'], whole);
      assert.deepEqual(later, [...sent, 'startTls', 'fail octets-before-tls at handshake']);
    }
  });

  it('does not mind an empty segment before the handshake', () => {
    const transcript = talk(STLS, [GREETING, '+OK\r\n', '', '(secured)'], (whole) => [whole]);
    assert.deepEqual(transcript, ['> STLS\r\n', 'startTls', SENT[0]]);
  });

  it('with implicit TLS waits for the handshake, then for the greeting', () => {
    const plan: UpstreamPlan = { ...PASSTHROUGH, tls: 'implicit' };
    assert.deepEqual(converse(plan, '(secured)', GREETING, '+OK\r\n', '+OK\r\n'), [
      ...SENT,
      'done +OK\r\n',
      'rest ',
    ]);
    assert.deepEqual(converse(plan, GREETING), ['fail octets-before-tls at handshake']);
    assert.deepEqual(converse(plan, '(closed)'), ['fail closed at handshake']);
  });

  it('wants its own handshake', () => {
    assert.throws(() => new UpstreamLogin(STLS).secured(), /without startTls/);
  });
});

describe('names and passwords that no line can carry', () => {
  const userpass = (user: string, password: string): UpstreamPlan => ({
    tls: 'off',
    login: { kind: 'userpass', user, password },
  });
  const plain = (authzid: string, authcid: string, password: string): UpstreamPlan => ({
    tls: 'off',
    login: { kind: 'plain', authzid, authcid, password },
  });
  const refuses = (plan: UpstreamPlan) => {
    assert.deepEqual(converse(plan, GREETING, '+OK\r\n', '+OK\r\n'), ['fail cannot-express at greeting']);
  };

  it('are refused before anything is sent', () => {
    for (const bad of ['a\rb', 'a\nDELE 1', 'a\r\n', '\0', 'a\u010aDELE 1', 'a\u0100']) {
      for (const plan of [
        userpass(bad, 'x'),
        userpass('a', bad),
        plain(bad, 'a', 'x'),
        plain('', bad, 'x'),
        plain('', 'a', bad),
      ]) {
        refuses(plan);
      }
    }
  });

  it('are refused where empty', () => {
    for (const plan of [userpass('', 'x'), userpass('a', ''), plain('a', '', 'x'), plain('a', 'b', '')])
      refuses(plan);
  });

  it('are refused where the line would be longer than a mailstore must read', () => {
    const longest = 'a'.repeat(255 - 'USER \r\n'.length);
    assert.deepEqual(converse(userpass(longest, longest), GREETING), [`> USER ${longest}\r\n`]);
    refuses(userpass(`${longest}a`, 'x'));
    refuses(userpass('a', `${longest}a`));
    refuses(plain('', 'a', 'x'.repeat(9216)));
  });
});
