/** The mailstore and the clients that the other system tests stand on, without a proxy between them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Client, type ClientName, clients, type FetchOptions, modesOf } from '../support/clients.ts';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { AWKWARD_MESSAGES, bigMessage } from '../support/messages.ts';
import { isListening } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { type TestCertificates, temporaryCertificates } from '../support/tls.ts';

const JOHN = { name: 'johnacme', password: 'j04n4CmE' };
const JANE = { name: 'janeacme', password: 'two words', maildrop: 'maildir' as const };
const LEAVER = { name: 'leaver', password: 'bye' };
const MASTER = { user: 'proxy', password: 'm4ster' };
const BIG = 100 * 1024 * 1024;

let certificates: TestCertificates;
let dovecot: Dovecot;

before(async () => {
  certificates = temporaryCertificates();
  dovecot = await startDovecot({ users: [JOHN, JANE, LEAVER], master: MASTER, tls: certificates.ecdsa });
  for (const message of AWKWARD_MESSAGES) {
    dovecot.deliver(JOHN.name, message);
    dovecot.deliver(JANE.name, message);
  }
});
after(() => dovecot.stop());

async function fetchesAll(client: Client, options: Omit<FetchOptions, 'port'>): Promise<void> {
  const port = options.mode === 'tls' ? dovecot.tlsPort : dovecot.port;
  const fetched = await client({ ...options, port, caFile: certificates.caFile });
  assert.equal(fetched.code, 0, fetched.output);
  const texts = fetched.messages.map((message) => message.toString('latin1'));
  assert.deepEqual(texts, AWKWARD_MESSAGES);
}

for (const [name, client] of Object.entries(clients)) {
  const modes = modesOf(name as ClientName);
  for (const mode of modes) {
    test(`${name} fetches an mbox octet for octet, ${mode}`, () =>
      fetchesAll(client, { mode, user: JOHN.name, password: JOHN.password }));
    test(`${name} fetches a Maildir octet for octet, ${mode}`, () =>
      fetchesAll(client, { mode, user: JANE.name, password: JANE.password }));
  }

  test(`${name} reports a wrong password`, async () => {
    const mode = modes[0]!;
    const options = { mode, port: dovecot.port, user: JOHN.name, password: 'wrong' };
    const fetched = await client(options);
    assert.notEqual(fetched.code, 0);
    assert.deepEqual(fetched.messages, []);
    assert.match(fetched.output, /\[AUTH\]|[Aa]uth/);
  });

  test(`${name} refuses a certificate of a stranger`, async () => {
    const options = { mode: 'tls' as const, port: dovecot.tlsPort, user: JOHN.name, password: JOHN.password };
    const fetched = await client({ ...options, caFile: certificates.stranger.certificateFile });
    assert.notEqual(fetched.code, 0);
    assert.deepEqual(fetched.messages, []);
  });
}

for (const auth of ['plain', 'login'] as const) {
  for (const name of ['curl', 'mpop'] as const) {
    test(`${name} logs in with AUTH ${auth}`, () =>
      fetchesAll(clients[name], { mode: 'tls', user: JOHN.name, password: JOHN.password, auth }));
  }
}

for (const name of ['poplib', 'mpop', 'fetchmail', 'getmail', 'perl', 'neomutt'] as const) {
  test(`${name} removes what it fetched`, async () => {
    dovecot.deliver(LEAVER.name, AWKWARD_MESSAGES[0]!);
    dovecot.deliver(LEAVER.name, AWKWARD_MESSAGES[1]!);
    assert.equal(dovecot.count(LEAVER.name), 2);
    const login = { user: LEAVER.name, password: LEAVER.password };
    const fetched = await clients[name]({ ...login, mode: 'plain', port: dovecot.port, remove: true });
    assert.equal(fetched.code, 0, fetched.output);
    assert.equal(dovecot.count(LEAVER.name), 0);
  });
}

test('a master user opens the maildrop of another', () =>
  fetchesAll(clients.poplib, {
    mode: 'plain',
    user: `${JOHN.name}*${MASTER.user}`,
    password: MASTER.password,
  }));

test('a master user is refused with a wrong password', async () => {
  const reply = await talk(dovecot.port, `AUTH PLAIN ${plain(JOHN.name, MASTER.user, 'wrong')}`);
  assert.match(reply, /^-ERR \[AUTH\]/);
});

test('SASL PLAIN takes an authzid from a master user', async () => {
  const reply = await talk(dovecot.port, `AUTH PLAIN ${plain(JOHN.name, MASTER.user, MASTER.password)}`);
  assert.match(reply, /^\+OK/);
});

test('a session runs as the owner of its maildrop', async () => {
  await clients.mpop({ mode: 'plain', port: dovecot.port, user: JOHN.name, password: JOHN.password });
  // Dovecot's index files are written by the session itself.
  const written = statSync(join(dirname(dovecot.maildrop(JOHN.name)), '../home', JOHN.name, 'mail'));
  assert.equal(written.uid, dovecot.uid(JOHN.name));
  assert.notEqual(dovecot.uid(JOHN.name), dovecot.uid(JANE.name));
});

describe('a mailstore of its own', () => {
  test('gives 100 MB as delivered', async () => {
    const store = await startDovecot({ users: [JOHN] });
    try {
      const message = bigMessage(BIG);
      store.deliver(JOHN.name, message);
      const login = { user: JOHN.name, password: JOHN.password };
      const fetched = await clients.curl({ ...login, mode: 'plain', port: store.port });
      assert.equal(fetched.code, 0, fetched.output);
      assert.deepEqual(fetched.messages.map(digest), [digest(message)]);
    } finally {
      await store.stop();
    }
  });

  test('loses its sessions to SIGKILL, and itself', async () => {
    const store = await startDovecot({ users: [JOHN] });
    const session = connect(store.port, '127.0.0.1');
    let heard = '';
    let closed = false;
    session.on('data', (octets) => {
      heard += octets.toString('latin1');
    });
    session.on('error', () => {});
    session.on('close', () => {
      closed = true;
    });
    session.write(`AUTH PLAIN ${plain('', JOHN.name, JOHN.password)}\r\n`);
    await until('the login', () => /\+OK.*\r\n\+OK/s.test(heard));
    assert.equal(store.kill9Sessions(), 1);
    await until('the end of the session', () => closed);
    assert.equal(await isListening(store.port), true);
    await store.kill9();
    // Its login processes hold the port until they notice.
    await until('the port is free', async () => !(await isListening(store.port)));
  });
});

function digest(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex');
}

function plain(authzid: string, authcid: string, password: string): string {
  return Buffer.from(`${authzid}\0${authcid}\0${password}`, 'latin1').toString('base64');
}

/** The reply to one line after the greeting. */
function talk(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.on('data', (octets) => {
      heard += octets.toString('latin1');
      const [, reply, rest] = heard.split('\r\n');
      if (reply === undefined || rest === undefined) return;
      socket.destroy();
      resolve(reply);
    });
    socket.write(`${line}\r\n`);
  });
}
