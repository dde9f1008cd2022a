/** The memory transport keeps the same rules, as far as they can be kept without a kernel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryTransport } from '../../src/transport/memory.ts';
import type { Connection } from '../../src/transport/transport.ts';
import { turns } from '../support/clock.ts';
import { SERVER_TLS } from '../support/tls.ts';
import { ascii } from './octets.ts';
import { onPair, onStage, Probe, type Tls } from './probe.ts';
import { streamCases } from './streams.ts';

const MIB = 1_048_576;
const WINDOW = 65_536;

const transport = memoryTransport(WINDOW);
const unused = { certificate: '', key: '' };
const tls: NonNullable<Tls> = {
  server: transport.serverTls({ ...SERVER_TLS, certificates: [unused], alpn: [] }),
  client: transport.clientTls({ ca: null, serverName: 'mail.test', verify: true, minVersion: 'TLSv1.2' }),
};
const options = { volume: 4 * MIB, inFlight: WINDOW + 200_000 };

streamCases(transport, () => null, 'plain', options);
streamCases(transport, () => tls, 'TLS', options);

test('memory: the window is what a reader that stops leaves to the writer', async () => {
  await onPair(memoryTransport(10), null, async (client, server) => {
    server.call((connection) => connection.pause());
    client.call((connection) => {
      assert.equal(connection.write(ascii('0123456789')), true);
      assert.equal(connection.write(ascii('abc')), false);
      assert.equal(connection.queued, 3);
    });
    server.call((connection) => connection.resume());
    await client.until('drained');
    await server.untilOctets(13);
    assert.equal(server.text, '0123456789abc');
  });
});

test('memory: a second listener on a port is refused, and a port where nobody listens refuses', async () => {
  await onStage(transport, {}, async (stage) => {
    const { port } = stage.listener;
    await assert.rejects(transport.listen({ address: '127.0.0.1', port, accept: () => {} }), {
      code: 'EADDRINUSE',
    });
    await stage.listener.close();
    const client = stage.connect();
    await client.until('closed');
    assert.equal(client.error?.kind, 'refused');
  });
});

test('memory: a silent port neither connects nor fails until destroy()', async () => {
  const probe = new Probe();
  transport.silentPorts.add(9);
  probe.connection = transport.connect({ address: '127.0.0.1', port: 9, handler: probe, context: null });
  await turns();
  assert.deepEqual(probe.events, []);
  probe.call((connection) => connection.destroy());
  await probe.until('closed');
  assert.deepEqual([probe.events, probe.error], [['closed'], null]);
});

test('memory: abort() resets the far end', async () => {
  await onPair(transport, null, async (client, server) => {
    client.call((connection) => transport.abort(connection));
    await Promise.all([client.until('closed'), server.until('closed')]);
    assert.deepEqual([client.error, server.error?.kind], [null, 'reset']);
  });
});

test('memory: destroy() ends the far end, and resets it where octets were unread or are written', async () => {
  await onPair(transport, null, async (client, server) => {
    client.call((connection) => connection.destroy());
    await server.until('ended');
    server.call((connection) => connection.write(ascii('anybody there?')));
    await server.until('closed');
    assert.equal(server.error?.kind, 'reset');
  });
  await onPair(transport, null, async (client, server) => {
    client.call((connection) => connection.pause());
    server.call((connection) => connection.write(ascii('unread')));
    await turns();
    client.call((connection) => connection.destroy());
    await server.until('closed');
    assert.equal(server.error?.kind, 'reset');
  });
});

test('memory: startTls on both sides makes a session; plaintext instead fails it', async () => {
  const accept = (connection: Connection) => connection.startTls(tls.server);
  await onPair(transport, tls, async (client, server) => {
    const session = {
      version: 'TLSv1.3',
      cipher: 'none (memory)',
      alpn: null,
      serverName: 'mail.test',
      resumed: false,
      peer: null,
      distrusted: null,
    };
    assert.deepEqual([client.connection.tls, server.connection.tls], [session, session]);
  });
  await onStage(transport, { accept }, async (stage) => {
    const client = stage.connect();
    client.call((connection) => connection.write(ascii('USER mary\r\n')));
    const server = await stage.accepted();
    await server.until('closed');
    assert.deepEqual([server.error?.kind, server.octets], ['tls', 0]);
  });
});

test('memory: an introduced connection has the addresses told; octets in front of a handshake fail it', async () => {
  const ends = { remote: { address: '192.0.2.7', port: 4711 }, local: { address: '192.0.2.1', port: 995 } };
  await onPair(transport, null, async (client, server) => {
    client.call((connection) => connection.write(ascii('header, and more')));
    await server.until('received');
    server.call((connection) => connection.introduced('header'.length, ends));
    const { remoteAddress, remotePort, localAddress, localPort, octetsIn } = server.connection;
    assert.deepEqual(
      [remoteAddress, remotePort, localAddress, localPort],
      ['192.0.2.7', 4711, '192.0.2.1', 995],
    );
    assert.equal(octetsIn, ', and more'.length);
    server.call((connection) => connection.startTls(tls.server, ascii(', and more')));
    await server.until('closed');
    assert.deepEqual([server.error?.kind, server.count('secured')], ['tls', 0]);
  });
});

test('memory: octets written before startTls arrive before it, octets written behind it inside', async () => {
  const accept = (connection: Connection) => {
    connection.write(new Uint8Array(3 * WINDOW).fill(0x2b));
    connection.startTls(tls.server);
    connection.write(ascii('inside'));
  };
  await onStage(transport, { accept }, async (stage) => {
    const client = stage.connect();
    client.reactions.received = (connection) => {
      if (client.octets === 3 * WINDOW) connection.startTls(tls.client);
    };
    await client.untilOctets(3 * WINDOW + 6);
    assert.equal(client.count('secured'), 1);
  });
});

test('memory: keepalive is noted for whoever asks', async () => {
  const keepAlive = { idle: 60, interval: 10, count: 5, userTimeout: 90 };
  await onStage(transport, { keepAlive }, async (stage) => {
    const client = stage.connect();
    const server = await stage.accepted();
    assert.deepEqual(transport.keepAliveOf(server.connection), keepAlive);
    assert.equal(transport.keepAliveOf(client.connection), undefined);
    transport.keepAlive(client.connection, { ...keepAlive, idle: 1 });
    assert.equal(transport.keepAliveOf(client.connection)?.idle, 1);
  });
});
