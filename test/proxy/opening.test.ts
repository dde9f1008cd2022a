/** Reaching a mailstore: addresses, TLS, deadlines; and the exact octets that each way of logging in sends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { LoginMode } from '../../src/proxy/upstream.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { between, logsIn } from '../support/between.ts';
import { waited } from '../support/clock.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { accepted, startTestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { type Script, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { SILENT, withSilence } from '../support/silence.ts';
import { SERVER_TLS, type TestCertificate, temporaryCertificates } from '../support/tls.ts';
import { type TransportPeer, transportMailstore } from '../support/transport-peer.ts';

const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';

/** Nothing listens there: the mailstores of these tests are on 127.0.0.1 alone. */
const REFUSES = '127.0.0.2';
const STANDS = '127.0.0.1';
/** The kernel refuses by itself to connect to all the world. */
const NO_WAY = '255.255.255.255';

const certificates = temporaryCertificates();

type Outcome = {
  reply: string;
  failure: unknown;
  detail: string;
  address: unknown;
  ms: number;
  idle: number;
};

/** One login of john's, and what is logged of it. */
async function logInOnce(options: TestProxyOptions): Promise<Outcome> {
  const proxy = await startTestProxy(options);
  const client = await Pop3Client.connect(proxy.port);
  try {
    const startedAt = performance.now();
    let reply = '';
    const idle = await waited(async () => {
      await client.line();
      await client.ask('USER john');
      reply = await client.ask('PASS secret');
    });
    const ms = performance.now() - startedAt;
    client.destroy();
    await proxy.logged(1);
    const event = proxy.lines
      .map((line) => JSON.parse(line))
      .find(({ event }) => event === 'upstream-failed');
    const { failure, address } = event ?? {};
    return { reply, failure, detail: String(event?.detail), address, ms, idle };
  } finally {
    client.destroy();
    await proxy.close();
  }
}

/** Logs in and closes when the proxy does. */
const serves: Script = async (connection) => {
  await connection.logIn();
  if ((await connection.line()) === null) connection.end();
};

describe('several addresses of one host', () => {
  const resolver = (...addresses: string[]) => ({ resolve: async () => addresses });

  test('the first refuses: the next is tried', async () => {
    const mailstore = await startScriptedMailstore(serves);
    const outcome = await logInOnce({
      upstream: { port: mailstore.port, host: 'mail.test' },
      resolver: resolver(REFUSES, STANDS),
    });
    assert.equal(outcome.reply, '+OK logged in');
    assert.equal(outcome.failure, undefined);
    await mailstore.close();
  });

  test('there is no way to the first: the next one has the login', async () => {
    const mailstore = await startScriptedMailstore(serves);
    const outcome = await logInOnce({
      upstream: { port: mailstore.port, host: 'mail.test', timeoutMs: 5_000 },
      resolver: resolver(NO_WAY, STANDS),
    });
    assert.deepEqual([outcome.reply, outcome.failure], ['+OK logged in', undefined]);
    await mailstore.close();
  });

  test('the first is silent: it gets its share of the time, the next the rest', async () => {
    const mailstore = await startScriptedMailstore(serves);
    const { transport, abandoned } = await withSilence();
    const outcome = await logInOnce({
      transport,
      upstream: { port: mailstore.port, host: 'mail.test', timeoutMs: 3_000 },
      resolver: resolver(SILENT, STANDS),
    });
    assert.equal(outcome.reply, '+OK logged in');
    assert.ok(outcome.ms >= 1_490 && outcome.idle < 2_990, `${outcome.ms} ms, ${outcome.idle} ms`);
    assert.ok(abandoned(), 'the attempt is given up, not left behind');
    await mailstore.close();
  });

  test('the one that stands has all of the time, not its share alone', async () => {
    const mailstore = await startScriptedMailstore(async (connection) => {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await serves(connection);
    });
    const { reply, failure } = await logInOnce({
      upstream: { port: mailstore.port, host: 'mail.test', timeoutMs: 8_000 },
      resolver: resolver(...Array<string>(8).fill(STANDS)),
    });
    assert.deepEqual([reply, failure], ['+OK logged in', undefined]);
    await mailstore.close();
  });

  test('all refuse, or are silent: the last one is told of', async () => {
    const { transport } = await withSilence();
    const upstream = { port: 1, host: 'mail.test', timeoutMs: 300 };
    const patient = { ...upstream, timeoutMs: 5_000 };
    const refused = await logInOnce({ upstream: patient, resolver: resolver(REFUSES, STANDS) });
    assert.deepEqual([refused.reply, refused.failure, refused.address], [TEMP, 'connect-refused', STANDS]);
    const silent = await logInOnce({ transport, upstream, resolver: resolver(REFUSES, SILENT, SILENT) });
    assert.deepEqual([silent.reply, silent.failure, silent.address], [TEMP, 'connect-timeout', SILENT]);
    assert.ok(silent.ms >= 290 && silent.idle < 1000, `${silent.ms} ms, ${silent.idle} ms`);
  });

  test('a second address is not tried once the first has spoken', async () => {
    const mailstore = await startScriptedMailstore((connection) => connection.end());
    const outcome = await logInOnce({
      upstream: { port: mailstore.port, host: 'mail.test' },
      resolver: resolver(STANDS, STANDS),
    });
    assert.deepEqual([outcome.reply, outcome.failure], [TEMP, 'closed']);
    assert.equal(mailstore.connections.length, 1);
    await mailstore.close();
  });
});

describe('a name', () => {
  const upstream = { port: 1, host: 'mail.test', timeoutMs: 200 };

  test('that cannot be resolved', async () => {
    const resolver = { resolve: () => Promise.reject(new Error('ENOTFOUND')) };
    const { reply, failure, detail } = await logInOnce({ upstream, resolver });
    assert.deepEqual([reply, failure, detail], [TEMP, 'not-resolved', 'mail.test: ENOTFOUND']);
  });

  test('without an address', async () => {
    const { reply, failure } = await logInOnce({ upstream, resolver: { resolve: async () => [] } });
    assert.deepEqual([reply, failure], [TEMP, 'not-resolved']);
  });

  test('that resolves too late connects nowhere', async () => {
    let resolved = (_: readonly string[]) => {};
    const late = new Promise<readonly string[]>((resolve) => {
      resolved = resolve;
    });
    let connects = 0;
    const transport = await pickTransport();
    const counting: Transport = {
      ...transport,
      connect(options) {
        connects += 1;
        return transport.connect(options);
      },
    };
    const { reply, failure } = await logInOnce({
      transport: counting,
      upstream,
      resolver: { resolve: () => late },
    });
    assert.deepEqual([reply, failure], [TEMP, 'connect-timeout']);
    resolved([STANDS]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(connects, 0);
  });
});

describe('TLS towards the mailstore', () => {
  const clientTls = async (serverName: string, verify = true) =>
    (await pickTransport()).clientTls({
      ca: certificates.ca,
      serverName,
      verify,
      minVersion: 'TLSv1.2',
    });

  /** Implicit TLS with the runtime's own server, which logs everybody in; and what it has heard inside TLS. */
  async function implicit(
    certificate: TestCertificate,
    serverName: string,
    verify = true,
  ): Promise<Outcome & { heard: string }> {
    let heard = '';
    const server = createTlsServer({ cert: certificate.certificate, key: certificate.key }, (socket) => {
      socket.write('+OK ready\r\n');
      socket.on('data', (octets) => {
        heard += octets.toString('latin1');
        socket.write(octets.toString().startsWith('USER') ? '+OK\r\n' : '+OK in\r\n');
      });
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const upstream = { port, tls: 'implicit', clientTls: await clientTls(serverName, verify) } as const;
    try {
      return { ...(await logInOnce({ upstream })), heard };
    } finally {
      server.close();
    }
  }

  test('implicit, verified', async () => {
    const { reply, heard } = await implicit(certificates.ecdsa, 'mail.test');
    assert.deepEqual([reply, heard], ['+OK in', 'USER johnacme\r\nPASS upstream-secret\r\n']);
  });

  for (const [what, certificate, serverName] of [
    ['another name', certificates.ecdsa, 'other.test'],
    ['an expired one', certificates.expired, 'mail.test'],
    ['an unknown authority', certificates.stranger, 'mail.test'],
  ] as const) {
    test(`a certificate of ${what} is refused, and nothing is said to it`, async () => {
      const { reply, failure, heard } = await implicit(certificate, serverName);
      assert.deepEqual([reply, failure, heard], [TEMP, 'certificate-invalid', '']);
    });
  }

  test('a certificate that is not to be verified', async () => {
    assert.equal((await implicit(certificates.stranger, 'mail.test', false)).reply, '+OK in');
  });

  test('a plain mailstore on a TLS port', async () => {
    const mailstore = await startScriptedMailstore((connection) => connection.send('+OK ready\r\n'));
    const upstream = {
      port: mailstore.port,
      tls: 'implicit',
      clientTls: await clientTls('mail.test'),
    } as const;
    const { reply, failure } = await logInOnce({ upstream });
    assert.deepEqual([reply, failure], [TEMP, 'tls-failed']);
    assert.ok(!mailstore.connections[0]!.received.includes('USER'));
    await mailstore.close();
  });

  test('a mailstore that hangs in the handshake', async () => {
    const mailstore = await startScriptedMailstore(() => {});
    const tls = { tls: 'implicit', clientTls: await clientTls('mail.test') } as const;
    const { reply, failure, detail } = await logInOnce({
      upstream: { port: mailstore.port, timeoutMs: 1_000, ...tls },
    });
    assert.deepEqual([reply, failure], [TEMP, 'login-timeout']);
    assert.match(detail, /handshake/);
    await mailstore.close();
  });

  test('STLS: names and passwords cross inside alone', async () => {
    const transport = await pickTransport();
    const peers: TransportPeer[] = [];
    const serverTls = transport.serverTls({
      ...SERVER_TLS,
      certificates: [certificates.ecdsa],
      alpn: [],
    });
    const mailstore = await transportMailstore(transport, peers, serverTls);
    const upstream = {
      port: mailstore.port,
      tls: 'starttls',
      clientTls: await clientTls('mail.test'),
    } as const;
    assert.equal((await logInOnce({ upstream })).reply, '+OK logged in');
    assert.equal(peers[0]!.text, 'STLS\r\nUSER johnacme\r\nPASS upstream-secret\r\n');
    assert.ok(peers[0]!.connection.tls !== null);
    await mailstore.close();
  });

  for (const [what, answer, reply, failure] of [
    ['a mailstore without STLS', '-ERR unknown command\r\n', PERM, 'stls-refused'],
    ['octets behind its +OK', '+OK go\r\n+OK injected\r\n', TEMP, 'octets-before-tls'],
    ['a continuation', '+ \r\n', TEMP, 'unexpected-continuation'],
    ['no TLS behind its +OK', '+OK go\r\n', TEMP, 'login-timeout'],
  ] as const) {
    test(`STLS: ${what} never falls back to plain text`, async () => {
      const mailstore = await startScriptedMailstore(async (connection) => {
        connection.send('+OK ready\r\n');
        await connection.line();
        connection.send(answer);
      });
      const tls = { tls: 'starttls', clientTls: await clientTls('mail.test') } as const;
      const outcome = await logInOnce({ upstream: { port: mailstore.port, timeoutMs: 1_500, ...tls } });
      assert.deepEqual([outcome.reply, outcome.failure], [reply, failure]);
      assert.ok(!mailstore.connections[0]!.received.includes('USER'));
      await mailstore.close();
    });
  }
});

describe('what is sent', () => {
  /** Octets that UTF-8 would change, and spaces at both ends. */
  const password = ' p\xe4ss w\xf6rd ';
  const lines = (...commands: string[]) => commands.map((command) => `${command}\r\n`).join('');
  const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
  const long = 'm'.repeat(200);

  const MODES: [string, LoginMode, string][] = [
    ['passthrough', { mode: 'passthrough' }, lines('USER johnacme', `PASS ${password}`)],
    [
      'master',
      { mode: 'master', user: 'proxy', password: 'm\xfc', separator: '*' },
      lines('USER johnacme*proxy', 'PASS m\xfc'),
    ],
    ['secret', { mode: 'secret', password: 's s' }, lines('USER johnacme', 'PASS s s')],
    [
      'plain',
      { mode: 'plain', user: 'proxy', password: 'm\xfc' },
      lines(`AUTH PLAIN ${base64('johnacme\0proxy\0m\xfc')}`),
    ],
  ];
  for (const [name, login, expected] of MODES) {
    test(name, async () => {
      const script: Script = async (connection) => {
        connection.send('+OK ready\r\n');
        if ((await connection.line())?.startsWith('USER')) {
          connection.send('+OK\r\n');
          await connection.line();
        }
        connection.send('+OK logged in\r\n');
      };
      await between(script, { login, decide: () => accepted('johnacme') }, async (client, { mailstore }) => {
        await client.line();
        await client.ask('USER john');
        assert.equal(await client.ask(`PASS ${password}`), '+OK logged in');
        assert.equal(mailstore.connections[0]!.received, expected);
      });
    });
  }

  test('plain, on a line of its own where it does not fit behind AUTH', async () => {
    const script: Script = async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+ \r\n');
      await connection.line();
      connection.send('+OK logged in\r\n');
    };
    const login = { mode: 'plain', user: 'proxy', password: long } as const;
    await between(script, { login }, async (client, { mailstore }) => {
      await client.line();
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), '+OK logged in');
      const { received } = mailstore.connections[0]!;
      assert.equal(received, lines('AUTH PLAIN', base64(`johnacme\0proxy\0${long}`)));
    });
  });

  test('a local user in whom the mailstore could read a master is asked of nobody', async () => {
    for (const [login, name] of [
      [{ mode: 'passthrough' }, 'john*proxy'],
      [{ mode: 'master', user: 'proxy', password: 'm', separator: '!' }, 'john!proxy'],
    ] as const) {
      await between(logsIn, { login, decide: () => accepted(name) }, async (client, { proxy, mailstore }) => {
        await client.line();
        await client.ask('USER john');
        assert.equal(await client.ask('PASS secret'), PERM);
        client.destroy();
        assert.equal((await proxy.logged(1))[0]?.reason, 'no-local-user');
        assert.equal(mailstore.connections.length, 0);
      });
    }
  });
});
