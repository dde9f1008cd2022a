/** Connections opened ahead: had ready, used, replaced, and never in the way of a login. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pickTransport } from '../../src/transport/pick.ts';
import { between, type Parts } from '../support/between.ts';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import type { Script, ScriptedConnection } from '../support/scripted-mailstore.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';
import { type TransportPeer, transportMailstore } from '../support/transport-peer.ts';

const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const MINUTE = 60_000;

/** Greets, and answers each line with +OK until QUIT. */
const serves: Script = async (connection) => {
  connection.send('+OK [XCLIENT] ready\r\n');
  for (let line = await connection.line(); line !== null; line = await connection.line()) {
    connection.send(line.startsWith('PASS') ? '+OK logged in\r\n' : '+OK\r\n');
    if (line === 'QUIT') break;
  }
  connection.end();
};

const keeps = (count: number, ageMs = MINUTE) => ({ preconnect: { count, ageMs } });

const spares = async (proxy: TestProxy, event: string) =>
  total(await proxy.metrics.text(), 'teapop_proxy_upstream_spares_total', { event });
const ready = async (proxy: TestProxy) =>
  total(await proxy.metrics.text(), 'teapop_proxy_upstream_spares_ready');

/** So many are ready, at the proxy. */
async function untilReady(proxy: TestProxy, count: number): Promise<void> {
  for (let tries = 0; tries < 3_000; tries++) {
    if ((await ready(proxy)) === count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${await ready(proxy)} are ready, not ${count}`);
}

async function logIn(client: Pop3Client): Promise<string> {
  await client.ask('USER john');
  return client.ask('PASS secret');
}

const LOGIN = 'USER johnacme\r\nPASS upstream-secret\r\n';

/** The connections on which somebody has said who he is. */
const used = ({ mailstore }: Parts) =>
  mailstore.connections.filter(({ received }) => received.includes('USER'));

describe('a spare', () => {
  test('is opened up to the greeting, says nothing, and the next login goes there', async () => {
    await between(serves, { upstream: keeps(2) }, async (client, parts) => {
      const { proxy, mailstore } = parts;
      await untilReady(proxy, 2);
      assert.deepEqual(
        mailstore.connections.map(({ received }) => received),
        ['', ''],
      );
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      const [connection] = used(parts);
      assert.equal(connection!.received, LOGIN);
      assert.ok(mailstore.connections.slice(0, 2).includes(connection!));
      await untilReady(proxy, 2);
      assert.equal(mailstore.connections.length, 3, 'another one is opened in its place');
      assert.equal(await spares(proxy, 'taken'), 1);
      assert.equal(await spares(proxy, 'missed'), 0);
      const text = await proxy.metrics.text();
      assert.equal(
        total(text, 'teapop_proxy_upstream_connect_seconds_count'),
        0,
        'no connect was waited for',
      );
      assert.equal(total(text, 'teapop_proxy_upstream_login_seconds_count'), 1);
      client.destroy();
      const [record] = await proxy.logged(1);
      const { upstream } = record as unknown as { upstream: { address: string } };
      assert.equal(upstream.address, '127.0.0.1');
    });
  });

  test('is told the client when there is one', async () => {
    await between(serves, { upstream: { ...keeps(1), xclient: true } }, async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      assert.match(used(parts)[0]!.received, /^XCLIENT ADDR=127\.0\.0\.1 PORT=\d+ SESSION=\S+\r\nUSER /);
    });
  });

  for (const tls of ['starttls', 'implicit'] as const) {
    test(`has its TLS ready (${tls})`, async () => {
      const certificates = temporaryCertificates();
      const transport = await pickTransport();
      const options = {
        ca: certificates.ca,
        serverName: 'mail.test',
        verify: true,
        minVersion: 'TLSv1.2',
      } as const;
      const serverTls = transport.serverTls({ ...SERVER_TLS, certificates: [certificates.ecdsa], alpn: [] });
      const peers: TransportPeer[] = [];
      const mailstore = await transportMailstore(transport, peers, serverTls, tls === 'implicit');
      const upstream = { port: mailstore.port, tls, clientTls: transport.clientTls(options), ...keeps(1) };
      const proxy = await startTestProxy({ upstream });
      await untilReady(proxy, 1);
      // The mailstore is a moment behind.
      await until('its TLS', () => peers[0]!.connection.tls !== null);
      const client = await Pop3Client.connect(proxy.port);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      assert.equal(peers[0]!.text, `${tls === 'starttls' ? 'STLS\r\n' : ''}${LOGIN}`);
      client.destroy();
      await proxy.close();
      await mailstore.close();
    });
  }

  test('is there for no more logins than there are: the others connect', async () => {
    await between(serves, { upstream: keeps(2) }, async (client, parts) => {
      const { proxy, mailstore } = parts;
      await untilReady(proxy, 2);
      const clients = [
        client,
        ...(await Promise.all(Array.from({ length: 7 }, () => Pop3Client.connect(proxy.port)))),
      ];
      const replies = clients.map(async (each) => {
        await each.line();
        return logIn(each);
      });
      for (const reply of replies) assert.equal(await reply, '+OK logged in');
      await untilReady(proxy, 2);
      assert.equal(used(parts).length, 8);
      assert.equal(mailstore.connections.filter(({ received }) => received === '').length, 2);
      assert.equal((await spares(proxy, 'taken')) + (await spares(proxy, 'missed')), 8);
      for (const each of clients) each.destroy();
    });
  });

  test('leaves with QUIT when it is old, and another takes its place', async () => {
    await between(serves, { upstream: keeps(1, 150) }, async (_, { proxy, mailstore }) => {
      await untilReady(proxy, 1);
      const [first] = mailstore.connections;
      await first!.until(() => first!.closed);
      assert.equal(first!.received, 'QUIT\r\n');
      await untilReady(proxy, 1);
      assert.ok(mailstore.connections.length >= 2);
      assert.ok((await spares(proxy, 'aged')) >= 1);
      assert.equal(await spares(proxy, 'lost'), 0);
    });
  });

  test('that the client of its login leaves is closed', async () => {
    const hangs: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
    };
    await between(hangs, { upstream: keeps(1) }, async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      await client.ask('USER john');
      client.send('PASS secret\r\n');
      while (used(parts).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      client.reset();
      const [connection] = used(parts);
      await connection!.until(() => connection!.ended || connection!.closed);
      assert.equal(connection!.received, 'USER johnacme\r\n');
    });
  });
});

describe('a mailstore', () => {
  for (const [what, deed] of Object.entries<(connection: ScriptedConnection) => void>({
    'closes a spare': (connection) => connection.end(),
    'resets a spare': (connection) => connection.reset(),
    'speaks on a spare': (connection) => connection.send('-ERR Disconnected for inactivity\r\n'),
  })) {
    test(`that ${what} is noticed; the login takes another`, async () => {
      await between(serves, { upstream: keeps(2) }, async (client, parts) => {
        const { proxy, mailstore } = parts;
        await untilReady(proxy, 2);
        const last = mailstore.connections[1]!;
        deed(last);
        await until('the loss is noticed', async () => (await spares(proxy, 'lost')) > 0);
        assert.equal(await spares(proxy, 'lost'), 1);
        await client.line();
        assert.equal(await logIn(client), '+OK logged in');
        assert.equal(last.received, '');
        await untilReady(proxy, 2);
        const [event] = proxy.lines
          .map((line) => JSON.parse(line))
          .filter((each) => each.event === 'spare-failed');
        assert.deepEqual([event?.level, event?.upstream, event?.unlogged], ['warn', 'mailstore', 0]);
        assert.match(event.detail, /at stage ready.*, 0 s after its greeting/);
      });
    });
  }

  test('that is down is tried by one at a time, more and more seldom, until it is back', async () => {
    let up = false;
    const script: Script = (connection) => (up ? serves(connection) : connection.reset());
    await between(script, { upstream: keeps(5) }, async (client, parts) => {
      const { proxy, mailstore } = parts;
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 500));
      await until('a second try', () => mailstore.connections.length >= 6);
      // All five at the start, then after 50, 100, 200 … ms.
      const most = 6 + Math.log2((performance.now() - began) / 50);
      assert.ok(mailstore.connections.length <= most, `${mailstore.connections.length}, not ${most}`);
      await until(
        'all are counted',
        async () => (await spares(proxy, 'failed')) === mailstore.connections.length,
      );
      assert.equal(proxy.lines.filter((line) => line.includes('spare-failed')).length, 1);
      up = true;
      await client.line();
      assert.equal(await logIn(client), '+OK logged in', 'no login waits for a spare');
      await untilReady(proxy, 5);
    });
  });

  test('that closes each spare at once is not tried as often as it does', async () => {
    const script: Script = (connection) => {
      connection.send('+OK ready\r\n');
      setTimeout(() => connection.end(), 5);
    };
    await between(script, { upstream: keeps(3) }, async (_, { mailstore }) => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(mailstore.connections.length <= 15, `${mailstore.connections.length}`);
    });
  });
});

describe('a spare that is dead when a login takes it', () => {
  /** Answers the first line on the first connection so, and serves all others. */
  const first =
    (deed: (connection: ScriptedConnection) => void): Script =>
    async (connection) => {
      if (connection.number > 1) return serves(connection);
      connection.send('+OK ready\r\n');
      await connection.line();
      deed(connection);
    };

  for (const [what, deed] of Object.entries<(connection: ScriptedConnection) => void>({
    closes: (connection) => connection.end(),
    resets: (connection) => connection.reset(),
    'says that its time is over': (connection) => {
      connection.send('-ERR Disconnected for inactivity\r\n');
      connection.end();
    },
    'says what is no reply': (connection) => connection.send('what?\r\n'),
    'is silent': () => {},
  })) {
    test(`and ${what}: the login goes to a fresh connection, the password nowhere else`, async () => {
      const options = { upstream: { ...keeps(1), timeoutMs: 3_000 }, spareAge: 6_000 };
      await between(first(deed), options, async (client, parts) => {
        const { proxy, mailstore } = parts;
        await untilReady(proxy, 1);
        await client.line();
        assert.equal(await logIn(client), '+OK logged in');
        assert.equal(mailstore.connections[0]!.received, 'USER johnacme\r\n');
        assert.deepEqual(
          used(parts).map(({ received }) => received),
          ['USER johnacme\r\n', LOGIN],
        );
        assert.equal(await spares(proxy, 'stale'), 1);
        assert.ok(!proxy.lines.some((line) => line.includes('upstream-failed')));
        await untilReady(proxy, 1);
      });
    });
  }

  test('tells of the others, which are closed', async () => {
    const script: Script = async (connection) => {
      if (connection.number > 3) return serves(connection);
      connection.send('+OK ready\r\n');
      if ((await connection.line()) === 'USER johnacme') connection.reset();
      else connection.end();
    };
    await between(script, { upstream: keeps(3), spareAge: 6_000 }, async (client, parts) => {
      const { proxy, mailstore } = parts;
      await untilReady(proxy, 3);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      const said = mailstore.connections.slice(0, 3).map(({ received }) => received);
      assert.deepEqual(said.sort(), ['QUIT\r\n', 'QUIT\r\n', 'USER johnacme\r\n']);
      await untilReady(proxy, 3);
    });
  });

  test('is not tried again once the password is out', async () => {
    const script: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+OK\r\n');
      await connection.line();
      connection.reset();
    };
    await between(script, { upstream: keeps(1), spareAge: 6_000 }, async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), TEMP);
      assert.equal(used(parts).length, 1);
      assert.equal(await spares(parts.proxy, 'stale'), 1);
    });
  });

  test('keeps the password of AUTH PLAIN to itself, too', async () => {
    const script: Script = async (connection) => {
      if (connection.number > 1) return serves(connection);
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.reset();
    };
    const login = { mode: 'plain', user: 'proxy', password: 'm' } as const;
    await between(script, { login, upstream: keeps(1), spareAge: 6_000 }, async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), '+OK');
      const said = parts.mailstore.connections.map(({ received }) => received).filter((each) => each !== '');
      const response = Buffer.from('johnacme\0proxy\0m').toString('base64');
      assert.deepEqual(said, ['AUTH PLAIN\r\n', `AUTH PLAIN ${response}\r\n`]);
    });
  });
});

test('a refused login tells nothing of the other spares', async () => {
  const refuses: Script = async (connection) => {
    connection.send('+OK ready\r\n');
    while ((await connection.line())?.startsWith('USER')) connection.send('+OK\r\n');
    connection.send('-ERR no\r\n');
    connection.end();
  };
  await between(refuses, { upstream: keeps(2), spareAge: 6_000 }, async (client, parts) => {
    await untilReady(parts.proxy, 2);
    await client.line();
    assert.match(await logIn(client), /^-ERR \[SYS\/PERM\]/);
    await untilReady(parts.proxy, 2);
    assert.equal(parts.mailstore.connections.length, 3);
    assert.equal(await spares(parts.proxy, 'stale'), 0);
  });
});

describe('PIPELINING on a spare', () => {
  const on = (age: number) => ({ upstream: { ...keeps(1), pipelining: 'on' as const }, spareAge: age });

  test('is for a young one, whose login is out at once and never tried again', async () => {
    const script: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.reset();
    };
    await between(script, on(4_999), async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), TEMP);
      assert.deepEqual(
        used(parts).map(({ segments }) => segments),
        [[LOGIN]],
      );
      assert.equal(await spares(parts.proxy, 'stale'), 1, 'the next login does not find out the same');
    });
  });

  test('is not for an old one, which has to answer first', async () => {
    await between(serves, on(5_000), async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      assert.equal(used(parts)[0]!.segments[0], 'USER johnacme\r\n');
    });
  });

  test('is for the fresh connection again, where the old one was dead', async () => {
    const script: Script = async (connection) => {
      if (connection.number > 1) return serves(connection);
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.reset();
    };
    await between(script, on(5_000), async (client, parts) => {
      await untilReady(parts.proxy, 1);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      assert.deepEqual(
        used(parts).map(({ segments }) => segments[0]),
        ['USER johnacme\r\n', LOGIN],
      );
    });
  });
});

describe('spares', () => {
  test('leave with the proxy, and none is opened after that', async () => {
    await between(serves, { upstream: keeps(2) }, async (client, parts) => {
      const { proxy, mailstore } = parts;
      await untilReady(proxy, 2);
      proxy.spares.close();
      await Promise.all(mailstore.connections.map((each) => each.until(() => each.closed)));
      assert.deepEqual(
        mailstore.connections.map(({ received }) => received),
        ['QUIT\r\n', 'QUIT\r\n'],
      );
      assert.equal(await ready(proxy), 0);
      await client.line();
      assert.equal(await logIn(client), '+OK logged in', 'a login under way still connects');
      assert.equal(mailstore.connections.length, 3);
    });
  });

  test('are opened anew by a reload', async () => {
    await between(serves, { upstream: keeps(2) }, async (_, { proxy, mailstore }) => {
      await untilReady(proxy, 2);
      const before = [...mailstore.connections];
      proxy.spares.renew();
      await Promise.all(before.map((each) => each.until(() => each.closed)));
      await untilReady(proxy, 2);
      assert.equal(mailstore.connections.length, 4);
    });
  });

  test('are none unless they are asked for', async () => {
    await between(serves, {}, async (client, { proxy, mailstore }) => {
      await client.line();
      assert.equal(await logIn(client), '+OK logged in');
      assert.equal(mailstore.connections.length, 1);
      for (const event of ['taken', 'missed']) assert.equal(await spares(proxy, event), 0);
    });
  });
});
