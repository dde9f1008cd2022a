/** A proxy behind a load balancer, a mailstore behind it that takes every login, and what a test asks of both. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyProtocol } from '../../src/proxy/introduction.ts';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { type SessionLine, startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { type Script, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { address, block, INET, octets, tlv } from './headers.ts';

/** Where the header's time is what a test is about. */
export const TIMEOUT_MS = 1_000;
export const BELIEVES: ProxyProtocol = { trusts: (peer) => peer === '127.0.0.1', timeoutMs: 20_000 };
export const HURRIES: ProxyProtocol = { ...BELIEVES, timeoutMs: TIMEOUT_MS };
export const DISTRUSTS: ProxyProtocol = { ...BELIEVES, trusts: () => false };

export const CLIENT = { address: '192.0.2.7', port: 4711 };
export const LOCAL = { address: '198.51.100.9', port: 110 };
export const V1 = octets('PROXY TCP4 192.0.2.7 198.51.100.9 4711 110\r\n');
export const V2 = block(
  0x21,
  INET,
  Buffer.concat([address('192.0.2.7', '198.51.100.9', 4711, 110), tlv(4, 'padding')]),
);
export const HEADERS = { 'version 1': V1, 'version 2': V2 };

const logsInAndLeaves: Script = async (connection) => {
  await connection.logIn();
  await connection.until(() => connection.ended || connection.closed);
  connection.end();
};

type Options = Omit<TestProxyOptions, 'upstream'>;

/** Runs a test with a proxy whose balancer is on the loopback. */
export async function behind(options: Options, run: (proxy: TestProxy) => Promise<void>): Promise<void> {
  const mailstore = await startScriptedMailstore(logsInAndLeaves);
  const proxy = await startTestProxy({
    proxyProtocol: BELIEVES,
    ...options,
    upstream: { port: mailstore.port },
  });
  try {
    await run(proxy);
  } finally {
    await proxy.close();
    await mailstore.close();
  }
}

export async function logIn(client: Pop3Client): Promise<void> {
  assert.match(await client.ask('USER john'), /^\+OK/);
  assert.equal(await client.ask('PASS secret'), '+OK logged in');
}

/** Sends what a stranger might; everything that the proxy says to it. */
export async function heard(proxy: TestProxy, said: Uint8Array, ends = false): Promise<string> {
  const client = await Pop3Client.connect(proxy.port);
  client.socket.write(said);
  if (ends) client.end();
  const all = await client.rest();
  client.destroy();
  return all;
}

export const events = (proxy: TestProxy, event: string) =>
  proxy.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);

export async function refused(proxy: TestProxy, reason: string): Promise<number> {
  return total(await proxy.metrics.text(), 'teapop_proxy_connections_refused_total', { reason });
}

export async function checks(proxy: TestProxy): Promise<number> {
  return total(await proxy.metrics.text(), 'teapop_proxy_health_checks_total');
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3_000 && !(await holds()); tries++) await sleep(10);
  assert.ok(await holds());
}

export const ends = ({ client, local, via }: SessionLine) => ({ client, local, via: via?.address });
