import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ScramExchange } from '../../src/pop3/scram.ts';
import { computed } from '../support/clock.ts';
import { base64, converse, Driver, REJECTED, SALTED, type Setting } from './drive.ts';

const FAILED = '-ERR [AUTH] Login failed\r\n';
const MALFORMED = '-ERR Malformed response\r\n';
const NOT_BOUND = '-ERR Channel binding is not offered\r\n';
const IN = '+OK maildrop of the upstream\r\n';
const REFUSED = { step: 'refused', reply: Buffer.from(MALFORMED) };
const SIGNATURE = 's'.repeat(32);
const PROOF = base64('p'.repeat(32));
const ON: Setting = {
  settings: { methods: ['USER', 'SCRAM-SHA-256'], badCommands: 99 },
  verdict: () => ({ result: 'proved', serverSignature: SIGNATURE }),
};
const line = (message: string) => `${base64(message)}\r\n`;
const say = (message: string) => `+ ${base64(message)}\r\n`;
const FIRST = 'n,,n=john@acme.com,r=abc';
const SERVER_FIRST = `r=abcunique1,s=${base64(SALTED.salt)},i=${SALTED.iterations}`;
const WITHOUT_PROOF = 'c=biws,r=abcunique1';
const FINAL = `${WITHOUT_PROOF},p=${PROOF}`;
const opened = `AUTH SCRAM-SHA-256 ${line(FIRST)}`;

/** What the first message comes to: the server's, or a refusal. */
const answerTo = (first: string) => converse(`AUTH SCRAM-SHA-256 ${line(first)}NOOP\r\n`, ON).slice(0, -1);
const answerToFinal = (final: string) => converse(`${opened}${line(final)}`, ON).slice(2);

describe('SCRAM-SHA-256', () => {
  it('asks for the salt, hands over the proof, shows the signature and goes on at an empty answer', () => {
    const credentials = ['SCRAM-SHA-256', 'john@acme.com', ''];
    const authMessage = `n=john@acme.com,r=abc,${SERVER_FIRST},${WITHOUT_PROOF}`;
    const whole = [
      'ask john@acme.com',
      say(SERVER_FIRST),
      `authenticate ${JSON.stringify([...credentials, authMessage, 'p'.repeat(32), SALTED])}`,
      say(`v=${base64(SIGNATURE)}`),
      'proceed',
      IN,
      'relay STAT\r\n',
    ];
    assert.deepEqual(converse(`${opened}${line(FINAL)}\r\nSTAT\r\n`, ON), whole);
    const without = converse(`auth scram-sha-256\r\n${line(FIRST)}${line(FINAL)}\r\nSTAT\r\n`, ON);
    assert.deepEqual(without, ['+ \r\n', ...whole]);
  });

  it('answers a wrong proof like any wrong password', () => {
    const transcript = converse(`${opened}${line(FINAL)}NOOP\r\n`, { ...ON, verdict: () => REJECTED });
    assert.deepEqual(transcript.slice(3), [FAILED, '+OK\r\n']);
  });

  it('runs nothing while it waits for the salt, and hears what became of it', () => {
    const waiting = new Driver({ ...ON, salt: () => null }).feed(`${opened}${line(FINAL)}`);
    assert.deepEqual(waiting.transcript, ['ask john@acme.com']);
    assert.ok(waiting.machine.waiting);
    waiting.machine.told(SALTED);
    assert.deepEqual(waiting.run().transcript.slice(-1), [say(`v=${base64(SIGNATURE)}`)]);
    const salt = () => ({ result: 'unavailable', code: 'SYS/TEMP' }) as const;
    const down = new Driver({ ...ON, salt }).feed(`${opened}NOOP\r\n`);
    assert.match(down.transcript[1]!, /^-ERR \[SYS\/TEMP\] /);
    assert.equal(down.transcript[2], '+OK\r\n');
    assert.equal(down.machine.undecidedLogins, 1);
    assert.throws(() => new Driver(ON).machine.told(SALTED), /without ask/);
  });

  it('cancels at each step, and knows nothing of it afterwards', () => {
    const cancelled = '-ERR Authentication cancelled\r\n';
    for (const before of ['AUTH SCRAM-SHA-256\r\n', opened, `${opened}${line(FINAL)}`]) {
      const transcript = converse(`${before}*\r\nNOOP\r\n`, ON);
      assert.deepEqual(transcript.slice(-2), [cancelled, '+OK\r\n'], before);
      assert.ok(!transcript.includes('proceed'));
    }
  });

  it('wants an empty answer to the signature', () => {
    assert.equal(converse(`${opened}${line(FINAL)}${line('x')}`, ON).at(-1), MALFORMED);
    assert.equal(converse(`${opened}${line(FINAL)}=\r\n`, ON).at(-1), '-ERR Bad base64\r\n');
  });

  it('tells what became of the login behind the signature', () => {
    const proceeds = { result: 'unavailable', code: 'SYS/TEMP' } as const;
    const transcript = converse(`${opened}${line(FINAL)}\r\nNOOP\r\n`, { ...ON, proceeds });
    assert.match(transcript.at(-2)!, /^-ERR \[SYS\/TEMP\] /);
    assert.equal(transcript.at(-1), '+OK\r\n');
  });

  it('decodes names, and takes an authzid', () => {
    assert.equal(answerTo('n,,n=a=2Cb=3Dc,r=x')[0], 'ask a,b=c');
    const driver = new Driver(ON).feed(`AUTH SCRAM-SHA-256 ${line('n,a=bo=2Css,n=\xc3\xa4,r=x')}`);
    driver.feed(line(`c=${base64('n,a=bo=2Css,')},r=xunique1,p=${PROOF}`));
    const { user, authzid } = driver.logins[0]!;
    assert.deepEqual([user, authzid], ['\xc3\xa4', 'bo,ss']);
    for (const name of ['a=', 'a=2c', 'a=3d', '=41', 'a=2', '==2C']) {
      assert.deepEqual(answerTo(`n,,n=${name},r=x`), [MALFORMED], name);
      assert.deepEqual(answerTo(`n,a=${name},n=a,r=x`), [MALFORMED], name);
    }
  });

  it('takes n and y for channel binding, which is not offered, and refuses p', () => {
    const yes = converse(
      `AUTH SCRAM-SHA-256 ${line('y,,n=a,r=x')}${line(`c=eSws,r=xunique1,p=${PROOF}`)}`,
      ON,
    );
    assert.equal(yes.at(-1), say(`v=${base64(SIGNATURE)}`));
    for (const kind of ['tls-unique', 'tls-server-end-point', 'tls-exporter', 'x']) {
      assert.deepEqual(answerTo(`p=${kind},,n=a,r=x`), [NOT_BOUND]);
    }
    assert.deepEqual(converse(`AUTH SCRAM-SHA-256-PLUS ${line('p=tls-unique,,n=a,r=x')}`, ON), [
      '-ERR Unknown mechanism\r\n',
    ]);
  });

  it('refuses a final message with another channel binding than the first', () => {
    for (const header of ['y,,', 'n,', '', 'n,a=boss,', 'p=tls-unique,,', 'n,,x']) {
      assert.deepEqual(answerToFinal(`c=${base64(header)},r=abcunique1,p=${PROOF}`), [MALFORMED], header);
    }
  });

  it('refuses a nonce that is not the one of this exchange', () => {
    for (const nonce of ['abc', 'unique1', 'abcunique2', 'abcunique1x', 'ABCunique1', '']) {
      assert.deepEqual(answerToFinal(`c=biws,r=${nonce},p=${PROOF}`), [MALFORMED], nonce);
    }
    const again = converse(`${opened}*\r\n${opened}${line(FINAL)}`, ON);
    assert.equal(again.at(-1), MALFORMED, 'the proof of an exchange before');
  });

  it('ignores optional extensions, which the proof covers, and refuses those that are mandatory', () => {
    assert.equal(answerTo('n,,n=a,r=x,z=1,y=a=b')[0], 'ask a');
    const driver = new Driver(ON).feed(`${opened}${line(`${WITHOUT_PROOF},x=1,p=${PROOF}`)}`);
    const [login] = driver.logins;
    assert.ok(login?.mechanism === 'SCRAM-SHA-256' && login.authMessage.endsWith(',c=biws,r=abcunique1,x=1'));
    for (const first of ['n,,m=x,n=a,r=x', 'n,,n=a,r=x,m=x', 'n,,n=a,r=x,z=1,m=x']) {
      assert.deepEqual(answerTo(first), [MALFORMED], first);
    }
    assert.deepEqual(answerToFinal(`${WITHOUT_PROOF},m=x,p=${PROOF}`), [MALFORMED]);
  });

  it('refuses messages that are none', () => {
    const bad = ['n', 'n,,', 'n,,n=a', 'n,,n=,r=x', 'n,,n=a,r=', 'n,,r=x,n=a', 'x,,n=a,r=x', 'n,n=a,r=x'];
    const odd = [
      'n,x,n=a,r=x',
      'p=,,n=a,r=x',
      'n,a=,n=a,r=x',
      'n,,n=a,r=x y',
      'n,,n=a,r=x\x7f',
      'n,,n=a,r=x,1=a',
    ];
    const forged = [
      'n,,n=a\0,r=x',
      'n,,n=a\r\n,r=x',
      'n,a=b\n,n=a,r=x',
      'n,,n=a,r=x,z=\n',
      `n,,n=a,r=${'x'.repeat(513)}`,
    ];
    assert.deepEqual(converse('AUTH SCRAM-SHA-256 =\r\n', ON), [MALFORMED]);
    for (const first of [...bad, ...odd, ...forged]) {
      assert.deepEqual(answerTo(first), [MALFORMED], JSON.stringify(first));
    }
    const short = base64('p'.repeat(31));
    const finals = [
      '',
      'x',
      WITHOUT_PROOF,
      `${WITHOUT_PROOF},p=`,
      `${WITHOUT_PROOF},p=${short}`,
      `${FINAL},x=1`,
    ];
    const more = [`r=abcunique1,c=biws,p=${PROOF}`, `${WITHOUT_PROOF},p=${PROOF.slice(0, -1)}`, `${FINAL}\0`];
    const stray = `${WITHOUT_PROOF},p=${PROOF.slice(0, -2)}B=`;
    for (const final of [...finals, ...more, stray]) {
      assert.deepEqual(answerToFinal(final), [MALFORMED], JSON.stringify(final));
    }
  });

  it('reads a long message once, whatever it fits', () => {
    // At a step for each pair of octets it would be minutes, in which nobody else is served.
    const long = 'x'.repeat(1_000_000);
    const took = computed(() => {
      for (const message of [`c=biws,r=${long}`, `c=biws,r=a${',z=y'.repeat(250_000)}`, `c=${long},r=a`]) {
        const exchange = new ScramExchange(() => 'unique1');
        assert.equal(exchange.respond(FIRST).step, 'ask');
        exchange.told(SALTED);
        assert.deepEqual(exchange.respond(message), REFUSED, message.slice(0, 20));
        assert.deepEqual(new ScramExchange(() => '').respond(`n,,n=a,r=${long},m=`), REFUSED);
        assert.deepEqual(new ScramExchange(() => '').respond(`n,,n=${long}`), REFUSED);
      }
    });
    assert.ok(took < 10_000, `${took} ms`);
  });

  it('counts a login when the proof is there, and every break as a bad command', () => {
    const driver = new Driver({ ...ON, verdict: () => REJECTED }).feed(`${opened}*\r\n`);
    assert.deepEqual([driver.machine.attempts, driver.machine.badCommands], [0, 1]);
    driver.feed(`${opened}${line(`c=biws,r=abcunique2,p=${PROOF}`)}`);
    assert.deepEqual([driver.machine.attempts, driver.machine.failedLogins], [1, 1]);
  });
});
