import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileFindings } from '../../src/config/files.ts';
import { clientCertificates } from '../support/client-certificates.ts';
import { temporaryFolder } from '../support/temp.ts';
import { temporaryCertificates } from '../support/tls.ts';
import { good, onlyError, withRest } from './configs.ts';

const CERTIFICATES = 'tls: { certificates: [{ certificate: /a, key: /b }] }\n';

/** A config whose only listener has these settings. */
const listener = (more: string) =>
  withRest(`listeners: [{ name: a, port: 995, ${more} }]\n${more.includes('tls: off') ? '' : CERTIFICATES}`);

test('client certificates are demanded only where no client can step round them', () => {
  const demand = (more: string) => onlyError(listener(`client_certificates: { ca_file: /ca }, ${more}`));
  const round = demand('plaintext_auth: [192.0.2.0/24]');
  assert.equal(round.path, 'listeners[0].client_certificates');
  assert.equal(round.message, 'who logs in without TLS shows no certificate');
  assert.equal(round.hint, 'write plaintext_auth: never, or require: false');
  assert.equal(demand('tls: off, plaintext_auth: [192.0.2.0/24]').message, 'client certificates need TLS');
  for (const more of [
    'client_certificates: { ca_file: /ca }',
    'tls: implicit, plaintext_auth: [192.0.2.0/24], client_certificates: { ca_file: /ca }',
    'client_certificates: { ca_file: /ca, require: false }, plaintext_auth: [192.0.2.0/24]',
    'client_certificates: off, plaintext_auth: [192.0.2.0/24]',
  ])
    good(listener(more));
  const { clientCertificates: on } = good(listener('client_certificates: { ca_file: /ca }')).config
    .listeners[0]!;
  assert.deepEqual(on, { caFile: '/ca', require: true, identity: null });
});

test('the authorities of client certificates must be there and in their time', () => {
  const found = (file: string) => {
    const { config } = good(listener(`client_certificates: { ca_file: "${file}" }`));
    const path = 'listeners.0.client_certificates.ca_file';
    return fileFindings(config, Date.now()).filter((finding) => finding.path.join('.') === path);
  };
  assert.deepEqual(found(clientCertificates().caFile), []);
  assert.match(found('/nowhere/ca')[0]!.message, /cannot be read/);
  assert.match(found(temporaryCertificates().expired.certificateFile)[0]!.message, /have expired/);
});

test('ciphers are those of TLS 1.2 and below, and known to the library', () => {
  const tls13 = onlyError(listener('ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"'));
  assert.equal(
    `${tls13.path}: ${tls13.message}`,
    'listeners[0].ciphers: expected ciphers of TLS 1.2 and below',
  );
  assert.match(tls13.hint ?? '', /leave out the names that begin with TLS_/);
  const found = (ciphers: string) =>
    fileFindings(good(listener(`ciphers: "${ciphers}"`)).config, Date.now())
      .filter(({ path }) => path.join('.') === 'listeners.0.ciphers')
      .map(({ message }) => message);
  assert.deepEqual(found('ECDHE-ECDSA-AES128-GCM-SHA256'), []);
  assert.match(found('NO-SUCH-CIPHER')[0] ?? '', /^(OpenSSL|BoringSSL) knows no cipher of it$/);
  assert.equal(good(listener('ciphers: null')).config.listeners[0]!.cipherPreference, 'server');
  assert.equal(onlyError(listener('cipher_preference: mine')).message, 'expected server or client');
});

test("the tickets' secret is a file of its own, long enough and nobody else's", () => {
  const folder = temporaryFolder('tickets');
  const found = (file: string) => {
    const text = withRest(`tls: { ticket_secret_file: "${file}" }\n`);
    return fileFindings(good(text).config, Date.now()).map(
      ({ severity, path, message }) => `${severity} ${path.join('.')}: ${message.replace(folder.path, '')}`,
    );
  };
  const at = 'tls.ticket_secret_file';
  assert.deepEqual(found(folder.file('good', 'x'.repeat(32), 0o600)), []);
  assert.deepEqual(found(folder.file('short', 'x'.repeat(31), 0o600)), [
    `error ${at}: /short has fewer than 32 octets`,
  ]);
  assert.deepEqual(found(folder.file('open', 'x'.repeat(32), 0o644)), [
    `warning ${at}: everybody on this host can get at /open`,
  ]);
  assert.deepEqual(found('/nowhere/secret'), [
    `error ${at}: /nowhere/secret cannot be read: it does not exist`,
  ]);
  folder.remove();
});

test('a session may be resumed for a day, and for seven at most', () => {
  const lifetime = (text: string) => good(withRest(`tls: { ${text} }\n`)).config.tls.sessionLifetime;
  assert.equal(lifetime(''), 86_400_000);
  assert.equal(lifetime('session_lifetime: 7d'), 7 * 86_400_000);
  // RFC 8446, 4.6.1.
  assert.equal(onlyError(withRest('tls: { session_lifetime: 8d }\n')).message, 'expected 1m to 7d');
});
