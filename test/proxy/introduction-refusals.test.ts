/** Listeners behind a load balancer: whom they turn away, and the balancer's own checks. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { turns } from '../support/clock.ts';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { type TestCertificates, temporaryCertificates } from '../support/tls.ts';
import {
  behind,
  checks,
  DISTRUSTS,
  events,
  HURRIES,
  heard,
  logIn,
  refused,
  TIMEOUT_MS,
  until,
  V1,
  V2,
} from './balanced.ts';
import { address, block, INET, octets, tlv } from './headers.ts';

let certificates: TestCertificates;

before(() => {
  certificates = temporaryCertificates();
});

describe('a connection that does not keep to the protocol is closed without a word', () => {
  test('from elsewhere: before it has said anything, and whatever it would say', async () => {
    for (const mode of ['off', 'implicit'] as const) {
      const tls = mode === 'off' ? {} : { tls: { mode, certificate: certificates.ecdsa } };
      await behind({ ...tls, proxyProtocol: DISTRUSTS }, async (proxy) => {
        for (const said of [V1, V2, octets('USER john\r\n'), octets('')])
          assert.equal(await heard(proxy, said), '');
        assert.equal(await refused(proxy, 'proxy-untrusted'), 4);
        const logged = events(proxy, 'connection-refused');
        assert.deepEqual(
          logged.map(({ level, listener, reason, address, unlogged }) => {
            return { level, listener, reason, address, unlogged };
          }),
          [{ level: 'warn', listener: 'test', reason: 'proxy-untrusted', address: '127.0.0.1', unlogged: 0 }],
        );
        assert.deepEqual(proxy.records(), []);
        assert.equal(proxy.sessions.size, 0);
      });
    }
  });

  const WRONG: Record<string, [Uint8Array, string]> = {
    'no header': [octets('CAPA\r\nUSER john\r\n'), 'no-header'],
    'a ClientHello': [octets('\x16\x03\x01\x02\0\x01'), 'no-header'],
    'a malformed line': [octets('PROXY TCP4 192.0.2.7 192.0.2.8 4711\r\n'), 'malformed'],
    'a line without end': [Buffer.alloc(200, 'PROXY UNKNOWN '), 'too-long'],
    'version 3': [block(0x31, INET, ''), 'unknown-version'],
    'too much': [block(0x21, INET, Buffer.alloc(65_535)), 'too-long'],
    'a wrong checksum': [
      block(0x21, INET, Buffer.concat([address('192.0.2.7', '192.0.2.8', 1, 2), tlv(3, 'oops')])),
      'wrong-checksum',
    ],
  };
  for (const [what, [said, detail]] of Object.entries(WRONG)) {
    test(what, async () => {
      await behind({}, async (proxy) => {
        assert.equal(await heard(proxy, said), '');
        assert.equal(await refused(proxy, 'proxy-header'), 1);
        assert.equal(events(proxy, 'connection-refused')[0]?.detail, detail);
        assert.deepEqual(proxy.records(), []);
      });
    });
  }

  test('a header that is cut short, by a close or a reset', async () => {
    await behind({}, async (proxy) => {
      for (const header of [V1, V2]) assert.equal(await heard(proxy, header.subarray(0, 20), true), '');
      const client = await Pop3Client.connect(proxy.port);
      client.socket.write(V2.subarray(0, 13));
      await turns();
      client.reset();
      await until(async () => (await refused(proxy, 'proxy-header')) === 3);
      assert.equal(events(proxy, 'connection-refused')[0]?.detail, 'cut-short');
    });
  });

  test('no header in time, be it half there or not at all', async () => {
    await behind({ proxyProtocol: HURRIES }, async (proxy) => {
      const began = performance.now();
      assert.equal(await heard(proxy, octets('')), '');
      // A timer may be a moment early by this clock.
      assert.ok(performance.now() - began >= TIMEOUT_MS - 1);
      assert.equal(await heard(proxy, V1.subarray(0, -1)), '');
      assert.equal(await refused(proxy, 'proxy-timeout'), 2);
      assert.equal(events(proxy, 'connection-refused')[0]?.detail, 'no-header');
    });
  });

  test('one after the other: each is counted, one of them is logged', async () => {
    await behind({}, async (proxy) => {
      for (let i = 0; i < 20; i++) await heard(proxy, octets('USER john\r\n'));
      assert.equal(await refused(proxy, 'proxy-header'), 20);
      assert.equal(events(proxy, 'connection-refused').length, 1);
    });
  });
});

describe("a balancer's check leaves no line", () => {
  const own = (): [string, (port: number) => Uint8Array][] => [
    ['LOCAL', () => block(0x20, 0, '')],
    ['UNKNOWN', () => octets('PROXY UNKNOWN\r\n')],
    ["the balancer's own address", (port) => octets(`PROXY TCP4 127.0.0.1 127.0.0.1 ${port} 110\r\n`)],
  ];

  test('that says nothing, closed or reset', async () => {
    await behind({}, async (proxy) => {
      assert.equal(await heard(proxy, octets(''), true), '');
      const client = await Pop3Client.connect(proxy.port);
      client.reset();
      await until(async () => (await checks(proxy)) === 2);
      assert.deepEqual(proxy.lines, []);
    });
  });

  test('that is reset before the proxy has accepted it', async () => {
    await behind({}, async (proxy) => {
      const reset = `import socket, struct
s = socket.create_connection(('127.0.0.1', ${proxy.port}))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()`;
      // The proxy runs in this process, which stands still meanwhile.
      execFileSync('python3', ['-c', reset]);
      await until(async () => (await checks(proxy)) === 1);
      assert.deepEqual(proxy.lines, []);
    });
  });

  for (const [what, header] of own()) {
    test(`with a header of ${what}: greeted, and gone in whatever way`, async () => {
      await behind({}, async (proxy) => {
        const connect = async () => {
          const client = await Pop3Client.connect(proxy.port);
          client.socket.write(header(client.socket.localPort!));
          assert.equal(await client.line(), '+OK ready');
          return client;
        };
        (await connect()).reset();
        const quits = await connect();
        assert.match(await quits.ask('QUIT'), /^\+OK/);
        await quits.gone();
        await until(async () => (await checks(proxy)) === 2 && proxy.sessions.size === 0);
        assert.deepEqual(proxy.lines, []);
        const text = await proxy.metrics.text();
        assert.equal(total(text, 'teapop_proxy_sessions_ended_total'), 0);
        assert.equal(total(text, 'teapop_proxy_connections'), 0);
      });
    });

    test(`with a header of ${what} in front of TLS that never begins`, async () => {
      const tls = { mode: 'implicit', certificate: certificates.ecdsa } as const;
      await behind({ tls }, async (proxy) => {
        const client = await Pop3Client.connect(proxy.port);
        client.socket.write(header(client.socket.localPort!));
        await turns();
        client.reset();
        await until(async () => (await checks(proxy)) === 1);
        assert.deepEqual(proxy.lines, []);
        assert.equal(total(await proxy.metrics.text(), 'teapop_proxy_tls_handshakes_total'), 0);
      });
    });

    test(`but one with a header of ${what} that logs in has a session`, async () => {
      await behind({}, async (proxy) => {
        const client = await Pop3Client.connect(proxy.port);
        const { localPort } = client.socket;
        client.socket.write(header(localPort!));
        await client.line();
        await logIn(client);
        client.destroy();
        const [record] = await proxy.logged(1);
        const self = { address: '127.0.0.1', port: localPort };
        assert.deepEqual([record?.client, record?.via], [self, self]);
        assert.equal(await checks(proxy), 0);
      });
    });
  }
});

describe('connections that have not said whose they are', () => {
  test('count against the limit', async () => {
    await behind({ limits: { connections: 1 } }, async (proxy) => {
      const first = await Pop3Client.connect(proxy.port);
      await turns();
      assert.match(await heard(proxy, V1), /^-ERR \[SYS\/TEMP\]/);
      first.socket.write(V1);
      assert.equal(await first.line(), '+OK ready');
      first.destroy();
    });
  });

  test('are closed without a word when the proxy stops', async () => {
    await behind({}, async (proxy) => {
      const client = await Pop3Client.connect(proxy.port);
      client.socket.write(V1.subarray(0, 10));
      await turns();
      await proxy.sessions.drain(0);
      assert.equal(await client.rest(), '');
      client.destroy();
      assert.deepEqual(proxy.lines, []);
    });
  });
});
