/** What is known of the mailstores besides their settings: asked on real sockets, at the start and when one is back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLog } from '../../src/ops/log.ts';
import { KnownCapabilities } from '../../src/proxy/capabilities.ts';
import { DeadlineWheel } from '../../src/proxy/deadlines.ts';
import { Resolver } from '../../src/proxy/resolver.ts';
import type { Upstream, UpstreamServer } from '../../src/proxy/upstream.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import type { ClientTls } from '../../src/transport/transport.ts';
import { between, logIn } from '../support/between.ts';
import {
  type Script,
  type ScriptedConnection,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { temporaryCertificates } from '../support/tls.ts';
import { octets, read } from './headers.ts';

const OWN = ['AUTH-RESP-CODE'];
const FULL = ['TOP', 'UIDL', 'PIPELINING'];

/** Tells its capabilities to whom asks, and logs in everybody else. */
function tells(capabilities: readonly string[]): Script {
  const answers: Record<string, string> = {
    CAPA: ['+OK', ...capabilities, '.'].join('\r\n'),
    QUIT: '+OK bye',
    PASS: '+OK logged in',
  };
  return async (connection) => {
    connection.send('+OK ready\r\n');
    for (let line = await connection.line(); line !== null; line = await connection.line()) {
      connection.send(`${answers[line.slice(0, 4)] ?? '+OK'}\r\n`);
      if (line === 'QUIT') connection.end();
    }
    connection.end();
  };
}

type Watching = {
  known: KnownCapabilities;
  upstreams: UpstreamServer[];
  events(name: string): Record<string, unknown>[];
};

/** Watches mailstores on real sockets. */
async function watch(
  stores: readonly ScriptedMailstore[],
  run: (watching: Watching) => Promise<void>,
  settings: Settings = {},
): Promise<void> {
  const lines: string[] = [];
  const log = createLog({
    level: 'debug',
    gatherMs: 0,
    write: (text) => void lines.push(...text.trimEnd().split('\n')),
  });
  const wheel = new DeadlineWheel(10);
  const upstreams = stores.map(({ port }, index) => upstreamAt(port, { name: `m${index}`, ...settings }));
  const services = { transport: await pickTransport(), wheel, resolver: new Resolver(), log };
  const known = new KnownCapabilities(upstreams, services, 50);
  const events = (name: string) =>
    lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name);
  try {
    await run({ known, upstreams, events });
  } finally {
    known.close();
    wheel.stop();
    await Promise.all(stores.map((store) => store.close()));
  }
}

type Settings = Partial<Upstream> & { clientTls?: ClientTls | null };

function upstreamAt(port: number, { clientTls = null, ...settings }: Settings): UpstreamServer {
  const upstream: Upstream = {
    name: 'mailstore',
    tls: 'off',
    login: { mode: 'passthrough' },
    own: '',
    proxyProtocol: null,
    xclient: false,
    pipelining: 'auto',
    preconnect: { count: 0, ageMs: 60_000 },
    timeoutMs: 1_500,
    connectTimeoutMs: 1_500,
    ...settings,
  };
  return { upstream, name: `${port}`, weight: 1, host: '127.0.0.1', port, clientTls };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3_000 && !condition(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition(), String(condition));
}

describe('what the mailstores announce', () => {
  test('is the least that is safe until one has answered', async () => {
    await watch([await startScriptedMailstore(tells(FULL))], async ({ known, upstreams }) => {
      assert.deepEqual(known.common, OWN);
      assert.equal(known.pipelines(upstreams[0]!), false);
    });
  });

  test('is asked once, by CAPA and QUIT, and logged', async () => {
    const store = await startScriptedMailstore(tells(FULL));
    await watch([store], async ({ known, upstreams, events }) => {
      await known.ask();
      assert.deepEqual(known.common, [...FULL, ...OWN]);
      assert.equal(known.pipelines(upstreams[0]!), true);
      const [connection] = store.connections;
      await connection!.until(() => connection!.closed);
      assert.equal(connection!.received, 'CAPA\r\nQUIT\r\n');
      assert.equal(store.connections.length, 1);
      assert.deepEqual(
        events('capabilities-known').map(({ upstream, capabilities }) => [upstream, capabilities]),
        [['m0', 'TOP, UIDL, PIPELINING, AUTH-RESP-CODE']],
      );
    });
  });

  test('is what all have that have answered', async () => {
    const silent: Script = () => {};
    const stores = [tells(FULL), tells(['UIDL']), silent].map((script) => startScriptedMailstore(script));
    await watch(await Promise.all(stores), async ({ known, upstreams, events }) => {
      await known.ask();
      assert.deepEqual(known.common, ['UIDL', ...OWN]);
      assert.deepEqual(
        upstreams.map((upstream) => known.pipelines(upstream)),
        [true, false, false],
      );
      await until(() => events('capabilities-unknown').length > 0);
      const [event] = events('capabilities-unknown');
      assert.deepEqual([event?.level, event?.upstream, event?.failure], ['warn', 'm2', 'login-timeout']);
    });
  });

  test('is nothing where there is no CAPA', async () => {
    const store = await startScriptedMailstore(async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.send('-ERR what?\r\n');
    });
    await watch([store], async ({ known, upstreams }) => {
      await known.ask();
      assert.deepEqual(known.common, OWN);
      assert.equal(known.pipelines(upstreams[0]!), false);
    });
  });

  test('pipelining can be settled instead', async () => {
    for (const [pipelining, expected] of [
      ['on', true],
      ['off', false],
    ] as const) {
      const store = await startScriptedMailstore(tells(expected ? [] : FULL));
      const settled = async ({ known, upstreams }: Watching) => {
        await known.ask();
        assert.equal(known.pipelines(upstreams[0]!), expected);
      };
      await watch([store], settled, { pipelining });
    }
  });
});

describe('a mailstore that fails', () => {
  test('at the start is asked again until it answers; the failure is said once', async () => {
    let up = false;
    const store = await startScriptedMailstore((connection) =>
      up ? tells(FULL)(connection) : connection.reset(),
    );
    await watch([store], async ({ known, events }) => {
      await known.ask();
      assert.deepEqual(known.common, OWN);
      await until(() => store.connections.length >= 3 && events('capabilities-unknown').length > 0);
      assert.equal(events('capabilities-unknown').length, 1);
      up = true;
      await until(() => events('capabilities-known').length > 0);
      assert.deepEqual(known.common, [...FULL, ...OWN]);
      assert.equal(events('capabilities-known').length, 1);
    });
  });

  test('later is asked again, and believed to take no pipelining until it has answered', async () => {
    let capabilities = FULL;
    const store = await startScriptedMailstore((connection) => tells(capabilities)(connection));
    await watch([store], async ({ known, upstreams }) => {
      await known.ask();
      capabilities = ['UIDL'];
      known.lost(upstreams[0]!);
      known.lost(upstreams[0]!);
      assert.equal(known.pipelines(upstreams[0]!), false);
      assert.deepEqual(known.common, [...FULL, ...OWN], 'what was announced stays meanwhile');
      await until(() => known.common.join() === ['UIDL', ...OWN].join());
      assert.equal(store.connections.length, 2);
    });
  });

  test('again and again though it answers is asked more and more seldom', async () => {
    const store = await startScriptedMailstore(tells(FULL));
    await watch([store], async ({ known, upstreams }) => {
      await known.ask();
      const began = performance.now();
      const losing = setInterval(() => known.lost(upstreams[0]!), 5);
      await new Promise((resolve) => setTimeout(resolve, 600));
      await until(() => store.connections.length >= 3);
      clearInterval(losing);
      // After 50, 100, 200 … ms.
      const most = 2 + Math.log2((performance.now() - began) / 50);
      assert.ok(store.connections.length <= most, `${store.connections.length}, not ${most}`);
    });
  });

  test('is no longer asked once the proxy stops', async () => {
    const store = await startScriptedMailstore((connection) => connection.reset());
    await watch([store], async ({ known }) => {
      await known.ask();
      known.close();
      const asked = store.connections.length;
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(store.connections.length, asked);
    });
  });
});

describe('a question', () => {
  test('goes inside TLS, and never without where TLS is demanded', async () => {
    const { ca } = temporaryCertificates();
    const options = { ca, serverName: 'mail.test', verify: true, minVersion: 'TLSv1.2' } as const;
    const clientTls = (await pickTransport()).clientTls(options);
    const store = await startScriptedMailstore(tells(FULL));
    const refused = async ({ known, events }: Watching) => {
      await known.ask();
      // The scripted mailstore says +OK to STLS and knows no TLS.
      assert.equal(store.connections[0]!.received.split('\r\n')[0], 'STLS');
      assert.ok(!store.connections[0]!.received.includes('CAPA'));
      await until(() => events('capabilities-unknown').length > 0);
      assert.match(String(events('capabilities-unknown')[0]?.failure), /^(tls-failed|login-timeout)$/);
    };
    await watch([store], refused, { tls: 'starttls', clientTls });
  });

  for (const version of ['v1', 'v2'] as const) {
    test(`begins with a header of ${version} that names nobody`, async () => {
      const store = await startScriptedMailstore(async (connection: ScriptedConnection) => {
        await connection.until(() => connection.received.length > 0);
        const header = read([octets(connection.received)]);
        assert.deepEqual(header, { remote: 'own', local: 'own', unread: '' });
        connection.received = '';
        await tells(FULL)(connection);
      });
      const asked = async ({ known }: Watching) => {
        await known.ask();
        assert.ok(known.common.includes('TOP'));
      };
      await watch([store], asked, { proxyProtocol: version });
    });
  }
});

describe('a login', () => {
  test('goes in one write to a mailstore that announces PIPELINING', async () => {
    const options = { ask: true, upstream: { pipelining: 'auto' } } as const;
    await between(tells(FULL), options, async (client, { mailstore }) => {
      await logIn(client);
      assert.equal(mailstore.connections[1]!.segments[0], 'USER johnacme\r\nPASS upstream-secret\r\n');
    });
  });

  test('goes line by line to one that does not, or that nobody has asked', async () => {
    for (const [ask, capabilities] of [
      [true, ['TOP']],
      [false, FULL],
    ] as const) {
      const options = { ask, upstream: { pipelining: 'auto' } } as const;
      await between(tells(capabilities), options, async (client, { mailstore }) => {
        await logIn(client);
        assert.equal(mailstore.connections.at(-1)!.segments[0], 'USER johnacme\r\n');
      });
    }
  });

  test('that fails has the mailstore asked again, and goes line by line until then', async () => {
    let up = true;
    const script: Script = (connection) => (up ? tells(FULL)(connection) : connection.reset());
    const options = { ask: true, upstream: { pipelining: 'auto' } } as const;
    await between(script, options, async (client, { mailstore, proxy }) => {
      up = false;
      await client.line();
      await client.ask('USER john');
      assert.match(await client.ask('PASS secret'), /^-ERR \[SYS\/TEMP\]/);
      up = true;
      const before = mailstore.connections.length;
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), '+OK logged in');
      assert.equal(mailstore.connections[before]!.segments[0], 'USER johnacme\r\n');
      await until(() =>
        mailstore.connections.some(({ received }, at) => at > before && received.startsWith('CAPA')),
      );
      assert.ok(proxy.lines.length > 0);
    });
  });
});
