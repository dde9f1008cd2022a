/** Faults of the proxy's own, and the limits and ends that only a bad moment shows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { between, logsIn } from '../support/between.ts';
import { turns, waited } from '../support/clock.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { accepted, startTestProxy, type TestProxy } from '../support/proxy.ts';
import { temporaryCertificates } from '../support/tls.ts';

const certificates = temporaryCertificates();
const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function events(proxy: TestProxy, name: string): Record<string, unknown>[] {
  return proxy.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name);
}

describe("a fault of the proxy's own", () => {
  test('while a login is decided is that of one login', async () => {
    let calls = 0;
    const decide = () => {
      calls += 1;
      if (calls === 1) throw new Error('a fault');
      return accepted('johnacme');
    };
    await between(logsIn, { decide }, async (client, { proxy }) => {
      await client.line();
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), TEMP);
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), '+OK logged in');
      const [event] = events(proxy, 'login-error');
      assert.deepEqual([event?.level, event?.detail], ['error', 'a fault']);
      assert.match(
        await proxy.metrics.text(),
        /teapop_proxy_logins_total\{result="unavailable",reason="internal"\} 1/,
      );
    });
  });

  for (const mode of ['starttls', 'implicit'] as const) {
    test(`where TLS begins (${mode}) ends one session, and no other`, async () => {
      const serverTls = () => {
        throw new Error('no certificate');
      };
      const tls = { mode, certificate: certificates.ecdsa };
      const proxy = await startTestProxy({ upstream: { port: 1 }, tls, serverTls });
      for (let i = 1; i <= 2; i++) {
        const client = await Pop3Client.connect(proxy.port);
        if (mode === 'starttls') client.send('STLS\r\n');
        await client.gone();
        assert.equal((await proxy.logged(i)).at(-1)?.end, 'internal');
      }
      assert.equal(proxy.sessions.size, 0);
      const [event] = events(proxy, 'session-error');
      assert.match(String(event?.detail), /no certificate/);
      assert.match(await proxy.metrics.text(), /teapop_proxy_connections\{listener="test"\} 0/);
      await proxy.close();
    });
  }
});

test('a user for whom no rule makes a local name is a permanent fault of the site', async () => {
  const decide = () => ({ result: 'unavailable', reason: 'no-local-user' }) as const;
  await between(logsIn, { decide }, async (client) => {
    await client.line();
    await client.ask('USER john');
    assert.equal(await client.ask('PASS secret'), PERM);
  });
});

describe('the limit between two lines', () => {
  test('is not moved by octets of a line that goes on and on', async () => {
    await between(logsIn, { limits: { lineMs: 250 } }, async (client, { proxy }) => {
      await client.line();
      const drip = setInterval(() => client.send('N'), 40);
      const took = await waited(async () => assert.equal(await client.rest(), '-ERR Timed out\r\n'));
      clearInterval(drip);
      assert.ok(took < 1_000, `${took} ms`);
      client.destroy();
      assert.equal((await proxy.logged(1))[0]?.end, 'line-timeout');
    });
  });

  test('begins again with the handshake, and does not wait for the limit of the handshake', async () => {
    const tls = { mode: 'starttls', certificate: certificates.ecdsa } as const;
    const limits = { lineMs: 2_000, handshakeMs: 20_000 };
    await between(logsIn, { tls, limits }, async (client) => {
      await client.line();
      await pause(1_100);
      await client.ask('STLS');
      await client.startTls(certificates.ca);
      await pause(1_100);
      assert.equal(await client.ask('NOOP'), '+OK');
      const took = await waited(async () => assert.equal(await client.rest(), '-ERR Timed out\r\n'));
      assert.ok(took < 3_000, `${took} ms`);
    });
  });

  test('does not count the time that a login takes', async () => {
    const decide = async () => {
      await pause(1_200);
      return { result: 'rejected', reason: 'wrong-password' } as const;
    };
    await between(logsIn, { decide, limits: { lineMs: 1_000 } }, async (client) => {
      await client.line();
      await client.ask('USER john');
      assert.match(await client.ask('PASS wrong'), /^-ERR \[AUTH\] /);
      await pause(120);
      assert.equal(await client.ask('NOOP'), '+OK');
    });
  });
});

describe('a drain', () => {
  test('answers a login that fails, and sends the client away then', async () => {
    await between(logsIn, { failureDelayMs: 200 }, async (client, { proxy }) => {
      await client.line();
      await client.ask('USER john');
      client.send('PASS wrong\r\n');
      await turns();
      const drained = proxy.sessions.drain(5_000);
      assert.match(await client.rest(), /^-ERR \[AUTH\] .*\r\n-ERR \[SYS\/TEMP\] Shutting down.*\r\n$/);
      client.end();
      await drained;
      assert.equal((await proxy.logged(1))[0]?.end, 'shutdown');
    });
  });

  test('ends though a client never closes its side', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      await client.line();
      const drained = proxy.sessions.drain(100);
      await client.rest();
      proxy.sessions.abort();
      await drained;
      assert.equal(proxy.sessions.size, 0);
    });
  });

  test('cuts a login under way off when the grace time is over', async () => {
    const hangs = (connection: { send(text: string): void }) => connection.send('+OK ready\r\n');
    await between(hangs, {}, async (client, { proxy, mailstore }) => {
      await client.line();
      await client.ask('USER john');
      client.send('PASS secret\r\n');
      while (!mailstore.connections[0]?.received.includes('USER')) await pause(5);
      const drained = proxy.sessions.drain(50);
      assert.match(await client.rest(), /^-ERR \[SYS\/TEMP\] Shutting down/);
      client.end();
      await drained;
      const [record] = await proxy.logged(1);
      assert.deepEqual([record?.end, record?.reason], ['shutdown', 'shutdown']);
      const upstream = mailstore.connections[0]!;
      await upstream.until(() => upstream.ended || upstream.closed);
      assert.ok(!upstream.received.includes('QUIT'));
    });
  });
});

describe('a handshake', () => {
  const tls = { mode: 'implicit', certificate: certificates.ecdsa } as const;

  test('that stalls ends in its time, and is counted once', async () => {
    await between(logsIn, { tls, limits: { handshakeMs: 200 } }, async (client, { proxy }) => {
      await client.gone();
      assert.equal((await proxy.logged(1))[0]?.end, 'handshake-timeout');
      const text = await proxy.metrics.text();
      assert.match(text, /tls_handshakes_total\{listener="test",version="none",result="timeout"\} 1/);
      assert.match(text, /tls_handshakes_total\{listener="test",version="none",result="failed"\} 0/);
    });
  });

  for (const sent of ['', '\x16\x03\x01\x02\x00\x01\x00']) {
    test(`that stalls after STLS and ${sent.length} octets ends in its time, and is counted once`, async () => {
      const stls = { mode: 'starttls', certificate: certificates.ecdsa } as const;
      await between(logsIn, { tls: stls, limits: { handshakeMs: 200 } }, async (client, { proxy }) => {
        await client.line();
        await client.ask('STLS');
        client.send(sent);
        await client.gone();
        const [record] = await proxy.logged(1);
        assert.deepEqual([record?.end, record?.tls], ['handshake-timeout', null]);
        const text = await proxy.metrics.text();
        assert.match(text, /tls_handshakes_total\{listener="test",version="none",result="timeout"\} 1/);
        assert.match(text, /tls_handshakes_total\{listener="test",version="none",result="failed"\} 0/);
      });
    });
  }

  test('with somebody who does not speak TLS, or goes away', async () => {
    await between(logsIn, { tls }, async (client, { proxy }) => {
      client.send('USER john\r\n');
      await client.gone();
      assert.equal((await proxy.logged(1))[0]?.end, 'handshake-failed');
      const second = await Pop3Client.connect(proxy.port);
      second.reset();
      await proxy.logged(2);
      assert.match(
        await proxy.metrics.text(),
        /tls_handshakes_total\{listener="test",version="none",result="failed"\} 2/,
      );
    });
  });

  test('that a drain meets is closed without a word', async () => {
    await between(logsIn, { tls }, async (client, { proxy }) => {
      while (proxy.sessions.size === 0) await pause(5);
      await proxy.sessions.drain(1_000);
      await client.gone();
      assert.equal(client.received, '');
      assert.equal((await proxy.logged(1))[0]?.end, 'shutdown');
    });
  });
});
