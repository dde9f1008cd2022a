/** The cases about what a handshake agrees on: names, protocols, versions, tickets, and whom a client trusts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ServerTlsOptions, Transport } from '../../src/transport/transport.ts';
import type { TestCertificates } from '../support/tls.ts';
import { ascii } from './octets.ts';
import { onStage, type Stage } from './probe.ts';
import { onStlsServer, onTlsServer, sClient, subject } from './s-client.ts';

export function agreementCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ecdsa, rsa, expired, stranger, ca } = certificates;
  const serverTls = (options: Partial<ServerTlsOptions> = {}) =>
    transport.serverTls({
      certificates: [ecdsa, rsa],
      minVersion: 'TLSv1.2',
      ciphers: null,
      alpn: ['pop3'],
      clientCa: null,
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
  });

  test(name('an older version than the least is refused, and the ciphers are those asked for'), async () => {
    await onServer({ minVersion: 'TLSv1.3' }, async (stage) => {
      await sClient(stage, '-tls1_2');
      assert.equal(stage.servers[0]!.error?.kind, 'tls');
    });
    await onServer({ ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }, async (stage) => {
      assert.match(await sClient(stage, '-tls1_2'), /Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/);
      await sClient(stage, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256');
      const [served, refused] = stage.servers;
      assert.equal(served!.connection.tls?.cipher, 'ECDHE-ECDSA-AES256-GCM-SHA384');
      assert.equal(served!.connection.tls?.version, 'TLSv1.2');
      assert.equal(refused!.error?.kind, 'tls');
    });
    await onServer({ minVersion: 'TLSv1' }, async (stage) => {
      assert.match(await sClient(stage, '-tls1', '-cipher', 'DEFAULT@SECLEVEL=0'), /Protocol\s*: TLSv1\b/);
    });
  });

  const folder = mkdtempSync(join(tmpdir(), 'teapop-tickets-'));
  after(() => rmSync(folder, { recursive: true }));

  for (const version of ['-tls1_2', '-tls1_3']) {
    const resumes = async (stage: Stage, ...args: string[]) => {
      const ticket = join(folder, `${transport.name}${version}`);
      assert.match(await sClient(stage, version, '-sess_out', ticket, ...args), /New, TLSv1/);
      assert.match(await sClient(stage, version, '-sess_in', ticket, ...args), /Reused, TLSv1/);
    };

    test(name(`a session resumes, implicit TLS, ${version}`), async () => {
      await onServer({}, async (stage) => {
        await resumes(stage, '-servername', 'mail.test');
        await resumes(stage, '-servername', 'pop.test');
      });
    });

    test(name(`a session resumes after STLS, ${version}`), async () => {
      const tls = serverTls();
      await onStlsServer(
        transport,
        () => tls,
        (stage) => resumes(stage, '-starttls', 'pop3'),
      );
    });
  }

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
