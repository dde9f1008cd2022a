/** The cases about how a connection goes: resets, refusals, destroy at any time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { ascii } from './octets.ts';
import { python, silentPort } from './peers.ts';
import { onPair, onStage, Probe, type Tls } from './probe.ts';

const MORE_THAN_BUFFERS = 16 * 1_048_576;
const A_WHILE = 50;
/** The kernel refuses by itself to connect to all the world. */
const NO_WAY = '255.255.255.255';

/** Reset peers of all kinds; each script ends by resetting the connection. */
const RESETS = [
  ['at rest', 'reset(s)', () => {}],
  [
    'while octets are queued',
    's.recv(1); reset(s)',
    (probe) => probe.connection.write(new Uint8Array(MORE_THAN_BUFFERS)),
  ],
  ['while paused', 'time.sleep(0.05); reset(s)', (probe) => probe.connection.pause()],
  ['after end()', 'everything(s); reset(s)', (probe) => probe.connection.end()],
] as const satisfies readonly (readonly [string, string, (probe: Probe) => void])[];

export function closingCases(transport: Transport, secure: () => Tls): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const kinds = [
    ['plain', () => null, 's = connect()'],
    ['TLS', secure, 's = trusting().wrap_socket(connect())'],
  ] as const;

  for (const [kind, tls, connect] of kinds) {
    for (const [when, script, act] of RESETS) {
      test(name(`a peer's reset ${when} closes once, with its kind, ${kind}`), async () => {
        const accept = {
          accept: (connection: Probe['connection']) => tls() && connection.startTls(tls()!.server),
        };
        await onStage(transport, accept, async (stage) => {
          const peer = python(`${connect}\ntime.sleep(0.1)\n${script}`, stage.listener.port);
          const server = await stage.accepted();
          if (tls() !== null) await server.until('secured');
          server.call(() => act(server));
          await server.until('closed');
          assert.equal(server.error?.kind, 'reset');
          assert.equal(server.count('ended'), 0);
          assert.equal((await peer).code, 0);
          assert.equal(server.connection.write(ascii('too late')), true);
          assert.equal(server.connection.queued, 0);
        });
      });
    }

    test(name(`writing to a peer that has closed ends in one loss, ${kind}`), async () => {
      await onPair(transport, tls(), async (client, server) => {
        server.call((connection) => connection.destroy());
        await server.until('closed');
        assert.equal(server.error, null);
        const write = () => client.call((connection) => connection.write(ascii('anybody there?')));
        const timer = setInterval(write, 5);
        await client.until('closed').finally(() => clearInterval(timer));
        assert.equal(client.error?.kind, 'reset');
      });
    });

    test(name(`destroy() drops what is queued and lets nothing come any more, ${kind}`), async () => {
      await onPair(transport, tls(), async (client, server) => {
        client.call((connection) => {
          connection.write(new Uint8Array(MORE_THAN_BUFFERS));
          connection.destroy();
          connection.destroy();
          assert.equal(connection.queued, 0);
        });
        server.call((connection) => connection.write(ascii('more')));
        await client.until('closed');
        assert.deepEqual(
          client.events.filter((event) => event !== 'opened' && event !== 'secured'),
          ['closed'],
        );
        assert.equal(client.error, null);
        assert.ok(server.octets < MORE_THAN_BUFFERS);
      });
    });

    test(name(`destroy() from inside a handler is heard after it, ${kind}`), async () => {
      await onPair(transport, tls(), async (client, server) => {
        client.reactions.received = (connection) => connection.destroy();
        server.call((connection) => connection.write(ascii('go away')));
        await client.until('closed');
        assert.equal(client.error, null);
      });
    });
  }

  test(name('a port where nobody listens refuses'), async () => {
    await onStage(transport, {}, async (stage) => {
      await stage.listener.close();
      const client = stage.connect();
      await client.until('closed');
      assert.deepEqual(client.events, ['closed']);
      assert.equal(client.error?.kind, 'refused');
    });
  });

  test(name('an address that there is no way to is told of when connect() has returned'), async () => {
    const probe = new Probe();
    const options = { address: NO_WAY, port: 1, handler: probe, context: null };
    let connection: Connection | null = null;
    let early = false;
    probe.reactions.closed = () => {
      early = connection === null;
    };
    connection = transport.connect(options);
    await probe.until('closed');
    assert.deepEqual([probe.events, early], [['closed'], false]);
    assert.notEqual(probe.error, null);
  });

  test(name('destroy() while connecting closes at once, without a word of the rest'), async () => {
    await onStage(transport, {}, async (stage) => {
      const client = stage.connect();
      client.call((connection) => connection.destroy());
      await client.until('closed');
      await sleep(A_WHILE);
      assert.deepEqual(client.events, ['closed']);
      assert.equal(client.error, null);
    });
  });

  test(name('destroy() of a connection that nobody answers closes at once'), async () => {
    const probe = new Probe();
    const silent = await silentPort();
    probe.connection = transport.connect({
      address: '127.0.0.1',
      port: silent.port,
      handler: probe,
      context: null,
    });
    await sleep(A_WHILE);
    assert.deepEqual(probe.events, []);
    probe.call((connection) => connection.destroy());
    await probe.until('closed');
    assert.equal(probe.error, null);
    silent.stop();
  });

  test(name('what is asked of a connection before it stands is done when it does'), async () => {
    await onStage(transport, {}, async (stage) => {
      const client = stage.connect();
      client.call((connection) => {
        connection.write(ascii('early'));
        connection.end();
      });
      const server = await stage.accepted();
      await server.until('ended');
      assert.equal(server.text, 'early');
      server.call((connection) => connection.end());
      await Promise.all([server.until('closed'), client.until('closed')]);
      assert.deepEqual([client.error, server.error], [null, null]);
    });
  });

  test(name('paused as it is accepted, a connection hears nothing until resume()'), async () => {
    await onStage(transport, { accept: (connection) => connection.pause() }, async (stage) => {
      const client = stage.connect();
      client.call((connection) => connection.write(ascii('early')));
      const server = await stage.accepted();
      await sleep(A_WHILE);
      assert.deepEqual(server.events, []);
      server.call((connection) => connection.resume());
      await server.until('received');
    });
  });

  test(name('handlers and context may be swapped between events'), async () => {
    await onPair(transport, null, async (client, server) => {
      const second = new Probe();
      second.connection = server.connection;
      server.reactions.received = (connection) => {
        connection.handler = second;
      };
      client.call((connection) => connection.write(ascii('one')));
      await server.until('received');
      client.call((connection) => connection.write(ascii('two')));
      await second.until('received');
      assert.deepEqual([server.text, second.text], ['one', 'two']);
      second.connection.handler = server;
    });
  });
}
