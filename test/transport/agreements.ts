/** The cases about what a handshake agrees on: names, protocols, versions, tickets, and whom a client trusts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerTlsOptions, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, type TestCertificates } from '../support/tls.ts';
import { ascii } from './octets.ts';
import { onStage, type Stage } from './probe.ts';
import { onStlsServer, onTlsServer, sClient, subject } from './s-client.ts';

export function agreementCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ecdsa, rsa, expired, stranger, ca } = certificates;
  const serverTls = (options: Partial<ServerTlsOptions> = {}) =>
    transport.serverTls({
      certificates: [ecdsa, rsa],
      ...SERVER_TLS,
      ...options,
    });
  const clientTls = (serverName: string, verify = true, authority: string | null = ca) =>
    transport.clientTls({ ca: authority, serverName, verify, minVersion: 'TLSv1.2' });

  const onServer = (options: Partial<ServerTlsOptions>, body: (stage: Stage) => Promise<void>) => {
    const tls = serverTls(options);
    return onTlsServer(transport, () => tls, body);
  };

  test(name('the name asked for picks the certificate; unknown or none gets the first'), async () => {
    await onServer({}, async (stage) => {
      const picked = async (...args: string[]) => subject(await sClient(stage, ...args));
      assert.equal(await picked('-servername', 'pop.test'), 'rsa');
      assert.equal(await picked('-servername', 'POP.Test'), 'rsa');
      assert.equal(await picked('-servername', 'a.wild.test'), 'rsa');
      assert.equal(await picked('-servername', 'a.b.wild.test'), 'ecdsa');
      assert.equal(await picked('-servername', 'mail.test'), 'ecdsa');
      assert.equal(await picked('-servername', 'unknown.test'), 'ecdsa');
      assert.equal(await picked('-noservername'), 'ecdsa');
      const names = stage.servers.map((server) => server.connection.tls?.serverName);
      assert.deepEqual(names.slice(-2), ['unknown.test', null]);
    });
  });

  test(name('ALPN: pop3 is chosen, only others are refused, none is let in'), async () => {
    await onServer({}, async (stage) => {
      assert.match(await sClient(stage, '-alpn', 'imap,pop3'), /ALPN protocol: pop3/);
      assert.match(await sClient(stage, '-alpn', 'imap'), /no application protocol/);
      assert.match(await sClient(stage), /No ALPN negotiated/);
      const [both, other, none] = stage.servers;
      assert.equal(both!.connection.tls?.alpn, 'pop3');
      assert.deepEqual([other!.error?.kind, other!.count('secured')], ['tls', 0]);
      assert.equal(none!.connection.tls?.alpn, null);
    });
    await onServer({ alpn: [] }, async (stage) => {
      assert.match(await sClient(stage, '-alpn', 'imap'), /No ALPN negotiated/);
    });
    const tls = serverTls();
    await onStlsServer(
      transport,
      () => tls,
      async (stage) => {
        const stls = ['-starttls', 'pop3', '-alpn'];
        assert.match(await sClient(stage, ...stls, 'pop3'), /ALPN protocol: pop3/);
        assert.match(await sClient(stage, ...stls, 'imap'), /no application protocol/);
        assert.equal(stage.servers[1]!.error?.kind, 'tls');
      },
    );
  });

  const trusted = async (tls: ReturnType<typeof clientTls>, certificate = ecdsa) => {
    const server = serverTls({ certificates: [certificate] });
    let verdict = '';
    await onStage(transport, { accept: (connection) => connection.startTls(server) }, async (stage) => {
      const client = stage.connect();
      client.reactions.opened = (connection) => {
        connection.startTls(tls);
        connection.write(ascii('PASS secret\r\n'));
      };
      client.reactions.secured = (connection) => connection.end();
      const other = await stage.accepted();
      other.reactions.ended = (connection) => connection.end();
      await Promise.all([client.until('closed'), other.until('closed')]);
      verdict = client.error?.kind ?? 'trusted';
      const told = other.text;
      assert.equal(told, verdict === 'trusted' ? 'PASS secret\r\n' : '');
      assert.equal(client.count('secured'), verdict === 'trusted' ? 1 : 0);
    });
    return verdict;
  };

  test(name('a client trusts the authority, the name and the date, and says nothing otherwise'), async () => {
    assert.equal(await trusted(clientTls('mail.test')), 'trusted');
    assert.equal(await trusted(clientTls('localhost')), 'trusted');
    assert.equal(await trusted(clientTls('127.0.0.1')), 'trusted');
    assert.equal(await trusted(clientTls('x.wild.test'), rsa), 'trusted');
    assert.equal(await trusted(clientTls('other.test')), 'certificate');
    assert.equal(await trusted(clientTls('127.0.0.2')), 'certificate');
    assert.equal(await trusted(clientTls('mail.test'), expired), 'certificate');
    assert.equal(await trusted(clientTls('mail.test'), stranger), 'certificate');
    assert.equal(await trusted(clientTls('mail.test', true, null)), 'certificate');
  });

  test(name('a client that is told not to verify trusts any certificate'), async () => {
    assert.equal(await trusted(clientTls('other.test', false)), 'trusted');
    assert.equal(await trusted(clientTls('mail.test', false), expired), 'trusted');
    assert.equal(await trusted(clientTls('mail.test', false), stranger), 'trusted');
  });

  test(name('a certificate that cannot be used is named, with the reason'), () => {
    const swapped = { certificate: rsa.certificate, key: ecdsa.key };
    assert.throws(
      () => serverTls({ certificates: [ecdsa, swapped] }),
      /certificate 2 of 2 .* another certificate/,
    );
    const broken = { certificate: 'none', key: ecdsa.key };
    assert.throws(() => serverTls({ certificates: [broken] }), /certificate 1 of 1 cannot be used: ./);
    assert.throws(() => serverTls({ ciphers: 'NO-SUCH-CIPHER' }), Error);
  });
}
