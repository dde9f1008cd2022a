/** One event at every possible moment of a session, on the memory transport: the same order every time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MemoryTransport, memoryTransport } from '../../src/transport/memory.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { TransportPeer, transportMailstore } from '../support/transport-peer.ts';

const COMMANDS = 'CAPA\r\nUSER john\r\nPASS secret\r\nNOOP\r\nQUIT\r\n';
const REPLIES = '+OK logged in\r\n+OK\r\n+OK bye\r\n';
const OUT_OF_TURN = '+OK what else\r\n';

/** Far more turns of the microtask queue than a session takes. */
const MOST_STEPS = 2_000;

type Stage = { transport: MemoryTransport; proxy: TestProxy; mailstores: TransportPeer[] };

async function stage(window: number): Promise<Stage> {
  const transport = memoryTransport(window);
  const mailstores: TransportPeer[] = [];
  const { port } = await transportMailstore(transport, mailstores);
  const proxy = await startTestProxy({ transport, upstream: { port } });
  return { transport, proxy, mailstores };
}

async function steps(count: number): Promise<void> {
  for (let step = 0; step < count; step++) await null;
}

/** Waits for what only clocks and the event loop can bring about. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 3_000; tries++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, tries < 100 ? 0 : 10));
  }
  assert.fail(what);
}

/** How many steps an undisturbed session takes until the client has all its answers. */
async function length({ transport, proxy }: Stage): Promise<number> {
  const client = TransportPeer.connect(transport, proxy.port);
  client.send(COMMANDS);
  for (let step = 0; step < MOST_STEPS; step++) {
    if (client.ended) return step;
    await null;
  }
  assert.fail(`no end after ${client.text}`);
}

type Disturbance = (stage: Stage, client: TransportPeer) => void;

const MAILSTORE_EVENTS: Record<string, Disturbance> = {
  'the mailstore ends': ({ mailstores }) => mailstores.at(-1)?.connection.end(),
  'the mailstore destroys': ({ mailstores }) => mailstores.at(-1)?.connection.destroy(),
  'the mailstore resets': ({ transport, mailstores }) => {
    const mailstore = mailstores.at(-1);
    if (mailstore !== undefined) transport.abort(mailstore.connection);
  },
  'the mailstore speaks out of turn': ({ mailstores }) => mailstores.at(-1)?.send(OUT_OF_TURN),
};

/** What comes while the client does not read has to wait for it, or to end the session all the same. */
function whileClientIsBusy(event: Disturbance): Disturbance {
  return (stage, client) => {
    client.connection.pause();
    setTimeout(() => event(stage, client), 0);
    setTimeout(() => client.connection.resume(), 2);
  };
}

const EVENTS: Record<string, Disturbance> = {
  ...MAILSTORE_EVENTS,
  ...Object.fromEntries(
    Object.entries(MAILSTORE_EVENTS).map(([name, event]) => [
      `${name} while the client does not read`,
      whileClientIsBusy(event),
    ]),
  ),
  'the client ends': (_, client) => client.connection.end(),
  'the client destroys': (_, client) => client.connection.destroy(),
  'the client resets': ({ transport }, client) => transport.abort(client.connection),
  'both reset': ({ transport, mailstores }, client) => {
    const mailstore = mailstores.at(-1);
    if (mailstore !== undefined) transport.abort(mailstore.connection);
    transport.abort(client.connection);
  },
  'the proxy cuts off': ({ proxy }) => proxy.sessions.abort(),
};

/** So small that replies wait, about as small as a first reply, and without bounds. */
for (const window of [12, 80, 65_536]) {
  describe(`a window of ${window} octets`, () => {
    for (const [name, disturb] of Object.entries(EVENTS)) {
      test(`${name}, at every moment`, async () => {
        const scene = await stage(window);
        const { transport, proxy, mailstores } = scene;
        const last = (await length(scene)) + 5;
        for (let moment = 0; moment <= last; moment++) {
          mailstores.length = 0;
          const client = TransportPeer.connect(transport, proxy.port);
          client.send(COMMANDS);
          await steps(moment);
          disturb(scene, client);
          const at = `${name} at ${moment} of ${last}`;
          await until(() => proxy.sessions.size === 0, `a session is left: ${at}`);
          await until(() => mailstores.every(({ closed }) => closed), `an upstream is left: ${at}`);
          const relayed = client.text.slice(client.text.indexOf('+OK logged in'));
          if (client.text.includes('+OK logged in'))
            assert.ok(
              REPLIES.startsWith(relayed.replace(OUT_OF_TURN, '')),
              `${JSON.stringify(relayed)}: ${at}`,
            );
          client.connection.destroy();
        }
        await balanced(proxy);
        await proxy.close();
      });
    }
  });
}

/** Every session is logged once, and what the records say is what was counted. */
async function balanced(proxy: TestProxy): Promise<void> {
  const text = await proxy.metrics.text();
  const value = (series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  const accepted = value('teapop_proxy_connections_accepted_total{listener="test"}');
  assert.equal((await proxy.logged(accepted)).length, accepted);
  assert.equal(value('teapop_proxy_connections{listener="test"}'), 0);
  for (const phase of ['authorization', 'authenticating', 'connecting', 'transaction'])
    assert.equal(value(`teapop_proxy_sessions{phase="${phase}"}`), 0, phase);
  const logins = sum(text, 'teapop_proxy_logins_total');
  const records = proxy.records();
  assert.equal(logins, records.filter(({ result }) => result !== 'none').length);
  assert.equal(sum(text, 'teapop_proxy_sessions_ended_total'), accepted);
  assert.ok(!records.some(({ end }) => end === 'internal'));
}

function sum(text: string, family: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${family}{`));
  return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}
