/** Checks of servers, on real sockets: what they say there, what they find out, and when they come again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CheckResult } from '../../src/ops/outcome.ts';
import { DeadlineWheel } from '../../src/proxy/deadlines.ts';
import { PoolChecks } from '../../src/proxy/pool-checks.ts';
import { Resolver } from '../../src/proxy/resolver.ts';
import type { Upstream } from '../../src/proxy/upstream.ts';
import { UpstreamPool } from '../../src/proxy/upstream-pool.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import type { ClientTls, ServerTls } from '../../src/transport/transport.ts';
import { waited } from '../support/clock.ts';
import { OWN_WORD } from '../support/proxy.ts';
import {
  type Script,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';
import { type TransportPeer, transportMailstore } from '../support/transport-peer.ts';

const certificates = temporaryCertificates();

type Checked = { pool: UpstreamPool; results: CheckResult[]; told: string[] };
type Settings = Partial<Upstream> & { clientTls?: ClientTls | null };
const HEALTH = { fall: 2, retryMs: 60, mostRetryMs: 120, checkMs: 400 };

/** Checks the server at a port until the test is over. */
async function checking(
  port: number,
  run: (checked: Checked) => Promise<void>,
  { clientTls = null, ...settings }: Settings = {},
  health: Partial<typeof HEALTH> = {},
  resolver: Pick<Resolver, 'resolve'> = new Resolver(),
): Promise<void> {
  const upstream: Upstream = {
    name: 'mailstore',
    tls: 'off',
    login: { mode: 'passthrough' },
    own: OWN_WORD,
    proxyProtocol: null,
    xclient: true,
    pipelining: 'off',
    preconnect: { count: 0, ageMs: 60_000 },
    timeoutMs: 10_000,
    connectTimeoutMs: 1_500,
    ...settings,
  };
  const results: CheckResult[] = [];
  const told: string[] = [];
  const pool = new UpstreamPool(
    [{ upstream, name: 'm1', weight: 1, host: '127.0.0.1', port, clientTls }],
    { ...HEALTH, ...health },
    {
      down: (_, { failure }, all) => told.push(`down ${failure} ${all}`),
      up: (_, __, all) => told.push(`up ${all}`),
    },
  );
  const wheel = new DeadlineWheel(10);
  const checks = new PoolChecks(pool, {
    transport: await pickTransport(),
    wheel,
    resolver,
    servers: { checked: (_, ok) => results.push(ok ? 'ok' : 'failed') },
  });
  checks.start();
  try {
    await run({ pool, results, told });
  } finally {
    checks.stop();
    wheel.stop();
  }
}

async function at(script: Script, run: (store: ScriptedMailstore) => Promise<void>): Promise<void> {
  const store = await startScriptedMailstore(script);
  try {
    await run(store);
  } finally {
    await store.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3_000 && !condition(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition(), String(condition));
}

const greets: Script = async (connection) => {
  connection.send('+OK ready\r\n');
  if ((await connection.line()) === 'QUIT') connection.send('+OK bye\r\n');
  connection.end();
};

describe('a check', () => {
  test('goes to the greeting and says QUIT, again and again', async () => {
    await at(greets, async (store) => {
      await checking(store.port, async ({ pool, results, told }) => {
        await until(() => results.length >= 3);
        assert.deepEqual(results.slice(0, 3), ['ok', 'ok', 'ok']);
        assert.deepEqual(store.connections[0]!.received, 'QUIT\r\n');
        await until(() => store.connections[0]!.closed);
        assert.deepEqual([pool.up, told], [true, []]);
      });
    });
  });

  test('is content with a server that has greeted, whatever it says to QUIT', async () => {
    for (const farewell of [(): void => {}, (c: Parameters<Script>[0]) => c.reset()]) {
      const script: Script = async (connection) => {
        connection.send('+OK ready\r\n');
        await connection.line();
        farewell(connection);
      };
      await at(script, async (store) => {
        await checking(store.port, async ({ results }) => {
          await until(() => results.length >= 1);
          assert.deepEqual(results[0], 'ok');
          await until(() => store.connections[0]!.ended || store.connections[0]!.closed);
        });
      });
    }
  });

  const HEADERS = { v1: 'PROXY UNKNOWN\r\n', v2: '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0' } as const;
  for (const version of ['v1', 'v2'] as const) {
    test(`begins with a header of ${version} that names no client`, async () => {
      const script: Script = async (connection) => {
        await connection.until(() => connection.received.length >= HEADERS[version].length);
        connection.send('+OK ready\r\n');
      };
      const settings = { proxyProtocol: version };
      const run = async (store: ScriptedMailstore) =>
        checking(
          store.port,
          async ({ results }) => {
            await until(() => results.length >= 1);
            assert.equal(results[0], 'ok');
            assert.ok(store.connections[0]!.received.startsWith(HEADERS[version]));
          },
          settings,
        );
      await at(script, run);
    });
  }

  for (const tls of ['starttls', 'implicit'] as const) {
    for (const [certificate, result] of [
      ['ecdsa', 'ok'],
      ['expired', 'failed'],
    ] as const) {
      test(`shakes hands as a login does: ${tls}, ${certificate}`, async () => {
        const transport = await pickTransport();
        const peers: TransportPeer[] = [];
        const serverTls = transport.serverTls({ ...SERVER_TLS, certificates: [certificates[certificate]] });
        const listener = await mailstore(serverTls);
        const clientTls = transport.clientTls({
          ...{ ca: certificates.ca, serverName: 'mail.test', verify: true, minVersion: 'TLSv1.2' },
        });
        const run = async ({ results, told }: Checked) => {
          await until(() => results.length >= 2);
          assert.deepEqual(results.slice(0, 2), [result, result]);
          assert.deepEqual(told, result === 'ok' ? [] : ['down certificate-invalid true']);
        };
        await checking(listener.port, run, { tls, clientTls });
        await listener.close();
        for (const { connection } of peers) connection.destroy();

        function mailstore(serverTls: ServerTls) {
          if (tls === 'starttls') return transportMailstore(transport, peers, serverTls);
          return transport.listen({
            ...{ address: '127.0.0.1', port: 0 },
            accept(connection) {
              connection.handler = IMPLICIT;
              connection.startTls(serverTls);
            },
          });
        }
      });
    }
  }
});

const IMPLICIT = {
  opened() {},
  received() {},
  drained() {},
  ended: (connection: { destroy(): void }) => connection.destroy(),
  secured: (connection: { write(octets: Uint8Array): boolean }) =>
    void connection.write(Buffer.from('+OK\r\n')),
  closed() {},
};

describe('checks', () => {
  for (const [name, script, failure] of [
    ['closes', (connection) => connection.end(), 'closed'],
    ['says nothing', () => {}, 'login-timeout'],
    ['refuses', (connection) => connection.send('-ERR busy\r\n'), 'greeting-refused'],
  ] as [string, Script, string][]) {
    test(`find out that a server ${name}, soon after the first failure, and that it is back`, async () => {
      let well = false;
      await at(
        (connection) => (well ? greets(connection) : script(connection)),
        async (store) => {
          await checking(
            store.port,
            async ({ pool, results, told }) => {
              const took = await waited(() => until(() => told.length === 1));
              assert.deepEqual(told, [`down ${failure} true`]);
              assert.deepEqual(results, ['failed', 'failed']);
              assert.ok(took < 20_000, `${took} ms: not after the interval of the well`);
              assert.equal(pool.up, false);
              well = true;
              await until(() => told.length === 2);
              assert.deepEqual([told[1], pool.up], ['up true', true]);
            },
            {},
            { checkMs: 60_000 },
          );
        },
      );
    });
  }

  test('begin when logins have found a server down, not with the next interval', async () => {
    await at(greets, async (store) => {
      await checking(
        store.port,
        async ({ pool, results, told }) => {
          await until(() => results.length === 1);
          const [member] = pool.members;
          const lost = { ok: false, failure: 'closed', detail: '', address: null, loginSent: false } as const;
          for (let i = 0; i < HEALTH.fall; i++) pool.ended(member!, null, lost);
          assert.deepEqual(told, ['down closed true']);
          await until(() => told.length === 2);
          assert.deepEqual([told[1], results], ['up true', ['ok', 'ok']]);
        },
        {},
        { checkMs: 60_000 },
      );
    });
  });

  test('wait longer and longer for a server that stays away', async () => {
    const times: number[] = [];
    // When it is tried, by the checks' own clock: a server may see it later.
    const resolver = {
      async resolve(host: string) {
        times.push(performance.now());
        return [host];
      },
    };
    await at(
      (connection) => connection.end(),
      async (store) => {
        const enough = () => until(() => times.length >= 7);
        await checking(store.port, enough, {}, { mostRetryMs: 480 }, resolver);
        const gaps = times.slice(1).map((time, index) => time - times[index]!);
        // One failure more, then the first wait, and each twice as long as the one before; a tick may be late.
        [60, 60, 120, 240, 480, 480].forEach((gap, index) => {
          assert.ok(gaps[index]! >= gap - 1, `${gaps}`);
        });
      },
    );
  });

  test('stopped, come no more, and leave no connection', async () => {
    const script: Script = () => {};
    await at(script, async (store) => {
      await checking(store.port, () => until(() => store.connections.length === 1));
      await until(() => store.connections[0]!.ended || store.connections[0]!.closed);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal(store.connections.length, 1);
    });
  });
});
