import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { between, logIn, logsIn } from '../support/between.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { accepted } from '../support/proxy.ts';
import type { Script } from '../support/scripted-mailstore.ts';

const LOGIN_FAILED = '-ERR [AUTH] Login failed';

describe('the hand-over', () => {
  test('USER PASS STAT QUIT in one segment get four answers in order', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      assert.equal(await connection.line(), 'STAT');
      connection.send('+OK 2 320\r\n');
      assert.equal(await connection.line(), 'QUIT');
      connection.send('+OK bye\r\n');
      connection.end();
    };
    await between(script, {}, async (client, { proxy }) => {
      assert.equal(await client.line(), '+OK ready');
      client.send('USER john\r\nPASS secret\r\nSTAT\r\nQUIT\r\n');
      assert.equal(await client.rest(), '+OK Send the password\r\n+OK logged in\r\n+OK 2 320\r\n+OK bye\r\n');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.equal(record?.result, 'accepted');
      assert.equal(record?.end, 'upstream-closed');
      assert.equal(record?.local_user, 'johnacme');
      assert.equal(record?.octets.to_client, client.received.length);
    });
  });

  test('octets behind PASS, half lines and all values, go upstream first and unchanged', async () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    await between(logsIn, {}, async (client, { mailstore }) => {
      client.send(`USER john\r\nPASS secret\r\n${all}`);
      for (const expected of ['+OK ready', '+OK Send the password', '+OK logged in']) {
        assert.equal(await client.line(), expected);
      }
      client.send('tail');
      const upstream = mailstore.connections[0]!;
      const expected = `USER johnacme\r\nPASS upstream-secret\r\n${all}tail`;
      await upstream.until(() => upstream.received.length >= expected.length);
      assert.equal(upstream.received, expected);
    });
  });

  test('an octet at a time, with bare LF', async () => {
    await between(logsIn, {}, async (client) => {
      for (const octet of 'uSeR john\npass secret\n') {
        client.send(octet);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.equal(await client.line(), '+OK ready');
      assert.equal(await client.line(), '+OK Send the password');
      assert.equal(await client.line(), '+OK logged in');
    });
  });

  test('what the mailstore sends behind its +OK follows it', async () => {
    const script: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+OK\r\n');
      await connection.line();
      connection.send('+OK you are in\r\n+OK more\r\n');
    };
    await between(script, {}, async (client) => {
      client.send('USER john\r\nPASS secret\r\n');
      await client.line();
      await client.line();
      assert.equal(await client.line(), '+OK you are in');
      assert.equal(await client.line(), '+OK more');
    });
  });

  test('a client that half-closed after its commands gets all answers', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      await connection.until(() => connection.ended);
      connection.send('+OK 0 0\r\n');
      connection.end();
    };
    await between(script, {}, async (client) => {
      client.send('USER john\r\nPASS secret\r\nSTAT\r\n');
      client.end();
      assert.match(await client.rest(), /\+OK logged in\r\n\+OK 0 0\r\n$/);
    });
  });

  test('more than the bound pipelined behind PASS is kept by the kernel, not by the proxy, and not lost', async () => {
    const bulk = 'NOOP\r\n'.repeat(100_000);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const decide = async () => {
      await held;
      return accepted('johnacme');
    };
    await between(logsIn, { decide }, async (client, { mailstore }) => {
      client.send(`USER john\r\nPASS secret\r\n${bulk}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      release();
      for (let line = ''; line !== '+OK logged in'; ) line = await client.line();
      const upstream = mailstore.connections[0]!;
      const login = 'USER johnacme\r\nPASS upstream-secret\r\n';
      await upstream.until(() => upstream.received.length >= login.length + bulk.length);
      assert.equal(upstream.received, login + bulk);
    });
  });
});

describe('failed logins', () => {
  test('one text, another try, and the third ends the connection', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      await client.line();
      for (let i = 0; i < 3; i++) {
        await client.ask('USER nobody');
        assert.equal(await client.ask('PASS s3cr3t-of-nobody'), LOGIN_FAILED);
      }
      assert.equal(await client.rest(), '');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.deepEqual(
        [record?.result, record?.reason, record?.end, record?.attempts, record?.login, record?.command],
        ['rejected', 'wrong-password', 'too-many-failures', 3, 'nobody', 'PASS'],
      );
      assert.ok(!proxy.lines.join().includes('s3cr3t'), 'the password is not in the log');
    });
  });

  test('the answer waits for the delay, and what is pipelined behind it waits too', async () => {
    await between(logsIn, { failureDelayMs: 300 }, async (client) => {
      await client.line();
      const before = performance.now();
      client.send('USER nobody\r\nPASS wrong\r\nNOOP\r\n');
      assert.equal(await client.line(), '+OK Send the password');
      assert.equal(await client.line(), LOGIN_FAILED);
      // A timer may be a moment early by this clock.
      assert.ok(performance.now() - before >= 299, 'not before the delay');
      assert.equal(await client.line(), '+OK');
    });
  });

  test('a login that succeeds after one that failed', async () => {
    await between(logsIn, {}, async (client) => {
      await client.line();
      await client.ask('USER john');
      assert.equal(await client.ask('PASS wrong'), LOGIN_FAILED);
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), '+OK logged in');
    });
  });

  test('tables that cannot be asked are [SYS/TEMP] at once, and use up no try', async () => {
    let calls = 0;
    const decide = () => {
      calls += 1;
      return calls <= 4
        ? ({ result: 'unavailable', reason: 'tables-unavailable' } as const)
        : accepted('johnacme');
    };
    await between(logsIn, { decide, failureDelayMs: 5_000 }, async (client) => {
      await client.line();
      for (let i = 0; i < 4; i++) {
        await client.ask('USER john');
        assert.match(await client.ask('PASS secret'), /^-ERR \[SYS\/TEMP\] /);
      }
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), '+OK logged in');
    });
  });

  test("a mailstore that checks the password gets the client's own, never the master's, and its -ERR is a failed login", async () => {
    const script: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+OK\r\n');
      const password = await connection.line();
      connection.send(password === 'PASS right' ? '+OK in\r\n' : '-ERR no\r\n');
    };
    const login = { mode: 'master', user: 'proxy', password: 'm', separator: '*' } as const;
    const decide = () => accepted('root', true);
    await between(script, { decide, login }, async (client, { mailstore }) => {
      await client.line();
      await client.ask('USER root');
      assert.equal(await client.ask('PASS wrong'), LOGIN_FAILED);
      await client.ask('USER root');
      assert.equal(await client.ask('PASS right'), '+OK in');
      assert.match(mailstore.connections[1]!.received, /^USER root\r\nPASS right\r\n/);
    });
  });
});

describe('limits before the login', () => {
  test('silence between lines', async () => {
    await between(logsIn, { limits: { lineMs: 2_000 } }, async (client, { proxy }) => {
      await client.line();
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      assert.equal(await client.ask('NOOP'), '+OK');
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      assert.equal(await client.ask('NOOP'), '+OK');
      assert.equal(await client.rest(), '-ERR Timed out\r\n');
      await client.gone();
      assert.equal((await proxy.logged(1))[0]?.end, 'line-timeout');
    });
  });

  test('all of the time, however busy the client is', async () => {
    await between(logsIn, { limits: { loginMs: 1_500, lineMs: 1_200 } }, async (client, { proxy }) => {
      await client.line();
      const busy = setInterval(() => client.send('NOOP\r\n'), 50);
      assert.match(await client.rest(), /-ERR Timed out\r\n$/);
      clearInterval(busy);
      await client.gone();
      assert.equal((await proxy.logged(1))[0]?.end, 'login-timeout');
    });
  });

  test('bad commands', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      await client.line();
      client.send('XYZZY secretword\r\n'.repeat(6));
      const rest = await client.rest();
      assert.equal(rest.split('\r\n').filter((line) => line.startsWith('-ERR')).length, 5);
      assert.ok(!rest.includes('secretword'));
      await client.gone();
      assert.equal((await proxy.logged(1))[0]?.end, 'too-many-bad-commands');
    });
  });

  test('connections at once: one more is told so, and another is taken when one has gone', async () => {
    await between(logsIn, { limits: { connections: 1 } }, async (client, { proxy }) => {
      await client.line();
      const second = await Pop3Client.connect(proxy.port);
      assert.match(await second.line(), /^-ERR \[SYS\/TEMP\] /);
      await second.gone();
      await client.ask('QUIT');
      await client.gone();
      await proxy.logged(1);
      const third = await Pop3Client.connect(proxy.port);
      assert.equal(await third.line(), '+OK ready');
      third.destroy();
    });
  });

  test('a client that asks and never reads holds no growing queue', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      client.socket.pause();
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 200; i++) client.send('CAPA\r\n'.repeat(10_000));
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(process.memoryUsage().rss - before < 150e6, 'replies are not piled up');
      assert.equal(proxy.sessions.size, 1);
    });
  });
});

describe('the end of a session', () => {
  test('QUIT before the login', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      await client.line();
      client.send('QUIT\r\n');
      assert.equal(await client.rest(), '+OK Bye\r\n');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.deepEqual([record?.result, record?.end], ['none', 'quit']);
    });
  });

  test('a drain sends away who has not logged in, lets the others finish, cuts off what is left', async () => {
    const script: Script = async (connection) => {
      await connection.logIn();
      await connection.line();
      connection.send('+OK still here\r\n');
    };
    await between(script, {}, async (client, { proxy }) => {
      await logIn(client);
      const idle = await Pop3Client.connect(proxy.port);
      await idle.line();
      const drained = proxy.sessions.drain(400);
      assert.match(await idle.rest(), /^-ERR \[SYS\/TEMP\] /);
      await idle.gone();
      assert.equal(await client.ask('NOOP'), '+OK still here');
      await drained;
      assert.equal(proxy.sessions.size, 0);
      assert.equal(await client.rest(), '', "a relayed stream never gets a line of the proxy's own");
      const ends = (await proxy.logged(2)).map(({ end }) => end);
      assert.deepEqual(ends.sort(), ['shutdown', 'shutdown']);
    });
  });

  test('phases and connections are counted down again', async () => {
    await between(logsIn, {}, async (client, { proxy }) => {
      await logIn(client);
      assert.match(await proxy.metrics.text(), /teapop_proxy_sessions\{phase="transaction"\} 1/);
      client.reset();
      await proxy.logged(1);
      const text = await proxy.metrics.text();
      for (const phase of ['authorization', 'authenticating', 'connecting', 'transaction']) {
        assert.match(text, new RegExp(`teapop_proxy_sessions\\{phase="${phase}"\\} 0`));
      }
      assert.match(text, /teapop_proxy_connections\{listener="test"\} 0/);
      assert.match(text, /teapop_proxy_logins_total\{result="accepted",reason="none"\} 1/);
    });
  });
});
