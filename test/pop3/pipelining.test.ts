/** RFC 2449 §6.8: all lines of a login at once, to a mailstore that takes them so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import { latin1 } from './drive.ts';
import { AUTH, converse, GREETING, LONG, PASSTHROUGH, PLAIN, STLS, talk } from './mailstore.ts';

const atOnce = (plan: UpstreamPlan): UpstreamPlan => ({ ...plan, pipelining: true });
const LOGIN = atOnce(PASSTHROUGH);
const BOTH = '> USER johnacme\r\nPASS  p w \r\n';
const TOLD = atOnce({ ...PASSTHROUGH, client: { address: '192.0.2.7', port: 4711, session: 'id' } });
const TRUSTING = '+OK [XCLIENT] ready\r\n';
const ALL = `> XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=id\r\n${BOTH.slice('> '.length)}`;

const inOne = (answer: string) => [answer];

describe('a pipelined login', () => {
  it('sends USER and PASS in one write, after the greeting alone', () => {
    assert.deepEqual(converse(LOGIN), []);
    assert.deepEqual(converse(LOGIN, GREETING), [BOTH]);
  });

  it('takes the two replies apart, in one segment, in two or octet by octet', () => {
    const end = ['done +OK in\r\n', 'rest +OK 2 320\r\n'];
    assert.deepEqual(talk(LOGIN, [GREETING, '+OK\r\n+OK in\r\n+OK 2 320\r\n'], inOne), [BOTH, ...end]);
    assert.deepEqual(talk(LOGIN, [GREETING, '+OK\r\n', '+OK in\r\n+OK 2 320\r\n'], inOne), [BOTH, ...end]);
    assert.deepEqual(talk(LOGIN, [GREETING, '+OK\r\n+O', 'K in\r\n+OK 2 320\r\n'], inOne), [BOTH, ...end]);
    assert.deepEqual(converse(LOGIN, GREETING, '+OK\r\n', '+OK in\r\n'), [BOTH, end[0], 'rest ']);
  });

  it('is not done before the second reply', () => {
    assert.deepEqual(converse(LOGIN, GREETING, '+OK\r\n'), [BOTH]);
  });

  it('ends with a refused USER, whatever becomes of the PASS that is out', () => {
    for (const behind of ['', '+OK in\r\n', '-ERR no\r\n']) {
      const fails = [BOTH, 'fail user-refused at user'];
      assert.deepEqual(talk(LOGIN, [GREETING, `-ERR who?\r\n${behind}`], inOne), fails, behind);
      assert.deepEqual(converse(LOGIN, GREETING, '-ERR who?\r\n', behind), fails, behind);
    }
    const coded = converse(LOGIN, GREETING, '-ERR [IN-USE] x\r\n');
    assert.deepEqual(coded, [BOTH, 'fail in-use at user']);
  });

  it('ends with a refused PASS', () => {
    const answers = ['+OK\r\n-ERR [AUTH] no\r\n', '+OK\r\n-ERR no\r\n'];
    const failures = answers.map((answer) => talk(LOGIN, [GREETING, answer], inOne).at(-1));
    assert.deepEqual(failures, ['fail login-auth-refused at login', 'fail login-refused at login']);
  });

  it('fails where the mailstore closes before the last reply', () => {
    assert.deepEqual(converse(LOGIN, GREETING, '(closed)'), [BOTH, 'fail closed at user']);
    assert.deepEqual(converse(LOGIN, GREETING, '+OK\r\n', '(closed)'), [BOTH, 'fail closed at login']);
    assert.deepEqual(
      converse(LOGIN, GREETING, '+OK\r\n', '+OK i', '(closed)').at(-1),
      'fail closed at login',
    );
  });

  it('fails on replies that are none', () => {
    assert.equal(converse(LOGIN, GREETING, '+ \r\n').at(-1), 'fail unexpected-continuation at user');
    assert.equal(
      converse(LOGIN, GREETING, '+OK\r\n', '+ \r\n').at(-1),
      'fail unexpected-continuation at login',
    );
    assert.equal(converse(LOGIN, GREETING, 'what?\r\n').at(-1), 'fail reply-invalid at user');
  });

  it('is never tried again on another connection once it is out', () => {
    const machine = new UpstreamLogin(LOGIN);
    assert.equal(machine.loginSent, false);
    machine.receive(latin1(GREETING));
    machine.next();
    assert.equal(machine.loginSent, true);
  });

  it('gives nothing away to a mailstore that has not got so far', () => {
    for (const first of ['-ERR busy\r\n', '220 mail ESMTP\r\n', `${GREETING}+OK\r\n`, '(closed)'])
      assert.ok(!talk(LOGIN, [first], inOne).join().includes('PASS'), first);
    const tls = atOnce(STLS);
    const first = ['> STLS\r\n'];
    assert.deepEqual(converse(tls, GREETING), first);
    assert.deepEqual(converse(tls, GREETING, '-ERR\r\n'), [...first, 'fail stls-refused at stls']);
    assert.deepEqual(converse(tls, GREETING, '+OK\r\n'), [...first, 'startTls']);
    assert.deepEqual(converse(tls, GREETING, '+OK\r\n', '(secured)'), [...first, 'startTls', BOTH]);
    const implicit: UpstreamPlan = { ...LOGIN, tls: 'implicit' };
    assert.deepEqual(converse(implicit, GREETING), ['fail octets-before-tls at handshake']);
    assert.deepEqual(converse(implicit, '(secured)', GREETING), [BOTH]);
  });

  it('has the client told in the same write, and goes on where that is refused', () => {
    for (const answer of ['+OK Updated\r\n', '-ERR not you\r\n']) {
      const end = [ALL, 'done +OK in\r\n', 'rest '];
      assert.deepEqual(talk(TOLD, [TRUSTING, `${answer}+OK\r\n+OK in\r\n`], inOne), end);
      assert.deepEqual(converse(TOLD, TRUSTING, answer, '+OK\r\n', '+OK in\r\n'), end);
    }
    assert.deepEqual(converse(TOLD, GREETING), [BOTH]);
  });

  it('keeps to the challenge of AUTH PLAIN, which nothing may overtake', () => {
    assert.deepEqual(converse(atOnce(LONG), GREETING), ['> AUTH PLAIN\r\n']);
    assert.deepEqual(converse(atOnce(PLAIN), GREETING, '+OK\r\n'), [AUTH, 'done +OK\r\n', 'rest ']);
  });
});

describe('a login on a connection that may be dead', () => {
  const doubting = (plan: UpstreamPlan): UpstreamPlan => ({ ...plan, doubted: true });

  it('says no password before something has been answered', () => {
    const response = AUTH.slice('> AUTH PLAIN '.length);
    assert.deepEqual(converse(doubting(LOGIN), GREETING, '+OK\r\n'), [
      '> USER johnacme\r\n',
      '> PASS  p w \r\n',
    ]);
    assert.deepEqual(converse(doubting(PLAIN), GREETING, '+ \r\n', '+OK\r\n'), [
      '> AUTH PLAIN\r\n',
      `> ${response}`,
      'done +OK\r\n',
      'rest ',
    ]);
    for (const plan of [LOGIN, PLAIN, TOLD]) {
      const machine = new UpstreamLogin(doubting(plan));
      machine.receive(latin1(TRUSTING));
      machine.next();
      assert.equal(machine.loginSent, false);
    }
  });
});
