/** A proxy that would be its own upstream, by what names resolve to. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check } from '../../src/cli/check.ts';
import { formatPath } from '../../src/config/problem.ts';
import { ownUpstreams, refuseLoops, type Surroundings } from '../../src/server/own-upstream.ts';
import { good } from '../config/configs.ts';
import { temporaryFolder } from '../support/temp.ts';

const NAMES: Record<string, string[]> = {
  'own.test': ['192.0.2.7'],
  'own6.test': ['2001:db8::7'],
  'both.test': ['198.51.100.1', '192.0.2.7'],
  'other.test': ['198.51.100.1', '2001:db8::9'],
  'local.test': ['127.0.1.1'],
};

const here = (names = NAMES): Surroundings & { asked: string[] } => {
  const asked: string[] = [];
  return {
    asked,
    resolve: async (host) => {
      asked.push(host);
      const found = names[host];
      if (found === undefined) throw new Error('ENOTFOUND');
      return found;
    },
    addresses: () => ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7'],
  };
};

const config = (address: string, servers: string, port = 1995) =>
  good(`listeners: [{ name: l, address: "${address}", port: ${port}, tls: off, plaintext_auth: [10.0.0.0/8] }]
upstreams: [{ name: a, port: 1995, tls: starttls, ${servers} }]\n`).config;

const found = async (address: string, host: string) =>
  (await ownUpstreams(config(address, `host: ${host}`), here())).length > 0;

describe('a server that is a listener', () => {
  const CASES: [address: string, host: string, own: boolean][] = [
    ['::', 'own.test', true],
    ['::', 'own6.test', true],
    ['::', 'both.test', true],
    ['::', 'local.test', true],
    ['::', '192.0.2.7', true],
    ['::', 'other.test', false],
    ['::', '198.51.100.1', false],
    ['::', 'unknown.test', false],
    ['0.0.0.0', 'own.test', true],
    ['0.0.0.0', 'own6.test', false],
    ['192.0.2.7', 'own.test', true],
    ['192.0.2.7', 'local.test', false],
    ['192.0.2.8', 'own.test', false],
  ];
  for (const [address, host, own] of CASES) {
    test(`${host}, where ${address} listens: ${own ? 'a loop' : 'none'}`, async () => {
      assert.equal(await found(address, host), own);
    });
  }

  test('is named by its place in the config', async () => {
    const listed = config('::', 'servers: [{ host: other.test }, { host: own.test }]');
    const [finding, ...others] = await ownUpstreams(listed, here());
    assert.deepEqual(others, []);
    assert.equal(formatPath(finding!.path), 'upstreams[0].servers[1].host');
    assert.match(finding!.hint!, /^192\.0\.2\.7 is this host, and port 1995 a listener/);
  });

  test('is not looked for where no listener has the port', async () => {
    const surroundings = here();
    assert.deepEqual(await ownUpstreams(config('::', 'host: own.test', 1996), surroundings), []);
    assert.deepEqual(surroundings.asked, []);
  });

  test('holds nothing up where the DNS does not answer', { timeout: 10_000 }, async () => {
    const hanging = { ...here(), resolve: () => new Promise<never>(() => {}) };
    assert.deepEqual(await ownUpstreams(config('::', 'host: own.test'), hanging), []);
  });
});

test('on this host, by a name that the config alone does not show: at check and at the start', async () => {
  // No address as the config has them, but the C library reads it as 127.0.0.1 without asking anybody.
  const name = '127.1';
  const text = `listeners: [{ name: l, address: "::", port: 1995, tls: off, plaintext_auth: [10.0.0.0/8] }]
upstreams: [{ name: a, port: 1995, tls: starttls, host: "${name}" }]\n`;
  await assert.rejects(
    refuseLoops(good(text).config),
    /^Error: upstreams\[0\]\.host: the proxy would be its own/,
  );
  const folder = temporaryFolder('loop');
  const written: string[] = [];
  const io = { out: () => {}, err: (line: string) => void written.push(line), env: {} };
  try {
    assert.equal(await check(['--config', folder.file('loop.yaml', text)], io), 1);
    assert.match(
      written.join(''),
      /loop\.yaml:2:\d+: upstreams\[0\]\.host: the proxy would be its own upstream/,
    );
  } finally {
    folder.remove();
  }
});
