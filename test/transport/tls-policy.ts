/** The cases about versions, ciphers and what a client may ask for behind the handshake. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { ServerTlsOptions, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, type TestCertificates } from '../support/tls.ts';
import { run } from './peers.ts';
import type { Stage } from './probe.ts';
import { onTlsServer, sClient } from './s-client.ts';

const AES_128 = 'ECDHE-ECDSA-AES128-GCM-SHA256';
const AES_256 = 'ECDHE-ECDSA-AES256-GCM-SHA384';
const CBC = 'ECDHE-ECDSA-AES128-SHA';
const NO_EXCHANGE = 'AES128-SHA';

export function tlsPolicyCases(transport: Transport, certificates: TestCertificates): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const { ecdsa, rsa } = certificates;
  const onServer = (options: Partial<ServerTlsOptions>, body: (stage: Stage) => Promise<void>) => {
    const tls = transport.serverTls({ ...SERVER_TLS, certificates: [ecdsa, rsa], ...options });
    return onTlsServer(transport, () => tls, body);
  };
  const cipher = async (stage: Stage, ...args: string[]) =>
    /^New, (?:TLS|SSL)\S*, Cipher is (\S+)/m.exec(await sClient(stage, ...args))?.[1] ?? 'no answer';

  test(name('an older version than the least is refused'), async () => {
    await onServer({ minVersion: 'TLSv1.3' }, async (stage) => {
      await sClient(stage, '-tls1_2');
      assert.equal(stage.servers[0]!.error?.kind, 'tls');
      assert.match(await cipher(stage, '-tls1_3'), /^TLS_/);
    });
    await onServer({}, async (stage) => {
      await sClient(stage, '-tls1_1', '-cipher', 'ALL@SECLEVEL=0');
      assert.equal(stage.servers[0]!.error?.kind, 'tls');
      assert.equal(await cipher(stage, '-tls1_2', '-cipher', AES_128), AES_128);
    });
  });

  test(name('old clients get in where they are let in, and new ones lose nothing by it'), async () => {
    await onServer({ minVersion: 'TLSv1' }, async (stage) => {
      for (const version of ['-tls1', '-tls1_1']) {
        assert.equal(await cipher(stage, version, '-cipher', 'ALL@SECLEVEL=0'), CBC);
        // Without elliptic curves.
        const old = [version, '-cipher', `${NO_EXCHANGE}@SECLEVEL=0`, '-servername', 'pop.test'];
        assert.equal(await cipher(stage, ...old), NO_EXCHANGE);
      }
      assert.match(await cipher(stage, '-tls1_3'), /^TLS_/);
      assert.equal(await cipher(stage, '-tls1_2'), AES_128);
    });
  });

  test(name('by default there is neither CBC nor an exchange of keys by RSA'), async () => {
    await onServer({}, async (stage) => {
      for (const weak of [CBC, NO_EXCHANGE, 'ECDHE-RSA-AES256-SHA384', 'AES256-GCM-SHA384']) {
        await sClient(stage, '-tls1_2', '-cipher', weak, '-servername', 'pop.test');
        assert.equal(stage.servers.at(-1)!.error?.kind, 'tls', weak);
      }
      assert.equal(
        await cipher(stage, '-tls1_2', '-cipher', 'ECDHE-RSA-CHACHA20-POLY1305', '-servername', 'pop.test'),
        'ECDHE-RSA-CHACHA20-POLY1305',
      );
    });
  });

  test(name('the ciphers are those asked for, and TLS 1.3 stays'), async () => {
    await onServer({ ciphers: AES_256 }, async (stage) => {
      assert.equal(await cipher(stage, '-tls1_2'), AES_256);
      assert.match(await cipher(stage), /^TLS_/);
      await sClient(stage, '-tls1_2', '-cipher', AES_128);
      const [served, modern, refused] = stage.servers;
      assert.deepEqual(
        [served!.connection.tls?.cipher, served!.connection.tls?.version],
        [AES_256, 'TLSv1.2'],
      );
      assert.equal(modern!.connection.tls?.version, 'TLSv1.3');
      assert.equal(refused!.error?.kind, 'tls');
    });
  });

  test(name('keys are exchanged by ML-KEM with X25519 where the client knows nothing else'), async () => {
    await onServer({}, async (stage) => {
      const { port } = stage.listener;
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false } as const;
      const client = connect({ ...options, ecdhCurve: 'X25519MLKEM768', minVersion: 'TLSv1.3' });
      client.resume();
      client.once('secureConnect', () => client.end());
      await once(client, 'close');
      assert.equal(stage.servers[0]!.connection.tls?.version, 'TLSv1.3');
    });
  });

  test(name("the server's order decides, or the client's"), async () => {
    const client = ['-tls1_2', '-cipher', `${AES_256}:${AES_128}`];
    for (const [ciphers, preference, chosen] of [
      [null, 'server', AES_128],
      [null, 'client', AES_256],
      [`${AES_128}:${AES_256}`, 'server', AES_128],
      [`${AES_256}:${AES_128}`, 'server', AES_256],
      [`${AES_128}:${AES_256}`, 'client', AES_256],
    ] as const) {
      await onServer({ ciphers, cipherPreference: preference }, async (stage) => {
        assert.equal(await cipher(stage, ...client), chosen);
      });
    }
  });

  test(name('a client that wants to renegotiate is refused, TLS 1.2'), async () => {
    await onServer({}, async (stage) => {
      const args = ['s_client', '-connect', `127.0.0.1:${stage.listener.port}`, '-tls1_2'];
      const { output } = await run('openssl', args, 'R\n', /\+OK secured/);
      assert.match(output, /RENEGOTIATING\n.*no renegotiation/s);
      assert.doesNotMatch(output, /RENEGOTIATING\n.*verify return/s);
      assert.equal(stage.servers[0]!.count('secured'), 1);
    });
  });
}
