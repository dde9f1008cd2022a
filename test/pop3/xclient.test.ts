import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import type { ClientNotice } from '../../src/pop3/xclient.ts';
import { latin1, text } from './drive.ts';
import { converse, GREETING, PASSTHROUGH, SENT, STLS, talk } from './mailstore.ts';

const TRUSTING = '+OK [XCLIENT] Dovecot ready.\r\n';
const CLIENT: ClientNotice = { address: '192.0.2.7', port: 4711, session: 'mtc0abcd-1f' };
const LINE = '> XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=mtc0abcd-1f\r\n';

const telling = (client: Partial<ClientNotice> = {}, plan = PASSTHROUGH): UpstreamPlan => ({
  ...plan,
  client: { ...CLIENT, ...client },
});

/** What is sent when the mailstore greets with trust. */
function lineOf(client: Partial<ClientNotice>): string | undefined {
  return converse(telling(client), TRUSTING)[0];
}

/** What a machine reports of XCLIENT when all answers are in. */
function noticeOf(plan: UpstreamPlan, ...answers: string[]): string {
  const machine = new UpstreamLogin(plan);
  for (const answer of answers) {
    machine.receive(latin1(answer));
    while (machine.next() !== null);
  }
  return machine.notice;
}

describe('XCLIENT', () => {
  it('is sent before the login to a mailstore that offers it', () => {
    const answers = [TRUSTING, '+OK Updated\r\n', '+OK\r\n', '+OK Logged in.\r\n'];
    assert.deepEqual(converse(telling(), ...answers), [LINE, ...SENT, 'done +OK Logged in.\r\n', 'rest ']);
    assert.equal(noticeOf(telling(), ...answers), 'taken');
  });

  it('goes inside TLS, the greeting before it having offered it', () => {
    const plan = telling({}, STLS);
    assert.deepEqual(converse(plan, TRUSTING, '+OK\r\n', '(secured)', '+OK Updated\r\n'), [
      '> STLS\r\n',
      'startTls',
      LINE,
      SENT[0],
    ]);
    const implicit = telling({}, { ...PASSTHROUGH, tls: 'implicit' });
    assert.deepEqual(converse(implicit, '(secured)', TRUSTING), [LINE]);
  });

  it('is not sent where the greeting does not offer it, and the login goes on', () => {
    for (const greeting of [GREETING, '+OK XCLIENT\r\n', '+OK ready [XCLIENT]\r\n', '+OK [XCLIENTS]\r\n']) {
      assert.deepEqual(converse(telling(), greeting, '+OK\r\n'), SENT);
      assert.equal(noticeOf(telling(), greeting), 'not-offered');
    }
  });

  it('is not sent where nobody asked for it', () => {
    assert.deepEqual(converse(PASSTHROUGH, TRUSTING, '+OK\r\n'), SENT);
    assert.equal(noticeOf(PASSTHROUGH, TRUSTING), 'none');
  });

  it('refused does not stop the login', () => {
    for (const refusal of ['-ERR\r\n', '-ERR You are not from trusted IP\r\n', '-ERR [SYS/PERM] no\r\n']) {
      assert.deepEqual(converse(telling(), TRUSTING, refusal, '+OK\r\n', '+OK\r\n'), [
        LINE,
        ...SENT,
        'done +OK\r\n',
        'rest ',
      ]);
      assert.equal(noticeOf(telling(), TRUSTING, refusal), 'refused');
    }
  });

  it('is answered by one line, and nothing behind it', () => {
    const fails = (failure: string) => [LINE, `fail ${failure} at xclient`];
    for (const reply of ['+OK Updated\r\n+OK\r\n', '-ERR no\r\n+OK\r\n']) {
      const transcript = talk(telling(), [TRUSTING, reply], (whole) => [whole]);
      assert.deepEqual(transcript, fails('octets-out-of-turn'));
    }
    assert.deepEqual(converse(telling(), TRUSTING, 'what?\r\n'), fails('reply-invalid'));
    assert.deepEqual(converse(telling(), TRUSTING, '+ \r\n'), fails('unexpected-continuation'));
    assert.deepEqual(converse(telling(), TRUSTING, '(closed)'), fails('closed'));
  });
});

describe('the line of XCLIENT', () => {
  it('has an IPv6 address as it is, and no zone', () => {
    assert.equal(
      lineOf({ address: '2001:db8::1' }),
      '> XCLIENT ADDR=2001:db8::1 PORT=4711 SESSION=mtc0abcd-1f\r\n',
    );
    assert.equal(
      lineOf({ address: 'fe80::1%eth0' }),
      '> XCLIENT ADDR=fe80::1 PORT=4711 SESSION=mtc0abcd-1f\r\n',
    );
  });

  it('leaves out a port or a session that Dovecot would not take', () => {
    for (const port of [0, -1, 65_536, 1.5, Number.NaN])
      assert.equal(lineOf({ port }), '> XCLIENT ADDR=192.0.2.7 SESSION=mtc0abcd-1f\r\n');
    for (const session of ['', 'a b', 'a\r\nUSER x', 'x'.repeat(65)])
      assert.equal(lineOf({ session }), '> XCLIENT ADDR=192.0.2.7 PORT=4711\r\n');
  });

  it('is not sent without an address', () => {
    for (const address of ['', 'localhost', '192.0.2.7 PORT=1', '192.0.2.7\r\nUSER x'])
      assert.equal(lineOf({ address }), SENT[0]);
  });

  it('is one line of known words, whatever it is made of', () => {
    const odd = fc.oneof(fc.string(), fc.constantFrom('\r\n', '192.0.2.7\n', '::1 TTL=1', '%\r\nUSER x'));
    fc.assert(
      fc.property(odd, fc.integer(), odd, (address, port, session) => {
        const machine = new UpstreamLogin(telling({ address, port, session }));
        machine.receive(latin1(TRUSTING));
        const effect = machine.next();
        assert.ok(effect?.do === 'send');
        assert.match(
          text(effect.octets),
          /^(USER johnacme|XCLIENT ADDR=[0-9A-Fa-f.:]+( PORT=\d{1,5})?( SESSION=[\w-]+)?)\r\n$/,
        );
      }),
    );
  });
});
