/**
 * A thousand sessions that end in every way that sessions end, and then no descriptor and no session is left. Most
 * go to a scripted mailstore, which can be made to fail on cue; every fifth to a real Dovecot.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { total } from '../support/exposition.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { start, until } from '../support/process.ts';
import { ADDRESS, JOHN, type RunningSite, standardTables, startSite } from '../support/running-site.ts';
import {
  type ScriptedConnection,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { logIn, openClient, openSession } from '../support/site-clients.ts';

const ROUNDS = 1_000;
/** Rounds at once: as many as a busy minute brings, so that ends meet beginnings. */
const AT_ONCE = 20;
/** More than fits into the queues on the way, so that a round ends in the middle of it. */
const REPLY = `+OK\r\n${'x'.repeat(70)}\r\n`.padEnd(72 * 4_000, `${'y'.repeat(70)}\r\n`);
const PASSWORD = 'scr1pted';

let site: RunningSite;
let scripted: ScriptedMailstore;

before(async () => {
  scripted = await startScriptedMailstore(mailstore);
  const users = ['logs-in', 'resets-login', 'closes-login', 'silent', 'resets-reply', 'closes-reply'];
  site = await startSite({
    tables: {
      'teapop.passwd': `${standardTables()['teapop.passwd']}scripted.test:*:textfile:/m:0:m:m:{dir}/s.passwd:99:\n`,
      's.passwd': users.map((user) => `${user}:${PASSWORD}:${user}\n`).join(''),
    },
    config: ({ folder, dovecot }) => ({
      tables: {
        domain_table: `${folder.path}/teapop.passwd`,
        domains: { 'scripted.test': { upstream: 'scripted' } },
      },
      // A hash that costs next to nothing: a thousand passwords are checked.
      passwords: {
        argon2: { memory: '64KiB', time: 1 },
        fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
      },
      upstreams: [
        {
          ...{ name: 'mailstore', host: ADDRESS, port: dovecot!.port },
          login: { secret: { password_file: folder.file('store.password', 'store-john', 0o600) } },
        },
        { name: 'scripted', host: ADDRESS, port: scripted.port },
      ],
    }),
  });
  site.dovecot!.deliver(JOHN.localUser, 'Subject: short\r\n\r\nshort\r\n');
});
after(async () => {
  await site.stop();
  await scripted.close();
});

/** Does what the name that logs in asks for. */
async function mailstore(connection: ScriptedConnection): Promise<void> {
  connection.send('+OK ready\r\n');
  const user = (await connection.line())?.slice('USER '.length);
  if (user === 'resets-login') return connection.reset();
  connection.send('+OK\r\n');
  await connection.line();
  if (user === 'closes-login') return connection.end();
  if (user === 'silent') return;
  connection.send('+OK\r\n');
  for (let line = await connection.line(); line !== null; line = await connection.line()) {
    connection.send(line === 'QUIT' ? '+OK bye\r\n' : REPLY);
    if (line === 'QUIT') return connection.end();
    if (user === 'resets-reply') return connection.reset();
    if (user === 'closes-reply') return connection.end();
  }
  connection.end();
}

const as = (user: string) => ({ login: `${user}@scripted.test`, password: PASSWORD });

/** A session that has asked for a message, and a mailstore that does what its name says. */
async function retrieve(user: string): Promise<Pop3Client> {
  const client = await openSession(site, as(user));
  client.send('RETR 1\r\n');
  return client;
}

async function untilGone(client: Pop3Client): Promise<Pop3Client> {
  await client.gone();
  return client;
}

type Round = () => Promise<Pop3Client>;

/** Each leaves the client in its hands; its connection is destroyed then, as when its process is killed. */
const ROUNDS_OF_ENDS: Record<string, Round> = {
  'fetches and quits at Dovecot': async () => {
    const client = await openSession(site, JOHN, 'pop3s');
    await client.ask('RETR 1');
    await client.multiLine();
    await client.ask('QUIT');
    return untilGone(client);
  },
  'is killed in a session with Dovecot': async () => {
    const client = await openSession(site, JOHN);
    client.send('RETR 1\r\n');
    client.reset();
    return client;
  },
  'loses the mailstore in mid-reply': async () => untilGone(await retrieve('resets-reply')),
  'hears the mailstore close in mid-reply': async () => untilGone(await retrieve('closes-reply')),
  'is killed in mid-reply': async () => {
    const client = await retrieve('logs-in');
    await client.line();
    client.reset();
    return client;
  },
  'closes its half and reads on': async () => {
    const client = await openSession(site, as('logs-in'));
    client.end();
    return untilGone(client);
  },
  'loses the mailstore in mid-login': async () => {
    const client = await openClient(site);
    assert.match(await logIn(client, as('resets-login')), /^-ERR \[SYS\/TEMP\]/);
    assert.match(await logIn(client, as('closes-login')), /^-ERR \[SYS\/TEMP\]/);
    return client;
  },
  'is killed while the mailstore keeps silent': async () => {
    const client = await openClient(site);
    const asked = () => scripted.connections.filter(({ received }) => received.includes('USER silent'));
    const before = asked().length;
    client.send(`USER ${as('silent').login}\r\nPASS ${PASSWORD}\r\n`);
    await until('the mailstore is asked', () => asked().length > before);
    client.reset();
    return client;
  },
  'is killed while it waits for the refusal': async () => {
    const client = await openClient(site, 'pop3s');
    client.send('USER nobody@acme.com\r\nPASS wrong\r\n');
    await client.line();
    return client;
  },
  'is killed in the handshake': async () => {
    const client = await openClient(site, 'pop3');
    await client.ask('STLS');
    // The start of a ClientHello, and no more.
    client.send('\x16\x03\x01\x02\x00\x01\x00');
    return client;
  },
};

/** The sessions that the proxy counts now; an exposition without the gauge would be no proof. */
async function sessions(): Promise<number> {
  const { body } = await site.admin('/metrics');
  assert.match(body, /^teapop_proxy_sessions\{/m);
  return total(body, 'teapop_proxy_sessions') + total(body, 'teapop_proxy_connections');
}

async function play(rounds: readonly Round[]): Promise<void> {
  const left = [...rounds];
  const player = async () => {
    for (let round = left.pop(); round !== undefined; round = left.pop()) {
      const client = await round();
      client.destroy();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, player));
  await until('no session is left', async () => (await sessions()) === 0);
}

/** What stays open: at any one look something may be about to be closed. */
async function descriptorsAtRest(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look++) {
    least = Math.min(least, site.proxy.descriptors());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return least;
}

test('1,000 sessions leave nothing behind', async (context) => {
  const kinds = Object.values(ROUNDS_OF_ENDS);
  // Once before counting: what is opened at first use stays open.
  await play(kinds);
  const descriptors = await descriptorsAtRest();
  const began = performance.now();
  await play(Array.from({ length: ROUNDS }, (_, index) => kinds[index % kinds.length]!));
  context.diagnostic(`${ROUNDS} sessions in ${Math.round(performance.now() - began)} ms`);
  await until('as many descriptors as before', () => site.proxy.descriptors() === descriptors);
  const { body } = await site.admin('/metrics');
  const ended = (labels = {}) => total(body, 'teapop_proxy_sessions_ended_total', labels);
  assert.equal(ended(), ROUNDS + kinds.length);
  for (const reason of ['upstream-closed', 'upstream-lost', 'client-closed', 'client-lost'])
    assert.ok(ended({ reason }) >= ROUNDS / kinds.length, `${ended({ reason })} × ${reason}`);
  assert.equal(ended({ reason: 'internal' }), 0);
});

test('clients that are processes, killed, leave nothing behind', async () => {
  const descriptors = await descriptorsAtRest();
  const killed = Array.from({ length: 5 }, async () => {
    const url = `pop3://${ADDRESS}:${site.proxy.port('plain')}/1`;
    const user = `${as('logs-in').login}:${PASSWORD}`;
    const client = await start(['curl', '--silent', '--limit-rate', '10k', '--user', user, url]);
    await until('its first octets', () => client.stdout().length > 0);
    client.kill('SIGKILL');
    await client.exited;
  });
  await Promise.all(killed);
  await until('no session is left', async () => (await sessions()) === 0);
  await until('as many descriptors as before', () => site.proxy.descriptors() === descriptors);
});
