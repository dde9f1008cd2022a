import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadlineWheel } from '../../src/proxy/deadlines.ts';
import { keepAliveLater } from '../../src/proxy/late-keepalive.ts';
import type { ProxyServices } from '../../src/proxy/listener.ts';
import { RelayedSession } from '../../src/proxy/relayed-session.ts';
import type { SessionReport } from '../../src/proxy/session-report.ts';
import { memoryTransport } from '../../src/transport/memory.ts';
import { TransportPeer } from '../support/transport-peer.ts';

const SETTINGS = { idle: 120, interval: 30, count: 4, userTimeout: 300 };

test('an upstream connection gets its keepalive when it has outlived a minute, and not before', () => {
  let now = 0;
  const wheel = new DeadlineWheel(1_000, () => now);
  const transport = memoryTransport();
  const connect = () => TransportPeer.connect(transport, 1).connection;
  const [kept, ended, without] = [connect(), connect(), connect()];
  keepAliveLater({ transport, wheel, keepAlive: SETTINGS }, kept);
  wheel.clear(keepAliveLater({ transport, wheel, keepAlive: SETTINGS }, ended)!);
  assert.equal(keepAliveLater({ transport, wheel, keepAlive: null }, without), null);
  now = 59_000;
  wheel.turn();
  assert.equal(transport.keepAliveOf(kept), undefined);
  now = 62_000;
  wheel.turn();
  assert.deepEqual(transport.keepAliveOf(kept), SETTINGS);
  assert.equal(transport.keepAliveOf(ended), undefined);
  assert.equal(transport.keepAliveOf(without), undefined);
  wheel.stop();
});

test('a session that is over asks for none', async () => {
  let now = 0;
  const wheel = new DeadlineWheel(1_000, () => now);
  const transport = memoryTransport();
  const [client, upstream] = [1, 1].map((port) => TransportPeer.connect(transport, port).connection);
  const services = { transport, wheel, keepAlive: SETTINGS, limits: { sessionIdleMs: 600_000 } };
  const report = { enter() {}, transferred() {}, close() {}, end: null };
  const over = new Promise<void>((resolve) => {
    new RelayedSession(
      { client: client!, upstream: upstream! },
      services as unknown as ProxyServices,
      report as unknown as SessionReport,
      { attempts: 1, lastCommand: 'PASS' },
      { gone: () => resolve(), followed() {} },
    ).abort();
  });
  await over;
  now = 62_000;
  wheel.turn();
  assert.equal(transport.keepAliveOf(upstream!), undefined);
  wheel.stop();
});
