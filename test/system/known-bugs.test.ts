/**
 * What went wrong on the wire in other proxies and servers, by CVE or by name, tried on a running proxy, on both
 * runtimes. test/system/known-bugs-tables.test.ts has what went wrong in their look-ups.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import {
  ADDRESS,
  JANE,
  JOHN,
  MASTER,
  OTTO,
  type RunningSite,
  type SiteParts,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import {
  type ScriptedConnection,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { logIn, loginReply, openClient, openSession, sessionOf } from '../support/site-clients.ts';

const MEBI = 1024 * 1024;
const PASSWORD = 'scr1pted';
/** What a man in the middle would have the client believe. */
const INJECTED = '+OK 1 messages\r\n+OK injected\r\n';

/** Mailstores that misbehave, each an upstream with a domain of its name. */
const SCRIPTS: Record<string, { tls: string; run: (connection: ScriptedConnection) => Promise<void> }> = {
  'behind-stls': {
    tls: 'starttls',
    run: async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send(`+OK Begin TLS\r\n${INJECTED}`);
    },
  },
  'behind-stls-later': {
    tls: 'starttls',
    run: async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+OK Begin TLS\r\n');
      await connection.until(() => connection.received.length > 'STLS\r\n'.length);
      connection.send(INJECTED);
    },
  },
  'ahead-of-tls': {
    tls: 'implicit',
    run: async (connection) => connection.send(`+OK ready\r\n${INJECTED}`),
  },
  'behind-greeting': {
    tls: 'off',
    run: async (connection) => connection.send(`+OK ready\r\n${INJECTED}`),
  },
  refuses: {
    tls: 'off',
    run: async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('+OK\r\n');
      await connection.line();
      connection.send('-ERR no\r\n');
      for (let line = await connection.line(); line !== null; line = await connection.line())
        connection.send(INJECTED);
    },
  },
};

let site: RunningSite;
const stores = new Map<string, ScriptedMailstore>();

before(async () => {
  for (const [name, { run }] of Object.entries(SCRIPTS)) stores.set(name, await startScriptedMailstore(run));
  const domains = Object.keys(SCRIPTS).map((name) => `${name}.test:*:textfile:/m:0:m:m:{dir}/s.passwd:99:\n`);
  site = await startSite({
    tables: {
      'teapop.passwd': standardTables()['teapop.passwd'] + domains.join(''),
      's.passwd': `ada:${PASSWORD}:ada\n`,
    },
    config,
  });
});
after(async () => {
  await site?.stop();
  for (const store of stores.values()) await store.close();
});

function config({ folder, certificates, dovecot }: SiteParts) {
  const file = folder.file('master.password', `${MASTER.password}\n`, 0o600);
  const scripted = Object.entries(SCRIPTS).map(([name, { tls }]) => ({
    ...{ name, host: ADDRESS, port: stores.get(name)!.port, tls },
    ...(tls === 'off' ? {} : { ca_file: certificates.caFile, server_name: 'mail.test' }),
  }));
  const real = {
    ...{ name: 'mailstore', host: ADDRESS, port: dovecot!.port },
    login: { master: { user: MASTER.user, password_file: file } },
  };
  const domains = Object.keys(SCRIPTS).map((name) => [`${name}.test`, { upstream: name }]);
  return {
    upstreams: [real, ...scripted],
    tables: { domain_table: `${folder.path}/teapop.passwd`, domains: Object.fromEntries(domains) },
    log: { level: 'debug' },
  };
}

const ada = (name: string) => ({ login: `ada@${name}.test`, password: PASSWORD });
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

for (const runtime of ['bun', 'node'] as const) {
  describe(`on ${runtime}`, () => {
    before(() => site.restart(runtime));
    describe('STARTTLS injection', starttlsInjection);
    describe('response injection', responseInjection);
    describe('SASL', sasl);
    describe('names', names);
    describe('the hand-over', handOver);
    test('a PROXY header is believed from nobody who was not asked for one', unaskedProxyHeader);
    test('no secret gets into the log, whatever becomes of its login', secretsInLogs);
  });
}

function starttlsInjection() {
  const BEHIND = `USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\nSTAT\r\n`;
  const WAYS: Record<string, string[]> = {
    'in the same segment': [`STLS\r\n${BEHIND}`],
    'in a segment of its own': ['STLS\r\n', BEHIND],
    'a part of a line in the same segment': ['STLS\r\nUSER jo'],
    'a part of a line in a later segment': ['STLS\r\n', 'USER jo'],
    'a single octet': ['STLS\r\n\n'],
  };
  for (const [way, segments] of Object.entries(WAYS)) {
    test(`CVE-2011-0411, CVE-2014-3556, CVE-2021-33515, CVE-2021-38542: ${way}`, async () => {
      const client = await openClient(site, 'pop3');
      const { attempts, result } = await sessionOf(site, client, async () => {
        for (const segment of segments) {
          client.send(segment);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        // Its last words; what a TLS server would say of plain text is no line.
        assert.doesNotMatch(await client.rest(), /\+OK (?!Begin TLS)/);
      });
      assert.deepEqual([attempts, result], [0, 'none']);
    });
  }

  test('and all that was said before TLS is forgotten after it', async () => {
    const client = await openClient(site, 'pop3');
    await client.ask(`USER ${JOHN.login}`);
    await client.ask('STLS');
    await client.startTls(site.certificates.ca);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '-ERR Send USER first');
    client.destroy();
  });
}

function responseInjection() {
  const FAILURES: Record<string, RegExp> = {
    'behind-stls': /^octets-before-tls$/,
    'behind-stls-later': /^(tls-failed|octets-before-tls)$/,
    'ahead-of-tls': /^tls-failed$/,
    'behind-greeting': /^octets-after-greeting$/,
  };
  for (const [name, failure] of Object.entries(FAILURES)) {
    test(`CVE-2026-1642: octets of a man in the middle, ${name}, never reach the client`, async () => {
      const client = await openClient(site, 'pop3s');
      assert.equal(
        await logIn(client, ada(name)),
        '-ERR [SYS/TEMP] Login is not possible now, try again later',
      );
      assert.equal(await client.ask('NOOP'), '+OK');
      assert.equal(await client.ask('QUIT'), '+OK Bye');
      assert.equal(await client.rest(), '');
      assert.doesNotMatch(client.received, /injected|messages/);
      client.destroy();
      const event = await site.proxy.logged('upstream-failed', { upstream: name });
      assert.match(event.failure as string, failure);
      for (const { received } of stores.get(name)!.connections) assert.doesNotMatch(received, /USER|PASS/);
    });
  }
}

function sasl() {
  test('CVE-2025-59028: bad base64 hurts no other session', async () => {
    const others = await Promise.all([openSession(site, JOHN), openSession(site, JANE, 'pop3s')]);
    const bad = ['====', '!!!!', 'A', 'AGFkYQ', '\xff\xfe', 'QUJD=QUJD', `${'A'.repeat(9_000)}!`];
    const attackers = bad.map(async (response) => {
      const client = await openClient(site, 'pop3s');
      assert.equal(await client.ask('AUTH PLAIN'), '+ ');
      assert.match(await client.ask(response), /^-ERR (Bad base64|Malformed response)$/);
      // The session itself goes on too.
      assert.equal(await logIn(client, OTTO), '+OK Logged in.');
      client.destroy();
    });
    const logins = [JOHN, JANE, OTTO].map((person) => loginReply(site, person, 'pop3s'));
    await Promise.all(attackers);
    assert.deepEqual(await Promise.all(logins), Array(logins.length).fill('+OK Logged in.'));
    for (const session of others) {
      assert.match(await session.ask('STAT'), /^\+OK /);
      session.destroy();
    }
  });

  test('CVE-2017-15132: aborted SASL exchanges leave nothing in memory', async () => {
    // The user name is kept until the password comes; the fifth bad command would end the connection.
    const exchange = `AUTH LOGIN\r\n${base64('x'.repeat(9_000))}\r\n*\r\n`;
    const abort = async () => {
      const client = await openClient(site);
      client.send(`${exchange.repeat(4)}QUIT\r\n`);
      assert.equal((await client.rest()).match(/-ERR Authentication cancelled/g)?.length, 4);
      client.destroy();
    };
    const rounds = async (count: number) => {
      for (let at = 0; at < count; at += 50) await Promise.all(Array.from({ length: 50 }, abort));
    };
    const growth = async () => {
      const before = site.proxy.memory();
      await rounds(1_200);
      return (site.proxy.memory() - before) / MEBI;
    };
    await rounds(300);
    // Were all kept, each lot was seen to take 66 MiB. The collector may put off the first ones, not all.
    const grown: number[] = [];
    while (grown.length < 4 && (grown.at(-1) ?? 24) >= 24) grown.push(await growth());
    assert.ok(grown.at(-1)! < 24, `grew by ${grown.map((lot) => lot.toFixed(1)).join(', ')} MiB`);
  });
}

function names() {
  test('CVE-2019-10691: a name that is no UTF-8 is refused like any other, and logged', async () => {
    for (const name of [
      '\xff\xfe\x80@acme.com',
      'j\xc3@acme.com',
      '\xed\xa0\x80@acme.com',
      '\x7f\x1b[2J@acme.com',
    ]) {
      assert.equal(await loginReply(site, { login: name, password: '\xff' }), '-ERR [AUTH] Login failed');
      const client = await openClient(site);
      const plain = base64(`\0${name}\0\xff`);
      assert.equal(await client.ask(`AUTH PLAIN ${plain}`), '-ERR [AUTH] Login failed');
      client.destroy();
    }
    assert.equal(await loginReply(site, JOHN), '+OK Logged in.');
    // Each of its lines has been read as JSON here; what it holds can be printed on a terminal.
    const lines = await site.proxy.sessions(9);
    for (const { login } of lines) assert.doesNotMatch(login ?? '', /[\0-\x1f\x7f]/);
  });

  test('CVE-2017-15130: a new server name in each handshake makes no context that stays', async () => {
    const port = site.proxy.port('pop3s');
    const shake = (servername: string) =>
      new Promise<void>((resolve, reject) => {
        const socket = connectTls({
          host: ADDRESS,
          port,
          servername,
          ca: site.certificates.ca,
          rejectUnauthorized: false,
        });
        socket.once('error', reject).once('data', () => {
          socket.destroy();
          resolve();
        });
      });
    let serial = 0;
    const rounds = async (count: number) => {
      for (let at = 0; at < count; at += 10)
        await Promise.all(
          Array.from({ length: 10 }, () => shake(`n${++serial}-${'x'.repeat(50)}.example.org`)),
        );
    };
    await rounds(200);
    const before = site.proxy.memory();
    await rounds(600);
    const grown = (site.proxy.memory() - before) / MEBI;
    // A TLS context of its own for each would be far more.
    assert.ok(grown < 16, `grew by ${grown.toFixed(1)} MiB`);
  });
}

function handOver() {
  test("nginx before 0.3.53: a mailstore's -ERR begins no relay", async () => {
    const client = await openClient(site, 'pop3s');
    const store = stores.get('refuses')!;
    const heard = store.connections.length;
    assert.match(await logIn(client, ada('refuses')), /^-ERR \[SYS\/PERM\] /);
    assert.equal(await client.ask('STAT'), '-ERR Unknown command');
    assert.equal(await logIn(client, JOHN), '+OK Logged in.');
    client.destroy();
    const connection = store.connections[heard]!;
    await until('the refusal to be the end', () => connection.closed || connection.ended);
    assert.equal(connection.received, `USER ada\r\nPASS ${PASSWORD}\r\n`);
  });

  test('perdition: no command sent ahead of the answer to the login is lost', async () => {
    const client = await Pop3Client.connect(site.proxy.port('plain'));
    client.send(`USER ${JANE.login}\r\nPASS ${JANE.password}\r\nNOOP\r\nNOOP\r\nSTAT\r\nNOOP\r\nQUIT\r\n`);
    const replies = (await client.rest()).split('\r\n').slice(0, -1);
    assert.equal(replies.length, 8, replies.join('|'));
    for (const reply of replies) assert.match(reply, /^\+OK/);
    client.destroy();
  });
}

async function unaskedProxyHeader(): Promise<void> {
  for (const header of ['PROXY TCP4 192.0.2.1 192.0.2.2 4711 110\r\n', 'PROXY UNKNOWN\r\n']) {
    const client = await openClient(site);
    const { client: whose } = await sessionOf(site, client, async () => {
      assert.equal(await client.ask(header.trimEnd()), '-ERR Unknown command');
      assert.equal(await loginReply(site, JOHN), '+OK Logged in.');
    });
    assert.equal(whose.address, ADDRESS);
  }
  const binary = connect(site.proxy.port('plain'), ADDRESS);
  const heard: string[] = [];
  binary.on('data', (octets) => heard.push(octets.toString('latin1')));
  binary.write(
    Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\0\x6e', 'latin1'),
  );
  // It even holds a QUIT, on a line of its own.
  await until(
    'the end',
    () => binary.readableEnded || binary.destroyed || heard.join('').includes('+OK Bye'),
  );
  binary.destroy();
  const spoofed = (await site.proxy.sessions(0)).filter(({ client }) =>
    client.address.startsWith('192.0.2.'),
  );
  assert.deepEqual(spoofed, []);
}

async function secretsInLogs(): Promise<void> {
  const wrong = 'wr0ng-but-n3arly';
  const client = await openClient(site, 'pop3s');
  await logIn(client, { ...JOHN, password: wrong });
  await client.ask(`AUTH PLAIN ${base64(`\0${JOHN.login}\0${wrong}`)}`);
  await client.ask(`PASS ${wrong} behind nothing`);
  await client.ask(`PA SS ${wrong}`);
  client.destroy();
  const cut = await openClient(site);
  cut.send(`USER ${JOHN.login}\r\nPASS ${wrong}`);
  cut.destroy();
  for (const name of Object.keys(SCRIPTS)) await loginReply(site, ada(name), 'pop3s');
  for (const person of [JOHN, JANE, OTTO]) await loginReply(site, person, 'pop3s');
  const output = site.proxy.output();
  for (const secret of [wrong, PASSWORD, MASTER.password, JOHN.password, JANE.password, OTTO.password]) {
    assert.ok(!output.includes(secret), secret);
    assert.ok(!output.includes(base64(secret).replace(/..?=*$/, '')), `${secret} in base64`);
  }
}
