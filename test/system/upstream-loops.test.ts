/** Real proxies that lead back to themselves: through a forwarder, and through one another. No login goes round for ever. */
import assert from 'node:assert/strict';
import { type AddressInfo, createConnection, createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { Pop3Client } from '../support/pop3-client.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { ADDRESS } from '../support/running-site.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temp.ts';

const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';
const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const PASSWORD = 'p4ss';

let folder: TemporaryFolder;
before(() => {
  folder = temporaryFolder('loops');
  folder.file('acme.passwd', `john:${PASSWORD}:john\n`, 0o600);
  folder.file('teapop.passwd', `acme.com:*:textfile::0:mail:mail:${folder.path}/acme.passwd:100:\n`, 0o600);
});
after(() => folder.remove());

/** Passes octets on, as a load balancer does, to a port that is known later. */
async function forwarder(): Promise<{
  port: number;
  to: (port: number) => void;
  count: () => number;
  close(): void;
}> {
  let target = 0;
  let connections = 0;
  const server: Server = createServer((near) => {
    connections += 1;
    const far = createConnection(target, ADDRESS);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    to: (port) => {
      target = port;
    },
    count: () => connections,
    close: () => void server.close(),
  };
}

/** Logs in upstream as the very name that its clients have: that is how a login can go round. */
async function startLooping(name: string, upstreamPort: number, more = {}): Promise<ProxyProcess> {
  const config = {
    listeners: [{ name: 'plain', address: ADDRESS, port: 0, tls: 'off', plaintext_auth: 'always' }],
    tables: {
      source: 'files',
      domain_table: `${folder.path}/teapop.passwd`,
      local_user: '{userid}@{domain}',
    },
    upstreams: [{ name: 'mailstore', host: ADDRESS, port: upstreamPort, login: 'passthrough', ...more }],
    admin: { port: await freePort() },
    limits: { failure_delay: '0s' },
  };
  return startProxy(folder.file(`${name}.yaml`, stringify(config)), 1);
}

async function passReply(proxy: ProxyProcess): Promise<string> {
  const client = await Pop3Client.connect(proxy.port('plain'));
  try {
    await client.line();
    await client.ask('USER john@acme.com');
    return await client.ask(`PASS ${PASSWORD}`);
  } finally {
    client.destroy();
  }
}

describe('a proxy that is its own mailstore', () => {
  test('through a load balancer: known by its greeting, before a word is said', async () => {
    const balancer = await forwarder();
    const proxy = await startLooping('self', balancer.port);
    balancer.to(proxy.port('plain'));
    try {
      const before = balancer.count();
      assert.equal(await passReply(proxy), PERM);
      const event = await proxy.logged('upstream-failed', { upstream: 'mailstore' });
      assert.deepEqual([event.failure, event.level], ['own-greeting', 'warn']);
      const [session] = await proxy.sessionsOf('john@acme.com');
      assert.equal(session?.reason, 'upstream-loop');
      assert.ok(balancer.count() - before <= 2, 'it went round once; a question for capabilities may follow');
      const names = proxy.log().flatMap(({ event, login }) => (event === 'session' ? [login] : []));
      assert.deepEqual(
        names.filter((name) => name !== null),
        ['john@acme.com'],
        'no login came back',
      );
    } finally {
      await proxy.stop();
      balancer.close();
    }
  });

  test('is found by the checks, and the server is down', async () => {
    const balancer = await forwarder();
    const health = { check: '200ms', retry: '100ms', max_retry: '200ms' };
    const proxy = await startLooping('checked', balancer.port, { health });
    balancer.to(proxy.port('plain'));
    try {
      const event = await proxy.logged('upstream-server-down', { failure: 'own-greeting' });
      assert.equal(event.server, 'mailstore');
    } finally {
      await proxy.stop();
      balancer.close();
    }
  });

  test('by way of another proxy: it ends, every client is answered, and both serve on', {
    timeout: 60_000,
  }, async () => {
    const back = await forwarder();
    const one = await startLooping('one', back.port);
    const other = await startLooping('other', one.port('plain'));
    back.to(other.port('plain'));
    try {
      const reply = await passReply(one);
      assert.ok(reply === TEMP || reply === PERM, reply);
      const nested = () =>
        [one, other].flatMap((proxy) => proxy.log().filter(({ failure }) => failure === 'nested-login'));
      await until('it is told', () => nested().length > 0);
      for (const proxy of [one, other]) {
        const client = await Pop3Client.connect(proxy.port('plain'));
        assert.match((await client.line())!, /^\+OK /);
        assert.equal(await client.ask('NOOP'), '+OK');
        client.destroy();
      }
      assert.equal(nested().length, 1, 'one of the two has put an end to it');
    } finally {
      await one.stop();
      await other.stop();
      back.close();
    }
  });
});
