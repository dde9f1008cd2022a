import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCEPTED, Driver, type Setting, segmentations, text } from './drive.ts';

const FAILED = '-ERR [AUTH] Login failed\r\n';
const UNKNOWN = '-ERR Unknown command\r\n';
const WRONG = '-ERR Wrong arguments\r\n';
const USED = '-ERR Reconnect for another APOP\r\n';
const ON: Setting = { settings: { methods: ['USER', 'APOP', 'PLAIN'] } };
const DIGEST = 'c4c9334bac560ecc979e58001b3e22fb';

function greeted(setting: Setting = ON): Driver {
  const driver = new Driver(setting);
  driver.machine.greet();
  return driver;
}

/** The same however it is cut. */
function converse(input: string, setting: Setting = ON): string[] {
  const transcripts = segmentations(input).map((segments) => {
    const driver = greeted(setting);
    for (const segment of segments) driver.feed(segment);
    return driver.transcript;
  });
  for (const transcript of transcripts) assert.deepEqual(transcript, transcripts[0]);
  return transcripts[0]!;
}

const login = (user: string) =>
  `authenticate ${JSON.stringify(['APOP', '', '<unique1@teapop-proxy>', user, DIGEST])}`;

describe('the greeting', () => {
  it('has a timestamp where APOP is taken, another on each connection', () => {
    const greeting = (driver: Driver) => text(driver.machine.greet());
    assert.equal(greeting(new Driver(ON)), '+OK teapop ready <unique1@teapop-proxy>\r\n');
    assert.equal(greeting(new Driver({ ...ON, tls: true })), '+OK teapop ready <unique1@teapop-proxy>\r\n');
    const bare = new Driver({ settings: { ...ON.settings, banner: '' } });
    assert.equal(greeting(bare), '+OK <unique1@teapop-proxy>\r\n');
  });

  it('has none where it is not: not offered, or not without TLS', () => {
    for (const setting of [{}, { ...ON, plaintextAllowed: false }, { settings: { methods: ['CRAM-MD5'] } }]) {
      assert.equal(text(new Driver(setting as Setting).machine.greet()), '+OK teapop ready\r\n');
    }
    assert.match(text(new Driver({ ...ON, clearLogins: 'digests' }).machine.greet()), /<.*@.*>/);
  });

  it('fits into a reply with the timestamp of a real proxy', () => {
    const settings = { ...ON.settings, banner: 'b'.repeat(600) };
    assert.throws(() => new Driver({ settings }), /banner: longer than 432 octets/);
  });
});

describe('APOP', () => {
  it('hands over the name, the digest and the challenge that it answers', () => {
    assert.deepEqual(converse(`APOP john@acme.com ${DIGEST}\r\nNOOP\r\n`), [
      login('john@acme.com'),
      FAILED,
      '+OK\r\n',
    ]);
    assert.deepEqual(converse(`apop john ${DIGEST.toUpperCase()} \n`), [login('john'), FAILED]);
    assert.deepEqual(converse(`APOP  jo hn  ${DIGEST}\r\n`), [login(' jo hn '), FAILED]);
  });

  it('hands the session over', () => {
    const transcript = converse(`APOP a ${DIGEST}\r\nSTAT\r\nQ`, { ...ON, verdict: () => ACCEPTED });
    assert.deepEqual(transcript.slice(1), ['+OK maildrop of the upstream\r\n', 'relay STAT\r\nQ']);
  });

  it('takes one answer to a challenge, right or wrong', () => {
    assert.deepEqual(converse(`APOP a ${DIGEST}\r\nAPOP a ${DIGEST}\r\n`), [login('a'), FAILED, USED]);
    const undecided = () => ({ result: 'unavailable', code: 'SYS/TEMP' }) as const;
    const twice = converse(`APOP a ${DIGEST}\r\nAPOP a ${DIGEST}\r\n`, { ...ON, verdict: undecided });
    assert.equal(twice.at(-1), USED);
    assert.deepEqual(converse(`APOP a ${DIGEST}\r\nUSER a\r\nPASS x\r\n`).slice(2), [
      '+OK Send the password\r\n',
      'authenticate ["USER","a","x",""]',
      FAILED,
    ]);
  });

  it('refuses what is no name and digest, and leaves the challenge as it was', () => {
    for (const bad of [
      '',
      ' ',
      DIGEST,
      ` ${DIGEST}`,
      'john',
      'john x',
      `john ${DIGEST}0`,
      `john ${DIGEST} x`,
    ]) {
      assert.deepEqual(converse(`APOP ${bad}\r\nAPOP a ${DIGEST}\r\n`), [WRONG, login('a'), FAILED], bad);
    }
    assert.deepEqual(converse('APOP\r\n'), [WRONG]);
  });

  it('forgets the user of a USER before it', () => {
    const transcript = converse(`USER a\r\nAPOP b ${DIGEST}\r\nPASS x\r\n`);
    assert.deepEqual(transcript.slice(1), [login('b'), FAILED, '-ERR Send USER first\r\n']);
    assert.equal(converse('USER a\r\nAPOP x\r\nPASS x\r\n').at(-1), '-ERR Send USER first\r\n');
  });

  it('is unknown where no greeting offered it, after STLS too', () => {
    assert.deepEqual(converse(`APOP a ${DIGEST}\r\n`, {}), [UNKNOWN]);
    const strict = greeted({ ...ON, plaintextAllowed: false }).feed('STLS\r\n');
    strict.machine.secured();
    assert.equal(strict.feed(`APOP a ${DIGEST}\r\n`).transcript.at(-1), UNKNOWN);
  });

  it('answers the greeting after STLS as before it', () => {
    const driver = greeted().feed('STLS\r\n');
    driver.machine.secured();
    driver.feed(`APOP a ${DIGEST}\r\n`);
    assert.deepEqual(driver.transcript.slice(2), [login('a'), FAILED]);
  });
});
