/** The cases about STLS and what comes around it: garbage, delays, octets before and behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { ascii, digestOf, Pump } from './octets.ts';
import { python } from './peers.ts';
import { onPair, onStage, type Probe, type StageOptions, type Tls } from './probe.ts';

const MORE_THAN_BUFFERS = 16 * 1_048_576;
const A_WHILE = 50;

/** Greets, and answers STLS as a POP3 server does; what stands behind the line is dropped, as it must be. */
function stlsServer(tls: NonNullable<Tls>): StageOptions {
  const received = (connection: Connection, octets: Uint8Array) => {
    if (connection.tls !== null || !Buffer.from(octets).toString('latin1').startsWith('STLS\r\n')) return;
    connection.write(ascii('+OK begin\r\n'));
    connection.startTls(tls.server);
  };
  return {
    prepare: (server) => {
      server.reactions.received = received;
    },
    accept: (connection) => {
      connection.write(ascii('+OK hello\r\n'));
    },
  };
}

const STLS = "s = connect(); line(s); s.sendall(b'STLS\\r\\n')\n";

export function handshakeCases(transport: Transport, secure: () => NonNullable<Tls>): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const withStls = (
    script: string,
    body: (server: Probe, peer: ReturnType<typeof python>) => Promise<void>,
  ) =>
    onStage(transport, stlsServer(secure()), async (stage) => {
      const peer = python(script, stage.listener.port);
      await body(await stage.accepted(), peer);
    });

  test(
    name('STLS: the handshake follows right behind +OK, and both sides tell the same session'),
    async () => {
      await onStage(transport, stlsServer(secure()), async (stage) => {
        const client = stage.connect((probe) => {
          probe.reactions.received = (connection) => {
            if (probe.text === '+OK hello\r\n') connection.write(ascii('STLS\r\n'));
            if (!probe.text.endsWith('begin\r\n')) return;
            connection.startTls(secure().client);
            // Written before the peer is verified: goes when it is.
            connection.write(ascii('CAPA\r\n'));
          };
        });
        const server = await stage.accepted();
        await server.when(() => server.text.endsWith('CAPA\r\n'), 'CAPA');
        const session = {
          version: 'TLSv1.3',
          alpn: null,
          serverName: 'mail.test',
          resumed: false,
          peer: null,
          distrusted: null,
        };
        const [{ cipher: ours, ...rest }, { cipher: theirs, ...far }] = [
          server.connection.tls!,
          client.connection.tls!,
        ];
        assert.deepEqual([rest, far], [session, session]);
        assert.equal(ours, theirs);
        assert.match(ours, /^TLS_/);
        assert.deepEqual([server.count('secured'), client.count('secured')], [1, 1]);
      });
    },
  );

  test(name('STLS with a peer of another make'), async () => {
    const script = `${STLS}line(s)
t = trusting().wrap_socket(s); t.sendall(b'QUIT\\r\\n'); print(t.version(), line(t))`;
    await withStls(script, async (server, peer) => {
      server.reactions.secured = (connection) => connection.write(ascii('+OK secured\r\n'));
      await server.when(() => server.text.endsWith('QUIT\r\n'), 'QUIT');
      assert.equal((await peer).output, "TLSv1.3 b'+OK secured\\r\\n'\n");
    });
  });

  test(name('plaintext instead of a ClientHello is a failed handshake'), async () => {
    await withStls(`${STLS}line(s); s.sendall(b'USER mary\\r\\n'); everything(s)`, async (server) => {
      await server.until('closed');
      assert.equal(server.error?.kind, 'tls');
      assert.deepEqual([server.text, server.count('secured')], ['STLS\r\n', 0]);
    });
  });

  test(
    name('plaintext that comes together with STLS is seen before the handshake and never behind it'),
    async () => {
      const script = `s = connect(); line(s); s.sendall(b'STLS\\r\\nUSER mary\\r\\n'); line(s)
t = trusting().wrap_socket(s); t.sendall(b'NOOP\\r\\n'); line(t)`;
      await withStls(script, async (server) => {
        await server.until('secured');
        await server.when(() => server.text.endsWith('NOOP\r\n'), 'NOOP');
        assert.equal(server.text, 'STLS\r\nUSER mary\r\nNOOP\r\n');
        assert.equal(server.count('received'), 2);
      });
    },
  );

  test(
    name('a ClientHello in the same segment as STLS is shown as plaintext, and what follows fails'),
    async () => {
      const script = `s = connect(); line(s)
i, o = ssl.MemoryBIO(), ssl.MemoryBIO(); t = trusting().wrap_bio(i, o)
try: t.do_handshake()
except ssl.SSLWantReadError: pass
s.sendall(b'STLS\\r\\n' + o.read()); line(s); time.sleep(0.05); s.sendall(b'and so on\\r\\n'); everything(s)`;
      await withStls(script, async (server) => {
        await server.until('received');
        assert.ok(server.text.startsWith('STLS\r\n\x16\x03'));
        await server.until('closed');
        assert.equal(server.error?.kind, 'tls');
        assert.equal(server.count('secured'), 0);
      });
    },
  );

  test(
    name('startTls behind a long unsent reply waits for it, and octets from before it do not slip in'),
    async () => {
      const prepare = (server: Probe) => {
        server.reactions.secured = (connection) => connection.write(ascii('secured'));
      };
      const accept = (connection: Connection) => {
        connection.write(new Uint8Array(MORE_THAN_BUFFERS));
        connection.startTls(secure().server);
        // The peer reads meanwhile: there is room for octets, but none for these.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, A_WHILE);
        connection.write(ascii('inside, '));
      };
      const script = `s = connect(); print(exactly(s, ${MORE_THAN_BUFFERS}))
t = trusting().wrap_socket(s); t.sendall(b'ready'); print(exactly(t, 15))`;
      await onStage(transport, { prepare, accept }, async (stage) => {
        const peer = python(script, stage.listener.port);
        const server = await stage.accepted();
        await server.until('received');
        assert.equal(server.text, 'ready');
        assert.equal((await peer).output, `${MORE_THAN_BUFFERS}\n15\n`);
      });
      await onStage(transport, { accept }, async (stage) => {
        const peer = python(
          `s = connect(); s.sendall(b'USER mary\\r\\n'); everything(s)`,
          stage.listener.port,
        );
        const server = await stage.accepted();
        await server.until('closed');
        assert.equal(server.error?.kind, 'tls');
        assert.equal(server.octets, 0);
        await peer;
      });
    },
  );

  for (const [way, kind] of [
    ['reset(s)', 'reset'],
    ['s.shutdown(socket.SHUT_WR); everything(s)', 'tls'],
  ] as const) {
    test(name(`a handshake cut short by ${way} fails`), async () => {
      const script = `${STLS}line(s); s.sendall(b'\\x16\\x03\\x01\\x02\\x00\\x01'); time.sleep(0.05); ${way}`;
      await withStls(script, async (server) => {
        await server.until('closed');
        // Node's code under Bun calls both a reset.
        assert.ok([kind, 'reset'].includes(server.error?.kind as string), server.summary());
        assert.equal(server.count('ended') + server.count('secured'), 0);
      });
    });
  }

  test(name('a handshake that stalls is ended by its owner'), async () => {
    await withStls(
      `${STLS}line(s); s.sendall(b'\\x16\\x03\\x01\\x02\\x00'); print(everything(s))`,
      async (server, peer) => {
        await server.until('received');
        await sleep(A_WHILE);
        assert.deepEqual(server.events, ['received']);
        server.call((connection) => connection.destroy());
        await server.until('closed');
        assert.equal(server.error, null);
        await peer;
      },
    );
  });

  test(name('what is written during the handshake goes behind it, with one `drained`'), async () => {
    const total = 300_000;
    await onStage(
      transport,
      { accept: (connection) => connection.startTls(secure().server) },
      async (stage) => {
        const client = stage.connect();
        client.reactions.opened = (connection) => {
          connection.startTls(secure().client);
          new Pump(client, total, () => connection.end()).run();
          assert.ok(connection.queued > 0);
        };
        const server = await stage.accepted();
        await server.until('ended');
        assert.equal(server.digest(), digestOf(total));
      },
    );
  });

  test(
    name('paused before the handshake is done, a connection hears of nothing behind it until resume()'),
    async () => {
      const accept = (connection: Connection) => {
        connection.startTls(secure().server);
        connection.pause();
      };
      await onStage(transport, { accept }, async (stage) => {
        const client = stage.connect();
        client.reactions.opened = (connection) => {
          connection.startTls(secure().client);
          connection.write(ascii('early'));
          connection.end();
        };
        const server = await stage.accepted();
        await server.until('secured');
        await sleep(A_WHILE);
        assert.deepEqual(server.events, ['secured']);
        server.call((connection) => connection.resume());
        await server.until('ended');
        assert.equal(server.text, 'early');
      });
    },
  );

  test(name('a TLS peer that cuts TCP without close_notify has ended, not crashed'), async () => {
    const script = `s = trusting().wrap_socket(connect()); s.sendall(b'x'); time.sleep(0.05)
socket.socket.shutdown(s, socket.SHUT_WR); time.sleep(0.2)`;
    await onStage(
      transport,
      { accept: (connection) => connection.startTls(secure().server) },
      async (stage) => {
        const peer = python(script, stage.listener.port);
        const server = await stage.accepted();
        await server.until('ended');
        server.call((connection) => connection.end());
        await server.until('closed');
        assert.equal(server.error, null);
        await peer;
      },
    );
  });

  test(name('end() under TLS sends a close_notify and goes on reading'), async () => {
    const script = `s = trusting().wrap_socket(connect(), suppress_ragged_eofs=False)
print(s.recv(10)); print(s.recv(10)); s.sendall(b'still here'); time.sleep(0.1)`;
    await onStage(
      transport,
      { accept: (connection) => connection.startTls(secure().server) },
      async (stage) => {
        const peer = python(script, stage.listener.port);
        const server = await stage.accepted();
        await server.until('secured');
        server.call((connection) => {
          connection.write(ascii('bye'));
          connection.end();
        });
        await server.until('closed');
        assert.equal(server.text, 'still here');
        assert.equal((await peer).output, "b'bye'\nb''\n");
      },
    );
  });

  test(name('records that are broken after the handshake are a loss of kind tls'), async () => {
    await onPair(transport, secure(), async (client) => {
      assert.equal(client.count('secured'), 1);
    });
    const script = `s = trusting().wrap_socket(connect()); s.sendall(b'x'); time.sleep(0.05)
import os
os.write(s.fileno(), b'\\x17\\x03\\x03\\x00\\x20' + b'y' * 32); time.sleep(0.2)`;
    await onStage(
      transport,
      { accept: (connection) => connection.startTls(secure().server) },
      async (stage) => {
        const peer = python(script, stage.listener.port);
        const server = await stage.accepted();
        await server.until('closed');
        assert.equal(server.error?.kind, 'tls');
        assert.equal(server.text, 'x');
        await peer;
      },
    );
  });
}
