import assert from 'node:assert/strict';
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { pickTransport } from '../../src/transport/pick.ts';
import type { Connection, KeepAlive, Transport } from '../../src/transport/transport.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';
import { onPair, onStage, type Tls } from './probe.ts';

const settings: KeepAlive = { idle: 61, interval: 11, count: 4, userTimeout: 93 };

/** Descriptors are none of the interface's business, but every connection on real sockets has one. */
function descriptorOf(connection: Connection): number {
  const { fd } = connection as Connection & { fd: number };
  assert.ok(fd > 0);
  return fd;
}

/** The options as the kernel tells them to another process, which gets the socket as its standard input. */
function optionsOf(connection: Connection): Record<string, number> {
  const script = `
import socket, json
s = socket.socket(fileno=0)
names = ['SO_KEEPALIVE', 'TCP_KEEPIDLE', 'TCP_KEEPINTVL', 'TCP_KEEPCNT', 'TCP_USER_TIMEOUT', 'TCP_NODELAY']
level = lambda n: socket.SOL_SOCKET if n[0] == 'S' else socket.IPPROTO_TCP
print(json.dumps({n: s.getsockopt(level(n), getattr(socket, n)) for n in names}))`;
  const options = { stdio: [descriptorOf(connection), 'pipe', 'inherit'] } satisfies ExecFileSyncOptions;
  return JSON.parse(execFileSync('python3', ['-c', script], options).toString());
}

const asked = {
  SO_KEEPALIVE: 1,
  TCP_KEEPIDLE: 61,
  TCP_KEEPINTVL: 11,
  TCP_KEEPCNT: 4,
  TCP_USER_TIMEOUT: 93_000,
  TCP_NODELAY: 1,
};

function contexts(transport: Transport): Tls {
  const { ca, ecdsa } = temporaryCertificates();
  const minVersion = 'TLSv1.2';
  return {
    server: transport.serverTls({ ...SERVER_TLS, certificates: [ecdsa], alpn: [] }),
    client: transport.clientTls({ ca, serverName: 'mail.test', verify: true, minVersion }),
  };
}

for (const wanted of ['auto', 'node'] as const) {
  test(`keepalive set on a listener is every accepted connection's (${wanted})`, async () => {
    const transport = await pickTransport(wanted);
    await onStage(transport, { keepAlive: settings }, async (stage) => {
      const client = stage.connect();
      const server = await stage.accepted();
      await client.until('opened');
      assert.deepEqual(optionsOf(server.connection), asked);
      const own = optionsOf(client.connection);
      assert.deepEqual([own.SO_KEEPALIVE, own.TCP_USER_TIMEOUT, own.TCP_NODELAY], [0, 0, 1]);
    });
  });

  for (const [kind, tls] of [
    ['plain', () => null],
    ['TLS', contexts],
  ] as const) {
    test(`keepalive for one connection, and for one that is gone (${wanted}, ${kind})`, async () => {
      const transport = await pickTransport(wanted);
      await onPair(transport, tls(transport), async (client, server) => {
        transport.keepAlive(client.connection, settings);
        assert.deepEqual(optionsOf(client.connection), asked);
        assert.equal(optionsOf(server.connection).SO_KEEPALIVE, 0);
        client.call((connection) => connection.destroy());
        transport.keepAlive(client.connection, settings);
        await client.until('closed');
        transport.keepAlive(client.connection, settings);
      });
    });
  }
}

test('the transport is that of the runtime, or the one asked for', async () => {
  const bun = process.versions.bun !== undefined;
  assert.equal((await pickTransport()).name, bun ? 'bun' : 'node');
  assert.equal((await pickTransport('node')).name, 'node');
});
