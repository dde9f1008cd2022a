import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUFFERED_LIMIT, UNDECIDED_LIMIT } from '../../src/pop3/authorization.ts';
import type { UnavailableCode } from '../../src/pop3/reply.ts';
import { ACCEPTED, converse, Driver, latin1, REJECTED, text } from './drive.ts';

const OK_USER = '+OK Send the password\r\n';
const FAILED = '-ERR [AUTH] Login failed\r\n';
const UPSTREAM_OK = '+OK maildrop of the upstream\r\n';
const login = (user: string, password: string) =>
  `authenticate ${JSON.stringify(['USER', user, password, ''])}`;

describe('the outcome of a login', () => {
  const bad = 'USER a\r\nPASS x\r\n';

  it('leaves the connection open for another try up to the limit, then closes', () => {
    const attempt = [OK_USER, login('a', 'x'), FAILED];
    assert.deepEqual(converse(bad.repeat(2)), [...attempt, ...attempt]);
    assert.deepEqual(converse(`${bad.repeat(3)}NOOP\r\n`), [
      ...attempt,
      ...attempt,
      ...attempt,
      'close login-attempts',
    ]);
  });

  it('has one text for every rejection, whatever the mechanism', () => {
    const transcript = converse(`${bad}AUTH PLAIN AGEAYg==\r\nAUTH LOGIN YQ==\r\nYg==\r\n`);
    assert.equal(transcript.filter((line) => line === FAILED).length, 3);
  });

  it('answers a login that could not be decided with its code and never [AUTH]', () => {
    const codes: UnavailableCode[] = ['SYS/TEMP', 'SYS/PERM', 'IN-USE', 'LOGIN-DELAY'];
    for (const code of codes) {
      const transcript = converse(bad, { verdict: () => ({ result: 'unavailable', code }) });
      assert.ok(transcript[2]!.startsWith(`-ERR [${code}] `), code);
    }
  });

  it('does not count undecided logins as attempts, but ends a loop of them', () => {
    const driver = new Driver({ verdict: () => ({ result: 'unavailable', code: 'SYS/TEMP' }) });
    for (let i = 1; i < UNDECIDED_LIMIT; i++) driver.feed(bad);
    assert.equal(driver.machine.failedLogins, 0);
    assert.ok(!driver.transcript.some((line) => line.startsWith('close')));
    driver.feed(bad);
    assert.equal(driver.transcript.at(-1), 'close undecided-logins');
    assert.equal(driver.machine.attempts, UNDECIDED_LIMIT);
  });

  it("gives the client the upstream's own +OK", () => {
    assert.deepEqual(converse(bad, { verdict: () => ACCEPTED }), [
      OK_USER,
      login('a', 'x'),
      UPSTREAM_OK,
      'relay ',
    ]);
  });

  it('hands over what came behind the login, byte for byte', () => {
    const behind = 'STAT\r\nRETR 1\r\n\0\r\xff\nQUIT\r\nLI';
    assert.deepEqual(converse(bad + behind, { verdict: () => ACCEPTED }), [
      OK_USER,
      login('a', 'x'),
      UPSTREAM_OK,
      `relay ${behind}`,
    ]);
  });

  it('answers the rest of a pipeline in order after a failed login', () => {
    assert.deepEqual(converse(`${bad}NOOP\r\nQUIT\r\n`).slice(2), [
      FAILED,
      '+OK\r\n',
      '+OK Bye\r\n',
      'close quit',
    ]);
  });

  it('refuses octets after the hand-over instead of losing them', () => {
    const driver = new Driver({ verdict: () => ACCEPTED }).feed(bad);
    assert.throws(() => driver.machine.receive(latin1('STAT\r\n')), /handed over/);
  });
});

describe('while a login is checked', () => {
  it('parses no further line and keeps what comes', () => {
    const driver = new Driver({ verdict: () => null }).feed('USER a\r\nPASS x\r\nUSER b\r\n');
    driver.feed('PASS y\r\nQUIT\r\n');
    assert.deepEqual(driver.transcript, [OK_USER, login('a', 'x')]);
    assert.equal(driver.machine.waiting, true);
    assert.equal(driver.machine.buffered, 'USER b\r\nPASS y\r\nQUIT\r\n'.length);
    driver.machine.settle(REJECTED);
    driver.run();
    assert.deepEqual(driver.transcript.slice(2), [FAILED, OK_USER, login('b', 'y')]);
  });

  it('hands over octets that come between the verdict and the relay', () => {
    const driver = new Driver({ verdict: () => null }).feed('USER a\r\nPASS x\r\nSTAT\r\n');
    driver.machine.settle(ACCEPTED);
    const reply = driver.machine.next();
    assert.equal(reply?.do === 'reply' && text(reply.octets), UPSTREAM_OK);
    driver.machine.receive(latin1('LIST\r\n'));
    driver.run();
    assert.equal(driver.transcript.at(-1), 'relay STAT\r\nLIST\r\n');
  });

  it('tells how much it keeps, so that the session can stop reading', () => {
    const driver = new Driver({ verdict: () => null }).feed('USER a\r\nPASS x\r\n');
    while (driver.machine.buffered < BUFFERED_LIMIT) driver.feed('RETR 1\r\n'.repeat(1000));
    driver.machine.settle(REJECTED);
    driver.run();
    assert.equal(driver.machine.buffered, 0);
  });

  it('wants one settle for each authenticate', () => {
    const driver = new Driver();
    assert.throws(() => driver.machine.settle(REJECTED), /without authenticate/);
  });
});
