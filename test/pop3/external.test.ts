import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCEPTED, base64, Driver, type Setting, segmentations } from './drive.ts';

const MALFORMED = '-ERR Malformed response\r\n';
const UNKNOWN = '-ERR Unknown mechanism\r\n';
const ON: Setting = { settings: { methods: ['USER', 'EXTERNAL'] }, tls: true };
const ADA = ['ada@acme.com', 'ada@example.org'];
const login = (user: string, authzid = '') => `authenticate ${JSON.stringify(['EXTERNAL', user, authzid])}`;
const FAILED = '-ERR [AUTH] Login failed\r\n';

function converse(input: string, identities = ADA, setting: Setting = ON): string[] {
  const transcripts = segmentations(input).map((segments) => {
    const driver = new Driver(setting);
    driver.machine.certified(identities);
    driver.machine.greet();
    for (const segment of segments) driver.feed(segment);
    return driver.transcript;
  });
  for (const transcript of transcripts) assert.deepEqual(transcript, transcripts[0]);
  return transcripts[0]!;
}

describe('EXTERNAL', () => {
  it('logs in as whom the certificate names first, or as the one that the client chooses', () => {
    assert.deepEqual(converse('AUTH EXTERNAL =\r\n'), [login(ADA[0]!), FAILED]);
    assert.deepEqual(converse('AUTH EXTERNAL\r\n\r\n'), ['+ \r\n', login(ADA[0]!), FAILED]);
    assert.deepEqual(converse(`AUTH EXTERNAL ${base64(ADA[1]!)}\r\n`), [login(ADA[1]!), FAILED]);
    assert.deepEqual(converse(`auth external\r\n${base64(ADA[1]!)}\r\n`), ['+ \r\n', login(ADA[1]!), FAILED]);
  });

  it('hands on whom else the client asks to act as', () => {
    assert.deepEqual(converse(`AUTH EXTERNAL ${base64('boss@acme.com')}\r\n`), [
      login(ADA[0]!, 'boss@acme.com'),
      FAILED,
    ]);
  });

  it('takes a name of the certificate in another letter case for what may be meant by it', () => {
    const cases = ['ada@acme.com', 'ada@example.org', 'ADA@example.org'];
    const meant = (name: string) => converse(`AUTH EXTERNAL ${base64(name)}\r\n`, cases)[0];
    assert.equal(meant('ada@EXAMPLE.org'), login('ada@example.org', 'ada@EXAMPLE.org'));
    assert.equal(meant('ADA@example.org'), login('ADA@example.org'));
    assert.equal(meant('ada@example.net'), login('ada@acme.com', 'ada@example.net'));
  });

  it('refuses NUL, CR and LF, and is cancelled', () => {
    for (const bad of ['a\0', 'a\r\nSTAT', '\n']) {
      assert.deepEqual(converse(`AUTH EXTERNAL ${base64(bad)}\r\n`), [MALFORMED]);
    }
    assert.equal(converse('AUTH EXTERNAL\r\n*\r\n')[1], '-ERR Authentication cancelled\r\n');
  });

  it('is announced and taken where a certificate names somebody, and nowhere else', () => {
    const [capa, list] = converse('CAPA\r\nAUTH\r\n');
    assert.match(capa!, /\r\nSASL EXTERNAL\r\n/);
    assert.equal(list, '+OK Mechanisms follow\r\nEXTERNAL\r\n.\r\n');
    const both: Setting = { ...ON, settings: { methods: ['USER', 'PLAIN', 'EXTERNAL'] } };
    const [without, refused] = converse('CAPA\r\nAUTH EXTERNAL =\r\n', [], both);
    assert.match(without!, /\r\nSASL PLAIN\r\n/);
    assert.equal(refused, UNKNOWN);
    const clear = converse('CAPA\r\nAUTH EXTERNAL =\r\n', ADA, { ...both, tls: false });
    assert.match(clear[0]!, /\r\nSASL PLAIN\r\n/);
    assert.equal(clear[1], UNKNOWN);
    const off: Setting = { ...ON, settings: { methods: ['PLAIN'] } };
    assert.equal(converse('AUTH EXTERNAL =\r\n', ADA, off)[0], UNKNOWN);
  });

  it('comes with STLS', () => {
    const driver = new Driver({ ...ON, tls: false, verdict: () => ACCEPTED }).feed('STLS\r\n');
    driver.machine.certified(ADA);
    driver.machine.secured();
    driver.feed('AUTH EXTERNAL =\r\n');
    assert.deepEqual(driver.transcript.slice(2, 4), [login(ADA[0]!), '+OK maildrop of the upstream\r\n']);
  });
});
