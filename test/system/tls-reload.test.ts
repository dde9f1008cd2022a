/** What a reload and a restart do to TLS: certificates, handshakes under way, sessions to resume. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Pop3Client } from '../support/pop3-client.ts';
import { run, until } from '../support/process.ts';
import type { Runtime } from '../support/proxy-process.ts';
import { ADDRESS, type RunningSite, startSite } from '../support/running-site.ts';
import type { TestCertificate } from '../support/tls.ts';

type Service = 'pop3' | 'pop3s';

for (const runtime of ['bun', 'node'] as Runtime[]) {
  describe(`reload and restart, ${runtime}`, () => {
    let site: RunningSite;

    before(async () => {
      site = await startSite({
        source: 'files',
        mailstore: false,
        runtime,
        config: ({ folder, certificates }) => ({
          tls: {
            certificates: [useCertificate(folder, certificates.ecdsa)],
            ticket_secret_file: folder.file('tickets', randomBytes(32).toString('latin1'), 0o600),
          },
          upstreams: [{ name: 'mailstore', host: ADDRESS, port: 1, login: 'passthrough' }],
        }),
      });
    });
    after(() => site.stop());

    /** Puts it where the config looks. */
    function useCertificate(folder: RunningSite['folder'], { certificate, key }: TestCertificate) {
      return { certificate: folder.file('mail.pem', certificate), key: folder.file('mail.key', key, 0o600) };
    }

    async function reload(): Promise<void> {
      const reloads = () => site.proxy.log().filter(({ event }) => event === 'reloaded').length;
      const before = reloads();
      site.proxy.kill('SIGHUP');
      await until('certificates and tables are reloaded', () => reloads() === before + 2);
    }

    /** A session by openssl, up to the proxy's answer to QUIT; `first` keeps the ticket, else it is offered. */
    async function visit(service: Service, version: string, first: boolean) {
      const ticket = `${site.folder.path}/ticket-${service}${version}`;
      const starttls = service === 'pop3' ? ['-starttls', 'pop3'] : [];
      const session = [first ? '-sess_out' : '-sess_in', ticket];
      const target = ['-connect', `${ADDRESS}:${site.proxy.port(service)}`];
      const { output } = await run(
        ['openssl', 's_client', ...target, ...starttls, version, '-ign_eof', ...session],
        { input: 'QUIT\r\n' },
      );
      assert.match(output, /^\+OK Bye/im);
      const name = /subject=CN = (\S+)/.exec(output)?.[1];
      return { name, resumed: /^Reused, /m.test(output) };
    }

    const WAYS = (['pop3', 'pop3s'] as const).flatMap((service) =>
      ['-tls1_2', '-tls1_3'].map((version) => [service, version] as const),
    );

    test('sessions resume over a reload where nothing has changed', async () => {
      for (const [service, version] of WAYS) {
        assert.deepEqual(await visit(service, version, true), { name: 'ecdsa', resumed: false });
        await reload();
        const { resumed } = await visit(service, version, false);
        assert.equal(resumed, true, `${service} ${version}`);
      }
    });

    test('a new certificate is shown in new handshakes; on Node sessions resume over it', async () => {
      for (const [service, version] of WAYS) await visit(service, version, true);
      useCertificate(site.folder, site.certificates.rsa);
      await reload();
      for (const [service, version] of WAYS) {
        assert.equal((await visit(service, version, false)).resumed, runtime === 'node');
        assert.equal((await visit(service, version, true)).name, 'rsa');
      }
      useCertificate(site.folder, site.certificates.ecdsa);
      await reload();
      assert.equal((await visit('pop3s', '-tls1_3', true)).name, 'ecdsa');
    });

    test('a handshake under way keeps the certificate that it began with, a session goes on', async () => {
      const { ca, rsa, ecdsa } = site.certificates;
      const session = await Pop3Client.connectTls(site.proxy.port('pop3s'), ca, 'mail.test');
      await session.line();
      const begun = await Pop3Client.connect(site.proxy.port('pop3'), ADDRESS);
      await begun.line();
      assert.match(await begun.ask('STLS'), /^\+OK/);
      useCertificate(site.folder, rsa);
      await reload();
      // The name of the first certificate: startTls fails where the server shows another.
      await begun.startTls(ca, 'mail.test');
      for (const client of [session, begun]) {
        assert.match(await client.ask('QUIT'), /^\+OK/);
        client.destroy();
      }
      useCertificate(site.folder, ecdsa);
      await reload();
    });

    test('over a restart sessions resume by the secret on Node, and on Bun it is told that they do not', async () => {
      for (const [service, version] of WAYS) await visit(service, version, true);
      await site.restart();
      for (const [service, version] of WAYS)
        assert.equal((await visit(service, version, false)).resumed, runtime === 'node');
      const told = () => site.proxy.log().filter(({ event }) => event === 'tickets-not-shared').length;
      if (runtime === 'bun') await site.proxy.logged('tickets-not-shared');
      assert.equal(told(), runtime === 'node' ? 0 : 1);
    });
  });
}
