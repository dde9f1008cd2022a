import assert from 'node:assert/strict';
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { pickTransport } from '../../src/transport/pick.ts';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';
import { ascii } from './octets.ts';
import { onPair, type Tls } from './probe.ts';

/**
 * Whether the kernel acknowledges at once (TCP_QUICKACK), asked by another process, which gets the socket as its
 * standard input.
 */
function acknowledgesAtOnce(connection: Connection): boolean {
  const { fd } = connection as Connection & { fd: number };
  const script = 'import socket; print(socket.socket(fileno=0).getsockopt(socket.IPPROTO_TCP, 12))';
  const options = { stdio: [fd, 'pipe', 'inherit'] } satisfies ExecFileSyncOptions;
  return execFileSync('python3', ['-c', script], options).toString().trim() === '1';
}

function contexts(transport: Transport): Tls {
  const { ca, ecdsa } = temporaryCertificates();
  return {
    server: transport.serverTls({ ...SERVER_TLS, certificates: [ecdsa], alpn: [] }),
    client: transport.clientTls({ ca, serverName: 'mail.test', verify: true, minVersion: 'TLSv1.2' }),
  };
}

for (const wanted of ['auto', 'node'] as const) {
  for (const [kind, tls] of [
    ['plain', () => null],
    ['TLS', contexts],
  ] as const) {
    test(`what has come is acknowledged at once (${wanted}, ${kind})`, async () => {
      const transport = await pickTransport(wanted);
      await onPair(transport, tls(transport), async (client, server) => {
        // An answer soon after what it answers: from then on the kernel waits for the next one to acknowledge with.
        for (let turn = 1; turn <= 40 && acknowledgesAtOnce(server.connection); turn++) {
          client.call((connection) => connection.write(ascii('ask')));
          await server.when(() => server.text.length === 3 * turn, 'the question');
          server.call((connection) => connection.write(ascii('yes')));
          await client.when(() => client.text.length === 3 * turn, 'the answer');
        }
        assert.equal(acknowledgesAtOnce(server.connection), false);
        transport.acknowledge(server.connection);
        assert.equal(acknowledgesAtOnce(server.connection), true);
      });
    });
  }

  test(`of a connection that is gone nothing is asked (${wanted})`, async () => {
    const transport = await pickTransport(wanted);
    await onPair(transport, null, async (client) => {
      client.call((connection) => connection.destroy());
      transport.acknowledge(client.connection);
      await client.until('closed');
      transport.acknowledge(client.connection);
    });
  });
}
