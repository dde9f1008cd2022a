import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileFindings } from '../../src/config/files.ts';
import { clientCertificates } from '../support/client-certificates.ts';
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
  assert.deepEqual(on, { caFile: '/ca', require: true });
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
