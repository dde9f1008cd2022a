/** The cases about certificates that clients show. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TlsSession, Transport } from '../../src/transport/transport.ts';
import { clientCertificates } from '../support/client-certificates.ts';
import { SERVER_TLS, type TestCertificate, type TestCertificates, temporaryFolder } from '../support/tls.ts';
import type { Probe, Stage } from './probe.ts';
import { onStlsServer, onTlsServer, sClient } from './s-client.ts';

const MARY = { email: ['mary@acme.com', 'm.m@acme.com'], dns: ['host.test'] };
const MARY_NAME = Buffer.from('Mary Müller').toString('latin1');

const shows = ({ certificateFile, keyFile }: TestCertificate) => ['-cert', certificateFile, '-key', keyFile];

export function clientCertificateCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ca, mary, expired, foreign, server, sly } = clientCertificates();
  const tlsAsking = (clientCa: string | null) =>
    transport.serverTls({
      ...SERVER_TLS,
      certificates: [certificates.ecdsa, certificates.rsa],
      clientCa,
    });
  const asking = tlsAsking(ca);
  const session = async (stage: Stage, ...args: string[]): Promise<TlsSession> => {
    const index = stage.servers.length;
    await sClient(stage, ...args);
    const probe: Probe = await stage.accepted(index);
    await probe.until('secured');
    return probe.connection.tls!;
  };

  for (const version of ['-tls1_2', '-tls1_3']) {
    test(name(`a client certificate is verified and told, ${version}`), async () => {
      const told = async (stage: Stage, ...args: string[]) => {
        const { peer, distrusted } = await session(stage, version, ...shows(mary), ...args);
        assert.equal(distrusted, null);
        assert.deepEqual(peer?.names, MARY);
        assert.equal(peer?.commonName, MARY_NAME);
        assert.match(peer!.fingerprint256, /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/);
      };
      await onTlsServer(
        transport,
        () => asking,
        async (stage) => {
          await told(stage);
          // Each name has a context of its own, and each of them verifies.
          await told(stage, '-servername', 'pop.test');
          await told(stage, '-servername', 'unknown.test');
        },
      );
      await onStlsServer(
        transport,
        () => asking,
        (stage) => told(stage, '-starttls', 'pop3'),
      );
    });

    test(name(`a client certificate that does not hold is nobody's, ${version}`), async () => {
      await onTlsServer(
        transport,
        () => asking,
        async (stage) => {
          for (const [certificate, reason] of [
            [expired, /EXPIRED/],
            [foreign, /ISSUER|VERIFY/],
            [server, /PURPOSE/],
            [certificates.stranger, /SELF_SIGNED|ISSUER|VERIFY/],
          ] as const) {
            const { peer, distrusted } = await session(stage, version, ...shows(certificate));
            assert.equal(peer, null);
            assert.match(distrusted!.reason, reason);
            assert.equal(typeof distrusted!.certificate?.fingerprint256, 'string');
          }
        },
      );
    });

    test(name(`without a client certificate there is none, ${version}`), async () => {
      await onTlsServer(
        transport,
        () => asking,
        async (stage) => {
          const { peer, distrusted } = await session(stage, version);
          assert.deepEqual([peer, distrusted], [null, null]);
        },
      );
      // A certificate that nobody asked for is not sent, and nobody is asked where no authority is named.
      await onTlsServer(
        transport,
        () => tlsAsking(null),
        async (stage) => {
          const { peer, distrusted } = await session(stage, version, ...shows(mary));
          assert.deepEqual([peer, distrusted], [null, null]);
        },
      );
    });

    test(name(`a resumed session is the certificate's that it began with, ${version}`), async () => {
      const folder = temporaryFolder();
      await onTlsServer(
        transport,
        () => asking,
        async (stage) => {
          for (const [certificate, trusted] of [
            [mary, true],
            [expired, false],
          ] as const) {
            const ticket = join(folder, `${transport.name}${version}${trusted}`);
            await session(stage, version, ...shows(certificate), '-sess_out', ticket);
            const again = await session(stage, version, '-sess_in', ticket);
            assert.deepEqual(again.peer?.names ?? null, trusted ? MARY : null);
            assert.equal(again.distrusted === null, trusted);
          }
        },
      );
    });

    test(
      name(`a session of a listener that asks for nothing is none where one is asked for, ${version}`),
      async () => {
        const ticket = join(temporaryFolder(), 'ticket');
        let tls = tlsAsking(null);
        await onTlsServer(
          transport,
          () => tls,
          async (stage) => {
            await session(stage, version, '-sess_out', ticket);
            tls = asking;
            const output = await sClient(stage, version, '-sess_in', ticket, ...shows(mary));
            assert.match(output, /^New, TLSv1/m);
            assert.deepEqual(stage.servers.at(-1)!.connection.tls?.peer?.names, MARY);
          },
        );
      },
    );
  }

  test(name('a name that a comma or a line feed makes up is no name'), async () => {
    await onTlsServer(
      transport,
      () => asking,
      async (stage) => {
        const { peer } = await session(stage, ...shows(sly));
        assert.deepEqual([peer?.names, peer?.commonName], [{ email: [], dns: [] }, null]);
      },
    );
  });
}
