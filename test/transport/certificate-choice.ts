/** The cases about which of several certificates a client gets. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { Certificate, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, signed, type TestCertificates } from '../support/tls.ts';
import { onTlsServer, sClient, subject } from './s-client.ts';

/** How a client says that it knows one kind of signature alone. */
const KNOWS = {
  ecdsa: { '-tls1_2': ['-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], '-tls1_3': ['-sigalgs', 'ECDSA+SHA256'] },
  rsa: { '-tls1_2': ['-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'], '-tls1_3': ['-sigalgs', 'RSA-PSS+SHA256'] },
} as const;

export function certificateChoiceCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ecdsa, rsa } = certificates;
  const tls = (...list: [Certificate, ...Certificate[]]) =>
    transport.serverTls({ ...SERVER_TLS, certificates: list });
  const folder = dirname(certificates.caFile);
  const make = (file: string, kind: 'ecdsa' | 'rsa', names: string) =>
    signed(folder, { name: file, kind, extensions: [`subjectAltName=${names}`] });

  const onServer = (list: [Certificate, ...Certificate[]], body: Parameters<typeof onTlsServer>[2]) => {
    const server = tls(...list);
    return onTlsServer(transport, () => server, body);
  };

  for (const version of ['-tls1_2', '-tls1_3'] as const) {
    test(name(`ECDSA beside RSA: a client gets what it knows, ${version}`), async () => {
      const rsaMail = make('rsa-mail', 'rsa', 'DNS:mail.test,DNS:old.test');
      // In whichever order they are given.
      for (const list of [[ecdsa, rsaMail, rsa] as const, [rsaMail, ecdsa, rsa] as const]) {
        await onServer([...list], async (stage) => {
          const picked = async (...args: string[]) => subject(await sClient(stage, version, ...args));
          assert.equal(await picked('-servername', 'mail.test'), 'ecdsa');
          assert.equal(await picked('-servername', 'mail.test', ...KNOWS.rsa[version]), 'rsa-mail');
          assert.equal(await picked('-servername', 'mail.test', ...KNOWS.ecdsa[version]), 'ecdsa');
          // Unknown and no names, too.
          assert.equal(await picked('-servername', 'unknown.test'), 'ecdsa');
          assert.equal(await picked('-servername', 'unknown.test', ...KNOWS.rsa[version]), 'rsa-mail');
          assert.equal(await picked('-noservername', ...KNOWS.rsa[version]), 'rsa-mail');
          // Names that one of them alone holds.
          assert.equal(await picked('-servername', 'old.test'), 'rsa-mail');
          assert.equal(await picked('-servername', 'localhost'), 'ecdsa');
        });
      }
    });
  }

  test(name('a wildcard of another kind stands in for what the exact name lacks'), async () => {
    const wildEcdsa = make('wild-ecdsa', 'ecdsa', 'DNS:*.acme.test');
    const exactRsa = make('exact-rsa', 'rsa', 'DNS:pop.acme.test');
    const onNode = transport.name === 'node' && process.versions.bun === undefined;
    await onServer([rsa, wildEcdsa, exactRsa], async (stage) => {
      const picked = async (...args: string[]) => subject(await sClient(stage, ...args));
      // On Node names other than those of the first certificate have one certificate: the one that every client knows.
      const usual = onNode ? 'exact-rsa' : 'wild-ecdsa';
      assert.equal(await picked('-servername', 'pop.acme.test'), usual);
      const old = [...KNOWS.rsa['-tls1_3'], '-tls1_3'];
      assert.equal(await picked('-servername', 'pop.acme.test', ...old), 'exact-rsa');
      assert.equal(await picked('-servername', 'x.acme.test'), 'wild-ecdsa');
    });
  });
}
