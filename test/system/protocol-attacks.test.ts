/** What clients may not do on the wire, tried on a running proxy over real sockets and TLS, on both runtimes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Pop3Client } from '../support/pop3-client.ts';
import { ADDRESS, JOHN, type RunningSite, startSite } from '../support/running-site.ts';
import { logIn, openClient, sessionOf } from '../support/site-clients.ts';

/** In ms: how long a reply may take that needs no delay and no look-up, far more than a round trip. */
const AT_ONCE = 5_000;

let site: RunningSite;

before(async () => {
  site = await startSite();
});
after(() => site.stop());

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

for (const runtime of ['bun', 'node'] as const) {
  describe(`on ${runtime}`, () => {
    before(() => site.restart(runtime));

    describe('STLS', stls);
    describe('the wrong protocol', wrongProtocol);
    describe('a line', lines);
  });
}

function stls() {
  test('with a command behind it in the same segment ends the connection', async () => {
    const client = await openClient(site, 'pop3');
    const { end } = await sessionOf(site, client, async () => {
      client.send(`STLS\r\nUSER ${JOHN.login}\r\nPASS ${JOHN.password}\r\n`);
      assert.equal(await client.line(), '-ERR Wait for the reply to STLS');
      assert.equal(await client.rest(), '');
    });
    assert.equal(end, 'octets-before-tls');
  });

  test('with a command in a later segment, before the handshake, ends it without a word', async () => {
    const client = await openClient(site, 'pop3');
    const { end, result } = await sessionOf(site, client, async () => {
      assert.equal(await client.ask('STLS'), '+OK Begin TLS');
      client.send(`USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\n`);
      assert.doesNotMatch(await client.rest(), /\+OK|-ERR/);
    });
    assert.match(end, /^(handshake-failed|octets-before-tls)$/);
    assert.equal(result, 'none');
  });

  test('with a command right ahead of the ClientHello: no session comes of it', async () => {
    const client = await openClient(site, 'pop3');
    const { end } = await sessionOf(site, client, async () => {
      await client.ask('STLS');
      client.send('NOOP\r\n');
      await assert.rejects(client.startTls(site.certificates.ca));
    });
    assert.match(end, /^(handshake-failed|octets-before-tls|client-lost)$/);
  });

  test('forgets what came before it, and is not to be had twice', async () => {
    const client = await openClient(site, 'pop3');
    assert.equal(await client.ask(`USER ${JOHN.login}`), '-ERR Log in over TLS only');
    await client.ask('STLS');
    await client.startTls(site.certificates.ca);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '-ERR Send USER first');
    assert.equal(await client.ask('STLS'), '-ERR TLS is active already');
    assert.equal(await logIn(client, JOHN), '+OK Logged in.');
    client.destroy();
  });
}

function wrongProtocol() {
  test('an HTTP request runs no line of its body', async () => {
    const client = await openClient(site);
    const { end } = await sessionOf(site, client, async () => {
      const body = `USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\n`;
      client.send(`POST / HTTP/1.1\r\nHost: mail\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      assert.equal(await client.rest(), '-ERR Unknown command\r\n');
    });
    assert.equal(end, 'wrong-protocol');
  });

  test('a ClientHello on a port that begins in plain text is told so at once', async () => {
    const began = performance.now();
    const options = { host: ADDRESS, port: site.proxy.port('plain'), rejectUnauthorized: false };
    await assert.rejects(
      new Promise((resolve, reject) => {
        connectTls(options, () => resolve(null)).once('error', reject);
      }),
    );
    assert.ok(performance.now() - began < AT_ONCE);
    await site.proxy.logged('session', { listener: 'plain', end: 'wrong-protocol', command: null });
  });

  test('plain text on the port for TLS gets no reply', async () => {
    const client = await Pop3Client.connect(site.proxy.port('pop3s'));
    const { end } = await sessionOf(site, client, async () => {
      client.send(`USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\n`);
      assert.doesNotMatch(await client.rest(), /\+OK|-ERR/);
    });
    assert.equal(end, 'handshake-failed');
  });
}

function lines() {
  const padded = (start: string, octets: number) => `${start.padEnd(octets - '\r\n'.length)}\r\n`;

  test('of 255 octets is taken, a longer one is refused and its rest is no command', async () => {
    const client = await openClient(site);
    client.send(padded('NOOP', 255));
    assert.equal(await client.line(), '+OK');
    client.send(`${padded('NOOP', 256)}NOOP\r\n`);
    assert.equal(await client.line(), '-ERR Line too long');
    assert.equal(await client.line(), '+OK');
    client.send(`${'x'.repeat(1_000_000)}QUIT\r\nNOOP\r\n`);
    assert.equal(await client.line(), '-ERR Line too long');
    assert.equal(await client.line(), '+OK');
    client.destroy();
  });

  test('with NUL or CR inside runs nothing', async () => {
    const client = await openClient(site);
    for (const line of ['NOOP\0', 'USER john\rPASS x', 'NOOP\r\0']) {
      assert.equal(await client.ask(line), '-ERR NUL or CR inside a line');
    }
    client.destroy();
  });

  test('of AUTH may be as long as a SASL response, and no longer', async () => {
    const client = await openClient(site, 'pop3s');
    const response = base64(`\0${JOHN.login}\0${'x'.repeat(9_000)}`);
    assert.equal(await client.ask(`AUTH PLAIN ${response}`), '-ERR [AUTH] Login failed');
    assert.equal(await client.ask(`AUTH PLAIN ${'A'.repeat(12_292)}`), '-ERR Line too long');
    assert.equal(await client.ask('AUTH PLAIN'), '+ ');
    assert.equal(await client.ask('A'.repeat(20_000)), '-ERR Line too long');
    assert.equal(await client.ask('NOOP'), '+OK');
    client.destroy();
  });
}
