/** Which certificate a client is shown for the name that it asks for, and what ALPN comes to (RFC 7301). */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { run } from '../support/process.ts';
import type { Runtime } from '../support/proxy-process.ts';
import { ADDRESS, type RunningSite, startSite } from '../support/running-site.ts';

for (const runtime of ['bun', 'node'] as const satisfies readonly Runtime[]) {
  describe(`names and protocols, ${runtime}`, () => {
    let site: RunningSite;

    before(async () => {
      site = await startSite({
        source: 'files',
        mailstore: false,
        runtime,
        config: ({ certificates: { ecdsa, rsa } }) => ({
          tls: {
            certificates: [ecdsa, rsa].map(({ certificateFile, keyFile }) => ({
              certificate: certificateFile,
              key: keyFile,
            })),
          },
          // Nobody logs in.
          upstreams: [{ name: 'mailstore', host: ADDRESS, port: 1, login: 'passthrough' }],
        }),
      });
    });
    after(() => site.stop());

    for (const service of ['pop3s', 'pop3'] as const) {
      /** What openssl makes of a session that only says QUIT. */
      async function visit(...args: string[]) {
        const starttls = service === 'pop3' ? ['-starttls', 'pop3'] : [];
        const target = ['-connect', `${ADDRESS}:${site.proxy.port(service)}`, ...starttls];
        const trust = ['-CAfile', site.certificates.caFile];
        const { code, output } = await run(
          ['openssl', 's_client', ...target, ...trust, '-ign_eof', ...args],
          { input: 'QUIT\r\n' },
        );
        return {
          code,
          output,
          certificate: /subject=CN ?= ?(\S+)/.exec(output)?.[1],
          alpn: /^ALPN protocol: (\S+)/m.exec(output)?.[1] ?? null,
          served: /^\+OK Bye\r?$/m.test(output),
        };
      }

      for (const version of ['-tls1_2', '-tls1_3']) {
        test(`${service}, ${version}: a name has its certificate, any other the first`, async () => {
          const shown = async (...name: string[]) => {
            const { certificate, served, output } = await visit(version, ...name);
            assert.ok(served, output);
            return certificate;
          };
          assert.equal(await shown('-servername', 'pop.test', '-verify_hostname', 'pop.test'), 'rsa');
          assert.equal(await shown('-servername', 'POP.test'), 'rsa');
          assert.equal(await shown('-servername', 'a.wild.test'), 'rsa');
          assert.equal(await shown('-servername', 'mail.test', '-verify_hostname', 'mail.test'), 'ecdsa');
          assert.equal(await shown('-servername', 'unknown.test'), 'ecdsa');
          assert.equal(await shown('-servername', 'b.a.wild.test'), 'ecdsa');
          assert.equal(await shown('-noservername'), 'ecdsa');
        });

        test(`${service}, ${version}: pop3 is agreed on, a client of another protocol refused`, async () => {
          for (const [offered, agreed] of [
            ['pop3', 'pop3'],
            ['http/1.1,pop3', 'pop3'],
            [null, null],
          ] as const) {
            const { alpn, served, output } = await visit(
              version,
              ...(offered === null ? [] : ['-alpn', offered]),
            );
            assert.ok(served, output);
            assert.equal(alpn, agreed);
          }
          const { code, alpn, served, output } = await visit(version, '-alpn', 'http/1.1');
          assert.deepEqual([code, alpn, served], [1, null, false], output);
          // The alert is 120.
          assert.match(output, /no application protocol/);
        });
      }
    }

    test('a client that was refused is no fault of the proxy', () => {
      const faults = site.proxy.log().filter(({ level }) => level === 'error');
      assert.deepEqual(faults, []);
    });
  });
}
