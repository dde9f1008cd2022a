import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { readPeerCertificate } from '../../src/transport/peer-certificate.ts';
import { verdictOn } from '../../src/transport/peer-verdict.ts';
import { clientCertificates } from '../support/client-certificates.ts';
import { temporaryCertificates } from '../support/tls.ts';

const { mary, sly } = clientCertificates();
const maryX509 = new X509Certificate(mary.certificate);
const read = (raw: Uint8Array) => readPeerCertificate({ raw, fingerprint256: 'AB:CD' });

test('a certificate tells its names, its last common name and its fingerprint', () => {
  assert.deepEqual(readPeerCertificate(maryX509), {
    commonName: Buffer.from('Mary Müller').toString('latin1'),
    names: { email: ['mary@acme.com', 'm.m@acme.com'], dns: ['host.test'] },
    fingerprint256: maryX509.fingerprint256,
  });
});

test('names with control characters or spaces in them are left out', () => {
  const { raw } = new X509Certificate(sly.certificate);
  assert.deepEqual(read(raw), {
    commonName: null,
    names: { email: [], dns: [] },
    fingerprint256: 'AB:CD',
  });
});

test('a NUL does not shorten a name', () => {
  const raw = Buffer.from(maryX509.raw);
  raw[raw.indexOf('mary@acme.com') + 4] = 0;
  raw[raw.indexOf('Mary Müller') + 4] = 0;
  const { names, commonName } = read(raw);
  assert.deepEqual([names.email, commonName], [['m.m@acme.com'], null]);
});

test('an authority without alternative names has none', () => {
  const { raw } = new X509Certificate(temporaryCertificates().ca);
  const { commonName, names } = read(raw);
  assert.deepEqual([commonName, names], ['ca', { email: [], dns: [] }]);
});

test('what is cut short, goes on, or is none is an Error', () => {
  const { raw } = maryX509;
  for (let length = 0; length < raw.length; length += 1) assert.throws(() => read(raw.subarray(0, length)));
  assert.throws(() => read(Buffer.concat([raw, Buffer.alloc(1)])));
  assert.throws(() => read(Buffer.from('3080000000', 'hex')), /wrong length/);
  assert.throws(() => read(Buffer.from('30030000', 'hex')), /cut short/);
  assert.throws(() => read(Buffer.from('300430020500', 'hex')), /no subject/);
});

test('a changed octet anywhere is either read or an Error, never anything else', () => {
  const { raw } = maryX509;
  for (let at = 0; at < raw.length; at += 1) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(raw);
      changed[at]! ^= flip;
      try {
        assert.equal(read(changed).fingerprint256, 'AB:CD');
      } catch (error) {
        assert.equal((error as Error).constructor, Error, String(error));
      }
    }
  }
});

test('a certificate is believed only where the library found no fault and it can be read', () => {
  const peer = readPeerCertificate(maryX509);
  assert.deepEqual(verdictOn(undefined, null), { peer: null, distrusted: null });
  assert.deepEqual(verdictOn(undefined, 'CERT_HAS_EXPIRED'), { peer: null, distrusted: null });
  assert.deepEqual(verdictOn(maryX509, null), { peer, distrusted: null });
  const expired = { certificate: peer, reason: 'CERT_HAS_EXPIRED' };
  assert.deepEqual(verdictOn(maryX509, 'CERT_HAS_EXPIRED'), { peer: null, distrusted: expired });
  const { validTo } = maryX509;
  const broken = { raw: Buffer.from('none'), fingerprint256: 'AB:CD', validTo } as unknown as X509Certificate;
  const unread = { certificate: null, reason: 'UNREADABLE' };
  assert.deepEqual(verdictOn(broken, null), { peer: null, distrusted: unread });
});

test('a certificate that has ended since the session began is not believed when the session resumes', () => {
  const ends = Date.parse(maryX509.validTo);
  assert.notEqual(verdictOn(maryX509, null, ends).peer, null);
  const certificate = readPeerCertificate(maryX509);
  const distrusted = { certificate, reason: 'CERT_HAS_EXPIRED' };
  assert.deepEqual(verdictOn(maryX509, null, ends + 1), { peer: null, distrusted });
  const undated = { raw: maryX509.raw, fingerprint256: maryX509.fingerprint256, validTo: 'some day' };
  assert.equal(verdictOn(undated as unknown as X509Certificate, null).peer, null);
});
