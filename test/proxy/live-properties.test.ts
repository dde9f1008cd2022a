/**
 * Random clients and random mailstores with a proxy between them, on real sockets: whatever lines, segments, handshakes
 * and closes come in whatever order, each session ends, is counted and logged once, and what goes across is whole.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { Pop3Client } from '../support/pop3-client.ts';
import { accepted, startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  type ScriptedConnection,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { temporaryCertificates } from '../support/tls.ts';

const certificates = temporaryCertificates();
/** Bounded, for npm test; each run is a session of some milliseconds. */
const RUNS = 80;

type ClientStep =
  | { do: 'send'; text: string }
  | { do: 'stls' }
  | { do: 'pause' }
  | { do: 'end' }
  | { do: 'reset' };

/** What the mailstore does with a line that it gets, by number of the line; with none left it says +OK. */
type StoreStep =
  | '+OK\r\n'
  | '-ERR no\r\n'
  | 'garbage\r\n'
  | '+'
  | '+OK\r\n+OK\r\n'
  | 'close'
  | 'reset'
  | 'silent';

const line = fc.constantFrom(
  'NOOP',
  'CAPA',
  'USER john',
  'USER jane',
  'PASS secret',
  'PASS wrong',
  'AUTH PLAIN AGpvaG4Ac2VjcmV0',
  'AUTH PLAIN',
  'AUTH LOGIN',
  'am9obg==',
  'c2VjcmV0',
  '*',
  'STAT',
  'QUIT',
  'DELE 1',
  'x'.repeat(300),
  '',
);
const login = fc.constant('USER john\r\nPASS secret\r\n');
const piece = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(line, fc.constantFrom('\r\n', '\n', '\r\n', '')).map((parts) => parts.join('')),
  },
  { weight: 3, arbitrary: login },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 80 }).map((octets) => Buffer.from(octets).toString('latin1')),
  },
);
const clientStep = fc.oneof(
  { weight: 8, arbitrary: piece.map((text): ClientStep => ({ do: 'send', text })) },
  { weight: 1, arbitrary: fc.constantFrom<ClientStep>({ do: 'stls' }, { do: 'pause' }) },
  { weight: 1, arbitrary: fc.constantFrom<ClientStep>({ do: 'end' }, { do: 'reset' }) },
);
const storeStep = fc.oneof(
  { weight: 6, arbitrary: fc.constant<StoreStep>('+OK\r\n') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<StoreStep>(
      ...(['-ERR no\r\n', 'garbage\r\n', '+', '+OK\r\n+OK\r\n', 'close', 'reset', 'silent'] as const),
    ),
  },
);
const encounter = fc.record({
  client: fc.array(clientStep, { minLength: 1, maxLength: 10 }),
  greeting: storeStep,
  store: fc.array(storeStep, { maxLength: 6 }),
});

/** All that the proxy says of its own, one line after the other. */
const OWN_LINES =
  /^((\+OK|-ERR)( [\x20-\x7e]*)?\r\n|[A-Z0-9-]+( [\x20-\x7e]+)*\r\n|\.\r\n|\+ [A-Za-z0-9+/=]*\r\n)*$/;

let proxy: TestProxy;
let mailstore: ScriptedMailstore;
let script: { greeting: StoreStep; store: StoreStep[] };
/** Sessions so far; the local user tells which of them an upstream connection belongs to. */
let met = 0;

before(async () => {
  mailstore = await startScriptedMailstore(play);
  proxy = await startTestProxy({
    upstream: { port: mailstore.port, timeoutMs: 300 },
    tls: { mode: 'starttls', certificate: certificates.ecdsa },
    decide: (credentials) => {
      const { user } = credentials;
      const right = user === 'john' && 'password' in credentials && credentials.password === 'secret';
      return right ? accepted(`johnacme${met}`) : { result: 'rejected', reason: 'wrong-password' };
    },
  });
});
after(async () => {
  await proxy.close();
  await mailstore.close();
});

async function play(connection: ScriptedConnection): Promise<void> {
  const { greeting } = script;
  const steps = [...script.store];
  if (!act(connection, greeting)) return;
  for (let got = await connection.line(); got !== null; got = await connection.line())
    if (!act(connection, steps.shift() ?? '+OK\r\n')) return;
  connection.end();
}

/** False where nothing more is to come. */
function act(connection: ScriptedConnection, step: StoreStep): boolean {
  if (step === 'close') connection.end();
  else if (step === 'reset') connection.reset();
  else if (step !== 'silent') connection.send(step);
  return step !== 'close' && step !== 'reset' && step !== 'silent';
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Told = { sent: string; heard: string; encrypted: boolean };

/** Plays a client to its end, whatever becomes of it. */
async function meet(steps: readonly ClientStep[]): Promise<Told> {
  const client = await Pop3Client.connect(proxy.port);
  let sent = '';
  let encrypted = false;
  try {
    for (const step of steps) {
      if (client.closed) break;
      if (step.do === 'send') {
        if (!client.socket.writable) break;
        sent += step.text;
        client.send(step.text);
      } else if (step.do === 'stls') {
        if (encrypted || sent !== '') continue;
        await client.line();
        if ((await client.ask('STLS')) !== '+OK Begin TLS') break;
        await client.startTls(certificates.ca);
        encrypted = true;
      } else if (step.do === 'pause') await pause(3);
      else if (step.do === 'end') client.end();
      else client.reset();
    }
    await pause(2);
    client.end();
    await Promise.race([client.gone(), pause(1_000)]);
  } catch {
    // A connection that the proxy or the test has cut: what was heard until then counts.
  }
  client.destroy();
  return { sent, heard: client.received, encrypted };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 6_000; tries++) {
    if (condition()) return;
    await pause(tries < 50 ? 1 : 5);
  }
  assert.fail(what);
}

/** What goes across is the client's own, all of it up to where it was cut, and only after its login. */
function assertWhole(received: string, result: string, sent: string): void {
  const login = `USER johnacme${met}\r\nPASS upstream-secret\r\n`;
  if (!received.startsWith(login.slice(0, received.length)) && !received.startsWith(login)) return;
  const relayed = received.slice(login.length);
  assert.ok(relayed === '' || result === 'accepted', relayed);
  assert.ok(sent.includes(relayed), `${JSON.stringify(relayed)} was not sent`);
}

describe('whatever a client and a mailstore do', () => {
  test('the session ends, is logged once, and nothing is made up or lost', async () => {
    await fc.assert(
      fc.asyncProperty(encounter, async ({ client, greeting, store }) => {
        script = { greeting, store };
        met += 1;
        const { sent, heard } = await meet(client);
        // The client's half-close is carried over; one that stays silent has to be lost in the end.
        for (const connection of mailstore.connections) if (!connection.closed) connection.reset();
        await until(() => proxy.sessions.size === 0, 'a session is left');
        const record = (await proxy.logged(met))[met - 1]!;
        assert.equal(proxy.records().length, met);
        assert.notEqual(record.end, 'internal');
        if (record.result !== 'accepted') assert.match(heard, OWN_LINES);
        await until(
          () => mailstore.connections.every(({ ended, closed }) => ended || closed),
          'an upstream is left',
        );
        for (const { received } of mailstore.connections) assertWhole(received, record.result, sent);
      }),
      { numRuns: RUNS },
    );
    const text = await proxy.metrics.text();
    assert.match(text, /teapop_proxy_connections\{listener="test"\} 0/);
    assert.deepEqual(
      proxy.lines.filter((each) => /"event":"(session|login)-error"/.test(each)),
      [],
    );
  });
});
