/** The cases about octets and their order: half-close, back-pressure, volume. They hold with TLS as without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '../../src/transport/transport.ts';
import { ascii, digestOf, longestWrite, Pump } from './octets.ts';
import { onPair, type Probe, type Tls } from './probe.ts';

const MIB = 1_048_576;

/** More than the kernel's buffers of both sides together take. */
const MORE_THAN_BUFFERS = 16 * MIB;

/** Long enough that something would have come, had it been going to. */
const A_WHILE = 60;

export type StreamOptions = {
  /** How much goes each way in the case on volume. */
  volume: number;
  /** The most that may be in flight when nobody reads: the buffers between the two ends. */
  inFlight: number;
};

/** Lets `from` send `total` octets and half-close, and `to` close as well once it has seen the end. */
function sendAll(from: Probe, total: number): Pump {
  const pump = new Pump(from, total, () => from.connection.end());
  from.call(() => pump.run());
  return pump;
}

export function streamCases(
  transport: Transport,
  secure: () => Tls,
  label: string,
  options: StreamOptions,
): void {
  const pair = (body: (client: Probe, server: Probe) => Promise<void>) => onPair(transport, secure(), body);
  const name = (text: string) => `${transport.name}, ${label}: ${text}`;

  for (const first of ['client', 'server'] as const) {
    test(
      name(`after the ${first} has half-closed, octets still come the other way, to the last`),
      async () => {
        await pair(async (client, server) => {
          const [early, late] = first === 'client' ? [client, server] : [server, client];
          early.call((connection) => {
            connection.write(ascii('last words'));
            connection.end();
          });
          await late.until('ended');
          assert.equal(late.text, 'last words');
          await sleep(A_WHILE);
          sendAll(late, 2 * MIB);
          await Promise.all([early.until('closed'), late.until('closed')]);
          assert.equal(early.digest(), digestOf(2 * MIB));
          assert.deepEqual([early.count('ended'), late.count('ended')], [1, 1]);
          assert.deepEqual([early.error, late.error], [null, null]);
        });
      },
    );
  }

  test(name('end() with much unsent loses nothing while the peer still sends'), async () => {
    await pair(async (client, server) => {
      server.call((connection) => connection.pause());
      const block = new Uint8Array(MORE_THAN_BUFFERS).fill(7);
      client.call((connection) => {
        assert.equal(connection.write(block), false);
        connection.end();
        assert.ok(connection.queued > 0);
      });
      const pump = sendAll(server, MORE_THAN_BUFFERS);
      await sleep(A_WHILE);
      server.call((connection) => connection.resume());
      await Promise.all([client.until('closed'), server.until('closed')]);
      assert.equal(server.octets, MORE_THAN_BUFFERS);
      assert.equal(client.octets, pump.written);
      assert.equal(client.digest(), digestOf(MORE_THAN_BUFFERS));
      assert.deepEqual([client.error, server.error], [null, null]);
    });
  });

  test(name('end() with much unsent loses nothing where the peer has ended before'), async () => {
    await pair(async (client, server) => {
      client.reactions.ended = (connection) => {
        connection.write(new Uint8Array(MORE_THAN_BUFFERS));
        connection.end();
        assert.ok(connection.queued > 0);
      };
      server.call((connection) => connection.end());
      await Promise.all([client.until('closed'), server.until('closed')]);
      assert.equal(server.octets, MORE_THAN_BUFFERS);
      assert.deepEqual([client.error, server.error], [null, null]);
    });
  });

  test(name('a write in the ended handler that is taken in part does not bring `ended` again'), async () => {
    await pair(async (client, server) => {
      client.reactions.ended = () => new Pump(client, MORE_THAN_BUFFERS, () => client.connection.end()).run();
      server.call((connection) => {
        connection.pause();
        connection.end();
      });
      await client.until('ended');
      await sleep(A_WHILE);
      assert.ok(client.connection.queued > 0);
      server.call((connection) => connection.resume());
      await Promise.all([client.until('closed'), server.until('closed')]);
      assert.equal(client.count('ended'), 1);
      assert.equal(server.digest(), digestOf(MORE_THAN_BUFFERS));
    });
  });

  test(name('a reader that stops keeps the writer from queueing'), async () => {
    await pair(async (client, server) => {
      server.call((connection) => connection.pause());
      const pump = sendAll(client, 2 * MORE_THAN_BUFFERS);
      await sleep(A_WHILE);
      assert.ok(pump.highest <= longestWrite, `${pump.highest} octets were queued`);
      assert.ok(pump.written <= options.inFlight, `${pump.written} octets were taken from the writer`);
      server.call((connection) => connection.resume());
      await server.until('ended');
      assert.ok(pump.highest <= longestWrite, `${pump.highest} octets were queued`);
      assert.equal(server.digest(), digestOf(2 * MORE_THAN_BUFFERS));
      assert.equal(client.connection.queued, 0);
    });
  });

  test(name('nothing is received while paused, and everything after it, the end last'), async () => {
    await pair(async (client, server) => {
      server.reactions.received = (connection) => {
        connection.pause();
        server.reactions.received = () => {};
      };
      sendAll(client, MIB);
      await server.until('received');
      const before = server.octets;
      await sleep(A_WHILE);
      assert.equal(server.octets, before);
      assert.equal(server.count('ended'), 0);
      server.call((connection) => connection.resume());
      await server.until('ended');
      assert.equal(server.digest(), digestOf(MIB));
      assert.equal(server.connection.octetsIn, MIB);
      assert.equal(client.connection.octetsOut, MIB);
    });
  });

  test(name('pausing at each turn loses no octet'), async () => {
    await pair(async (client, server) => {
      server.reactions.received = (connection) => {
        connection.pause();
        queueMicrotask(() => connection.resume());
      };
      sendAll(client, MIB);
      await server.until('ended');
      assert.equal(server.digest(), digestOf(MIB));
    });
  });

  test(name('an end that comes while paused is told after resume()'), async () => {
    await pair(async (client, server) => {
      server.call((connection) => connection.pause());
      client.call((connection) => connection.end());
      await sleep(A_WHILE);
      assert.equal(server.count('ended'), 0);
      server.call((connection) => connection.resume());
      await server.until('ended');
    });
  });

  test(name(`${options.volume / MIB} MiB both ways at once arrive octet by octet`), async () => {
    await pair(async (client, server) => {
      sendAll(client, options.volume);
      sendAll(server, options.volume);
      await Promise.all([client.until('closed'), server.until('closed')]);
      const expected = digestOf(options.volume);
      assert.deepEqual([client.digest(), server.digest()], [expected, expected]);
    });
  });
}
