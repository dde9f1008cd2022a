/** The cases about the sockets themselves: addresses, ports, descriptors. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '../../src/transport/transport.ts';
import { ascii } from './octets.ts';
import { onPair, onStage, type Stage, type Tls } from './probe.ts';

const ROUNDS = 2_000;
const AT_ONCE = 50;

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** A word there and back; both ends say goodbye. */
async function shortSession(stage: Stage, tls: Tls): Promise<void> {
  const client = stage.connect((probe) => {
    const greet = () => probe.connection.write(ascii('hello'));
    probe.reactions.opened = (connection) => (tls === null ? greet() : connection.startTls(tls.client));
    probe.reactions.secured = greet;
    probe.reactions.received = (connection) => connection.end();
    probe.reactions.ended = (connection) => connection.end();
  });
  await client.until('closed');
  assert.deepEqual([client.error, client.text], [null, 'hello']);
}

export function socketCases(transport: Transport, secure: () => Tls): void {
  const name = (text: string) => `${transport.name}: ${text}`;

  test(name('addresses and ports are told on both sides, after the close too'), async () => {
    await onPair(transport, null, async (client, server) => {
      const ends = () => [client.connection, server.connection] as const;
      const [near, far] = ends();
      assert.deepEqual([near.remoteAddress, near.localAddress], ['127.0.0.1', '127.0.0.1']);
      assert.deepEqual([near.remotePort, near.localPort], [far.localPort, far.remotePort]);
      client.call((connection) => connection.destroy());
      await Promise.all([client.until('closed'), server.when(() => server.events.length > 0, 'anything')]);
      assert.equal(ends()[0].remoteAddress, '127.0.0.1');
    });
  });

  test(name("a listener on '::' takes IPv4 and shows it as IPv4"), async () => {
    await onStage(transport, { address: '::' }, async (stage) => {
      stage.connect();
      const server = await stage.accepted();
      assert.equal(server.connection.remoteAddress, '127.0.0.1');
      assert.equal(server.connection.localAddress, '127.0.0.1');
      assert.equal(stage.listener.address, '::');
    });
  });

  test(name('a port is shared only where both ask for it'), async () => {
    await onStage(transport, {}, async (stage) => {
      const options = { address: '127.0.0.1', port: stage.listener.port, accept: () => {} };
      await assert.rejects(transport.listen(options), { code: 'EADDRINUSE' });
      await assert.rejects(transport.listen({ ...options, reusePort: true }), { code: 'EADDRINUSE' });
    });
    await onStage(transport, { reusePort: true }, async (stage) => {
      const options = { address: '127.0.0.1', port: stage.listener.port, accept: () => {} };
      await assert.rejects(transport.listen(options), { code: 'EADDRINUSE' });
      await (await transport.listen({ ...options, reusePort: true })).close();
    });
  });

  test(name('an address that is not ours cannot be listened on'), async () => {
    const options = { address: '192.0.2.1', port: 0, accept: () => {} };
    await assert.rejects(transport.listen(options), { code: 'EADDRNOTAVAIL' });
  });

  test(name('a closed listener frees the port and leaves its connections alone'), async () => {
    await onStage(transport, {}, async (stage) => {
      const client = stage.connect();
      const server = await stage.accepted();
      await client.until('opened');
      await stage.listener.close();
      const { port } = stage.listener;
      const second = await transport.listen({ address: '127.0.0.1', port, accept: () => {} });
      await second.close();
      client.call((connection) => connection.write(ascii('still here')));
      await server.until('received');
    });
  });

  for (const [kind, tls] of [
    ['plain', () => null],
    ['TLS', secure],
  ] as const) {
    test(name(`${ROUNDS} short connections leave no descriptor behind, ${kind}`), async () => {
      const before = descriptors();
      const options: Parameters<typeof onStage>[1] = {
        accept: (connection) => tls() && connection.startTls(tls()!.server),
        prepare: (server) => {
          server.reactions.received = (connection, octets) => connection.write(octets);
          server.reactions.ended = (connection) => connection.end();
        },
      };
      await onStage(transport, options, async (stage) => {
        for (let round = 0; round < ROUNDS; round += AT_ONCE) {
          await Promise.all(Array.from({ length: AT_ONCE }, () => shortSession(stage, tls())));
        }
        await Promise.all(stage.servers.map((server) => server.until('closed')));
        assert.equal(stage.servers.length, ROUNDS);
        assert.ok(stage.servers.every((server) => server.error === null));
      });
      for (let tries = 0; descriptors() > before && tries < 1_000; tries++) await sleep(10);
      assert.ok(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
    });
  }
}
