/** The cases about sessions that resume by a ticket. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ServerTlsOptions, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, type TestCertificates, temporaryFolder } from '../support/tls.ts';
import { python } from './peers.ts';
import type { Stage } from './probe.ts';
import { onStlsServer, onTlsServer, sClient } from './s-client.ts';

/** A client that comes back: each connection offers the session of the last. Prints how many of them resumed. */
const COMES_BACK = `
version, mode, times = sys.argv[2:5]
c = trusting()
c.minimum_version = c.maximum_version = ssl.TLSVersion[version]
session, resumed = None, 0
for i in range(int(times)):
    s = connect()
    if mode == 'stls':
        line(s); s.sendall(b'STLS\\r\\n'); line(s)
    t = c.wrap_socket(s, session=session, server_hostname='mail.test')
    line(t)
    resumed += t.session_reused
    session = t.session
    t.close()
print(resumed)`;

const TIMES = 40;

export function resumptionCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ecdsa, rsa } = certificates;
  const make = (options: Partial<ServerTlsOptions> = {}) =>
    transport.serverTls({ ...SERVER_TLS, certificates: [ecdsa, rsa], ...options });
  const secret = (octet: number) => ({ ...SERVER_TLS.sessions, secret: new Uint8Array(32).fill(octet) });
  const folder = temporaryFolder();

  for (const [version, option] of [
    ['TLSv1_2', '-tls1_2'],
    ['TLSv1_3', '-tls1_3'],
  ] as const) {
    for (const mode of ['implicit', 'stls'] as const) {
      test(name(`a client that comes back resumes every time, ${mode}, ${version}`), async () => {
        const tls = make();
        const on = mode === 'stls' ? onStlsServer : onTlsServer;
        await on(
          transport,
          () => tls,
          async (stage) => {
            const { output } = await python(COMES_BACK, stage.listener.port, version, mode, TIMES);
            assert.equal(output, `${TIMES - 1}\n`);
            const told = stage.servers.filter(({ connection }) => connection.tls?.resumed);
            assert.equal(told.length, TIMES - 1);
          },
        );
      });
    }

    /** Whether a session of one server's context resumes at the other's. */
    const passes = async (from: ServerTlsOptions, to: ServerTlsOptions): Promise<boolean> => {
      const ticket = join(folder, `${transport.name}${option}`);
      let tls = transport.serverTls(from);
      let reused = false;
      const body = async (stage: Stage) => {
        assert.match(await sClient(stage, option, '-sess_out', ticket), /^New, TLSv1/m);
        tls = transport.serverTls(to);
        const output = await sClient(stage, option, '-sess_in', ticket);
        reused = /^Reused, TLSv1/m.test(output);
        assert.match(output, /\+OK secured/);
      };
      await onTlsServer(transport, () => tls, body);
      return reused;
    };

    test(name(`sessions resume where the secret is known, and nowhere else, ${version}`), async () => {
      const base: ServerTlsOptions = { ...SERVER_TLS, certificates: [ecdsa] };
      const one = { ...base, sessions: secret(1) };
      // Bun's contexts keep their tickets' keys to themselves.
      assert.equal(await passes(one, one), transport.sharesTickets);
      // A renewed certificate is no hindrance.
      assert.equal(await passes(one, { ...one, certificates: [rsa] }), transport.sharesTickets);
      assert.equal(await passes(one, { ...base, sessions: secret(2) }), false);
      assert.equal(await passes(one, { ...one, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }), false);
      assert.equal(await passes(one, { ...one, clientCa: certificates.ca }), false);
    });

    test(name(`a session resumes whatever name comes with it or before it, ${version}`), async () => {
      const tls = make();
      await onTlsServer(
        transport,
        () => tls,
        async (stage) => {
          for (const args of [['-servername', 'mail.test'], ['-servername', 'pop.test'], ['-noservername']]) {
            const ticket = join(folder, `${transport.name}${option}${args.join('')}`);
            assert.match(await sClient(stage, option, '-sess_out', ticket, ...args), /^New, /m);
            assert.match(await sClient(stage, option, '-sess_in', ticket, ...args), /^Reused, /m);
          }
        },
      );
    });

    test(name(`a ticket says how long it lives, ${version}`), async () => {
      const tls = make({ sessions: { lifetime: 600, secret: null } });
      await onTlsServer(
        transport,
        () => tls,
        async (stage) => {
          const began = performance.now();
          const said = await sClient(stage, option);
          const passed = Math.floor((performance.now() - began) / 1000) + 1;
          const seconds = Number(/ticket lifetime hint: (\d+) \(seconds\)/.exec(said)?.[1]);
          // Counted from the session's first second on, which the handshake may have left behind.
          assert.ok(seconds >= 600 - passed && seconds <= 600, said);
        },
      );
    });
  }
}
