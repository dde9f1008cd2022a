import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Mailstore, startMailstore } from '../../src/demo/mailstore.ts';
import { DEMO_LOCAL_USER, DEMO_MESSAGES } from '../../src/demo/messages.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { isListening, pause } from '../support/ports.ts';

/** More octets than the sockets' buffers take at once. */
const BIG = `Subject: big\r\n\r\n${`.${'x'.repeat(76)}\r\n`.repeat(100_000)}`;

let mailstore: Mailstore;

before(async () => {
  mailstore = await startMailstore({
    transport: await pickTransport(),
    address: '127.0.0.1',
    port: 0,
    maildrops: new Map([
      [DEMO_LOCAL_USER, { password: 'x', messages: DEMO_MESSAGES }],
      ['big', { password: 'x', messages: [BIG] }],
      ['leaver', { password: 'x', messages: DEMO_MESSAGES }],
    ]),
  });
});
after(() => mailstore.close());

async function loggedIn(user: string): Promise<Pop3Client> {
  const client = await Pop3Client.connect(mailstore.port);
  assert.match(await client.line(), /^\+OK/);
  assert.equal(await client.ask(`USER ${user}`), '+OK');
  assert.match(await client.ask('PASS x'), /^\+OK/);
  return client;
}

/** What RETR gave, put together again. */
async function retrieved(client: Pop3Client, number: number): Promise<string> {
  assert.match(await client.ask(`RETR ${number}`), /^\+OK/);
  const lines = await client.multiLine();
  return lines.map((line) => `${line.startsWith('.') ? line.slice(1) : line}\r\n`).join('');
}

describe('the demo mailstore', () => {
  test('gives its letters octet for octet', async () => {
    const client = await loggedIn(DEMO_LOCAL_USER);
    for (const [index, message] of DEMO_MESSAGES.entries()) {
      assert.equal(await retrieved(client, index + 1), message);
    }
    assert.equal(await client.ask('QUIT'), '+OK bye');
    await client.gone();
  });

  test('takes a command that comes in pieces, whatever others send between them', async () => {
    const client = await Pop3Client.connect(mailstore.port);
    const other = await Pop3Client.connect(mailstore.port);
    assert.match(await client.line(), /^\+OK/);
    assert.match(await other.line(), /^\+OK/);
    for (const piece of ['US', 'ER b', 'ig\r']) {
      client.send(piece);
      await pause(20);
      assert.match(await other.ask('XXXX XXXX'), /^-ERR/);
    }
    assert.equal(await client.ask('\nPASS x'), '+OK');
    assert.match(await client.line(), /^\+OK/);
    client.destroy();
    other.destroy();
  });

  test('answers a pipeline in order, and nothing behind QUIT', async () => {
    const client = await Pop3Client.connect(mailstore.port);
    client.send('USER big\r\nPASS x\nSTAT\r\nQUIT\r\nSTAT\r\n');
    const replies = (await client.rest()).split('\r\n').map((line) => line.split(' ').slice(0, 2).join(' '));
    assert.deepEqual(replies, ['+OK demo', '+OK', '+OK maildrop', '+OK 1', '+OK bye', '']);
    await client.gone();
  });

  test('takes lines octet by octet', async () => {
    const client = await Pop3Client.connect(mailstore.port);
    await client.line();
    for (const octet of 'CAPA\r\n') client.send(octet);
    assert.match(await client.line(), /^\+OK/);
    assert.ok((await client.multiLine()).includes('UIDL'));
    client.destroy();
  });

  test('refuses a line of more than 255 octets once and goes on', async () => {
    const client = await Pop3Client.connect(mailstore.port);
    await client.line();
    assert.equal(await client.ask(`USER ${'x'.repeat(248)}`), '+OK');
    assert.equal(await client.ask('x'.repeat(10_000)), '-ERR line too long');
    assert.match(await client.ask('QUIT'), /^\+OK/);
    await client.gone();
  });

  test('waits for a reader that is slower than its answers', async () => {
    const client = await loggedIn('big');
    client.socket.pause();
    client.send(`${'RETR 1\r\n'.repeat(3)}QUIT\r\n`);
    await pause(100);
    client.socket.resume();
    const reply = `+OK ${BIG.length} octets\r\n${BIG.replaceAll('\r\n.', '\r\n..')}.\r\n`;
    // Not by assert.equal, which would print 24 MB.
    assert.ok((await client.rest()) === `${reply.repeat(3)}+OK bye\r\n`);
    await client.gone();
  });

  test('removes nothing for a client that is lost, and lets the next one in', async () => {
    const lost = await loggedIn('leaver');
    assert.match(await lost.ask('DELE 1'), /^\+OK/);
    lost.end();
    await lost.gone();
    const next = await loggedIn('leaver');
    assert.match(await next.ask('STAT'), /^\+OK 3 /);
    assert.match(await next.ask('DELE 1'), /^\+OK/);
    assert.match(await next.ask('QUIT'), /^\+OK/);
    await next.gone();
    const last = await loggedIn('leaver');
    assert.match(await last.ask('STAT'), /^\+OK 2 /);
    last.destroy();
  });

  test('answers what came before a half-close', async () => {
    const client = await Pop3Client.connect(mailstore.port);
    client.send('CAPA\r\n');
    client.end();
    assert.match(await client.rest(), /^\+OK demo.*UIDL\r\n.*\.\r\n$/s);
    await client.gone();
  });

  test('closes with sessions open', async () => {
    const other = await startMailstore({
      transport: await pickTransport(),
      address: '127.0.0.1',
      port: 0,
      maildrops: new Map(),
    });
    const client = await Pop3Client.connect(other.port);
    await client.line();
    await other.close();
    await client.gone();
    assert.equal(await isListening(other.port), false);
  });
});
