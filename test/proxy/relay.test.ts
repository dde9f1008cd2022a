import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { LoginClient } from '../../src/auth/authenticator.ts';
import { between, logIn, logsIn } from '../support/between.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { startTestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { type Script, startScriptedMailstore } from '../support/scripted-mailstore.ts';

const openFiles = () => readdirSync('/proc/self/fd').length;

describe('losses', () => {
  for (const how of ['end', 'reset', 'destroy'] as const) {
    test(`the client is lost by ${how}: the mailstore is closed, and never by a QUIT`, async () => {
      await between(logsIn, {}, async (client, { proxy, mailstore }) => {
        await logIn(client);
        client.send('DELE 1\r\n');
        const upstream = mailstore.connections[0]!;
        await upstream.until(() => upstream.received.endsWith('DELE 1\r\n'));
        client[how]();
        await upstream.until(() => upstream.ended || upstream.closed);
        upstream.end();
        assert.ok(!upstream.received.includes('QUIT'));
        const [record] = await proxy.logged(1);
        assert.equal(record?.end, how === 'reset' ? 'client-lost' : 'client-closed');
      });
    });
  }

  test('the mailstore is lost in mid-message: what it sent arrives, then the connection closes', async () => {
    const part = `+OK 1000000 octets\r\n${'x'.repeat(500_000)}`;
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      connection.send(part);
      await new Promise((resolve) => setTimeout(resolve, 50));
      connection.reset();
    };
    await between(script, {}, async (client, { proxy }) => {
      await logIn(client);
      client.send('RETR 1\r\n');
      const got = await client.rest();
      assert.ok(part.startsWith(got), 'nothing but what the mailstore sent');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.ok(['upstream-lost', 'upstream-closed'].includes(String(record?.end)), String(record?.end));
    });
  });

  test('the client is lost while its password is checked: the mailstore never hears of it', async () => {
    let checking = () => {};
    const begun = new Promise<void>((resolve) => {
      checking = resolve;
    });
    const decide = () => {
      checking();
      return new Promise<never>(() => {});
    };
    await between(logsIn, { decide }, async (client, { proxy, mailstore }) => {
      client.send('USER john\r\nPASS secret\r\n');
      await begun;
      client.reset();
      const [record] = await proxy.logged(1);
      assert.deepEqual(
        [record?.result, record?.reason, record?.end],
        ['unavailable', 'client-gone', 'client-lost'],
      );
      assert.equal(mailstore.connections.length, 0);
    });
  });

  test('the client is lost before anybody asks whether it is: it is known to be gone', async () => {
    const begun = Promise.withResolvers<LoginClient>();
    const decide: TestProxyOptions['decide'] = (_credentials, _localAddress, client) => {
      begun.resolve(client);
      return new Promise<never>(() => {});
    };
    await between(logsIn, { decide }, async (client, { proxy }) => {
      client.send('USER john\r\nPASS secret\r\n');
      const login = await begun.promise;
      client.reset();
      await proxy.logged(1);
      assert.equal(login.gone?.aborted, true);
    });
  });

  test('the client is lost while the mailstore is logged in to: its connection is closed', async () => {
    const script: Script = (connection) => connection.send('+OK ready\r\n');
    await between(script, {}, async (client, { proxy, mailstore }) => {
      client.send('USER john\r\nPASS secret\r\n');
      while (!mailstore.connections[0]?.received.startsWith('USER'))
        await new Promise((r) => setTimeout(r, 5));
      client.reset();
      const upstream = mailstore.connections[0]!;
      await upstream.until(() => upstream.ended || upstream.closed);
      assert.equal(upstream.received, 'USER johnacme\r\n');
      assert.equal((await proxy.logged(1))[0]?.reason, 'client-gone');
    });
  });
});

describe('half-closes and silence', () => {
  test('the mailstore ends: the last octets arrive, the client may close in its own time', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      connection.send(`+OK\r\n${'y'.repeat(2_000_000)}`);
      connection.end();
    };
    await between(script, {}, async (client) => {
      await logIn(client);
      client.socket.pause();
      client.send('RETR 1\r\n');
      await new Promise((resolve) => setTimeout(resolve, 200));
      client.socket.resume();
      assert.equal((await client.rest()).length, 5 + 2_000_000);
    });
  });

  test('a session in which nothing flows ends, one in which anything does goes on', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      for (let line = await connection.line(); line !== null; line = await connection.line())
        connection.send('+OK\r\n');
    };
    await between(script, { limits: { sessionIdleMs: 1_500 } }, async (client, { proxy }) => {
      await logIn(client);
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 350));
        assert.equal(await client.ask('NOOP'), '+OK');
      }
      assert.equal(await client.rest(), '');
      assert.equal((await proxy.logged(1))[0]?.end, 'idle-timeout');
    });
  });
});

describe('back-pressure', () => {
  test('a slow client stops the mailstore instead of filling the proxy', async () => {
    const chunk = Buffer.alloc(1 << 20, 'z');
    const chunks = 200;
    let sent = 0;
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      for (; sent < chunks; sent++) {
        if (!connection.socket.write(chunk))
          await new Promise((resolve) => connection.socket.once('drain', resolve));
      }
      connection.end();
    };
    await between(script, {}, async (client) => {
      await logIn(client);
      client.socket.pause();
      client.send('RETR 1\r\n');
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(sent < chunks / 2, `the mailstore was stopped, it sent ${sent} MiB`);
      client.socket.removeAllListeners('data');
      let got = 0;
      client.socket.on('data', (octets: Buffer) => {
        got += octets.length;
      });
      client.socket.resume();
      await client.rest();
      assert.equal(got, chunks << 20);
    });
  });
});

test('a thousand sessions that are lost in every way leave no descriptor behind', async () => {
  const mailstore = await startScriptedMailstore(async (connection) => {
    await connection.logIn();
    const line = await connection.line();
    if (line === 'END') connection.end();
    if (line === 'RESET') connection.reset();
    if (line === null) connection.end();
  });
  const proxy = await startTestProxy({ upstream: { port: mailstore.port } });
  const before = openFiles();
  const round = async (i: number) => {
    const client = await Pop3Client.connect(proxy.port);
    await logIn(client);
    if (i % 4 === 0) client.send('END\r\n');
    else if (i % 4 === 1) client.send('RESET\r\n');
    else if (i % 4 === 2) client.reset();
    else client.end();
    if (i % 4 < 2) await client.rest();
    client.destroy();
  };
  for (let i = 0; i < 1000; i += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => round(i + k)));
  assert.equal((await proxy.logged(1000)).length, 1000);
  for (const { socket } of mailstore.connections) socket.destroy();
  for (let tries = 0; tries < 100 && openFiles() > before; tries++)
    await new Promise((r) => setTimeout(r, 20));
  assert.ok(openFiles() <= before + 2, `${before} descriptors before, ${openFiles()} after`);
  await proxy.close();
  await mailstore.close();
});

test('a client that resets after the mailstore has ended is no lost client', async () => {
  const script: Script = async (connection) => {
    await connection.logIn();
    await connection.line();
    connection.send('+OK bye\r\n');
    connection.end();
  };
  await between(script, {}, async (client, { proxy }) => {
    await logIn(client);
    client.send('QUIT\r\n');
    await client.rest();
    client.reset();
    assert.equal((await proxy.logged(1))[0]?.end, 'upstream-closed');
  });
});
