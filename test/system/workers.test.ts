/** Several processes that are one proxy: what they share, and what becomes of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { freePort, isListening } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { type Runtime, runProxy, startProxy } from '../support/proxy-process.ts';
import { JANE, JOHN, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply, openSession } from '../support/site-clients.ts';

const WORKERS = 3;
/** So many connections are all on one of three workers once in 10^9 runs. */
const MANY = 20;
const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';

/** The processes that a process has started. */
function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

for (const runtime of ['bun', 'node'] as const) describe(`workers on ${runtime}`, () => suite(runtime));

function suite(runtime: Runtime): void {
  let site: RunningSite;

  before(async () => {
    site = await startSite({
      source: 'files',
      runtime,
      config: () => ({ workers: WORKERS, shutdown: { grace: '20s' } }),
    });
    site.dovecot!.deliver(JOHN.localUser, 'Subject: one\r\n\r\none\r\n');
  });
  after(() => site.stop());

  const metrics = async () => (await site.admin('/metrics')).body;
  const ready = async () => total(await metrics(), 'teapop_proxy_workers_ready');
  const accepted = async () => total(await metrics(), 'teapop_proxy_connections_accepted_total');
  const sessions = (count: number): Promise<Pop3Client[]> =>
    Promise.all(Array.from({ length: count }, () => openSession(site, JOHN)));

  test('share the ports, and are one proxy to Prometheus and load balancers', async () => {
    assert.equal(childrenOf(site.proxy.pid).length, WORKERS);
    const before = await accepted();
    for (let i = 0; i < MANY; i++) assert.equal(await loginReply(site, JOHN), LET_IN);
    const lines = await site.proxy.sessionsOf(JOHN.login, MANY);
    const seen = new Set(lines.map(({ worker }) => worker));
    assert.ok(seen.size > 1, `${[...seen]}`);
    for (const worker of seen) assert.ok([1, 2, 3].includes(worker as number));
    const text = await metrics();
    assert.equal(total(text, 'teapop_proxy_connections_accepted_total') - before, MANY);
    assert.equal(total(text, 'teapop_proxy_upstream_login_seconds_count'), MANY);
    assert.equal(total(text, 'teapop_proxy_workers'), WORKERS);
    assert.equal(total(text, 'teapop_proxy_workers_ready'), WORKERS);
    // What is the same for all is not added up.
    assert.equal(total(text, 'teapop_proxy_tables_users'), 5);
    assert.equal(total(text, 'teapop_proxy_tables_usable'), 1);
    assert.equal(total(text, 'teapop_proxy_build_info'), 1);
    assert.deepEqual(await site.admin('/readyz'), { status: 200, body: 'ready\n' });
    assert.equal(site.proxy.log().filter(({ event }) => event === 'listening').length, 4);
  });

  test('when one is killed, lose its sessions and no others, and it comes back', async () => {
    const before = await accepted();
    const open = await sessions(MANY);
    const [victim] = childrenOf(site.proxy.pid);
    const lost = () => open.filter((client) => client.ended || client.closed);
    process.kill(victim!, 'SIGKILL');
    await site.proxy.logged('worker-ended', { pid: victim!, detail: 'ended by SIGKILL' });
    await until('its sessions are gone', () => lost().length > 0);
    const left = open.filter((client) => !lost().includes(client));
    assert.ok(left.length > 0);
    for (const client of left) assert.match(await client.ask('STAT'), /^\+OK 1 /);
    assert.equal((await site.admin('/readyz')).status, 200, 'two are enough meanwhile');
    assert.ok((await accepted()) >= before, 'what it had counted is not forgotten');
    await site.proxy.logged('worker-started');
    await until('it is ready', async () => (await ready()) === WORKERS);
    assert.equal(total(await metrics(), 'teapop_proxy_worker_restarts_total'), 1);
    assert.equal(childrenOf(site.proxy.pid).length, WORKERS);
    for (let i = 0; i < MANY; i++) assert.equal(await loginReply(site, JOHN), LET_IN);
    for (const client of open) client.destroy();
  });

  test('all read the tables anew', async () => {
    const changed = { ...JANE, password: 'changed' };
    const reloaded = () =>
      site.proxy.log().filter(({ event, part }) => event === 'reloaded' && part === 'tables');
    const before = reloaded().length;
    site.write('acme.com.passwd', `john:${JOHN.password}:/m/johnacme\njane:changed:/m/janeacme\n`);
    site.proxy.kill('SIGHUP');
    await until('all have', () => reloaded().length === before + WORKERS);
    for (let i = 0; i < MANY; i++) assert.equal(await loginReply(site, changed), LET_IN);
    for (let i = 0; i < MANY; i++) assert.equal(await loginReply(site, JANE), REFUSED);
  });

  test('a signal that reaches all of them at once is the primary’s to hear', async () => {
    const [session] = await sessions(1);
    for (const pid of childrenOf(site.proxy.pid))
      for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.kill(pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match(await session!.ask('STAT'), /^\+OK 1 /);
    assert.equal(await ready(), WORKERS);
    session!.destroy();
  });

  test('all drain: new connections are refused, sessions finish, and the last to end ends the proxy', async () => {
    const open = await sessions(6);
    const port = site.proxy.port('plain');
    const workers = childrenOf(site.proxy.pid);
    const began = performance.now();
    site.proxy.kill('SIGTERM');
    await until('nobody listens', async () => !(await isListening(port)));
    assert.deepEqual(await site.admin('/readyz'), { status: 503, body: 'draining\n' });
    for (const client of open) assert.match(await client.ask('STAT'), /^\+OK 1 /);
    assert.equal(site.proxy.status(), null);
    for (const client of open) {
      await client.ask('QUIT');
      client.destroy();
    }
    const { code } = await site.proxy.exited;
    assert.equal(code, 0, site.proxy.output());
    assert.ok(performance.now() - began < 15_000, 'it does not wait for the grace time to pass');
    assert.equal(site.proxy.log().at(-1)?.event, 'stopped');
    assert.deepEqual(workers.filter(isRunning), []);
  });

  test('a second signal cuts off what is left', async () => {
    await site.restart();
    const open = await sessions(4);
    site.proxy.kill('SIGTERM');
    await site.proxy.logged('signal', { signal: 'SIGTERM' });
    const began = performance.now();
    site.proxy.kill('SIGINT');
    assert.equal((await site.proxy.exited).code, 0);
    assert.ok(performance.now() - began < 15_000);
    await Promise.all(open.map((client) => client.gone()));
  });

  test('without their primary they leave', async () => {
    await site.restart();
    const [session] = await sessions(1);
    const workers = childrenOf(site.proxy.pid);
    const port = site.proxy.port('plain');
    site.proxy.kill('SIGKILL');
    await until('nobody listens', async () => !(await isListening(port)));
    assert.match(await session!.ask('STAT'), /^\+OK 1 /, 'their sessions finish');
    session!.destroy();
    await until('they are gone', () => !workers.some(isRunning));
  });

  test('do not share the ports with another proxy', async () => {
    const port = await freePort();
    const twice = await startSite({
      source: 'files',
      runtime,
      mailstore: false,
      config: () => ({
        workers: 2,
        listeners: [{ name: 'plain', address: '127.0.0.1', port, tls: 'off', plaintext_auth: 'always' }],
        upstreams: [{ name: 'none', host: '127.0.0.1', port: 9 }],
      }),
    });
    try {
      const text = readFileSync(twice.configFile, 'utf8').replace(/port: (\d+)$/m, 'port: $1');
      const second = twice.folder.file('second.yaml', text.replace(`port: ${twice.adminPort}`, 'port: 0'));
      await assert.rejects(
        startProxy(second, 1, runtime),
        new RegExp(`listener plain: .* port ${port}: it is in use`),
      );
    } finally {
      await twice.stop();
    }
  });
}

/** What a client sees of its session when it comes again, ten times. */
function resumptions(site: RunningSite): string[] {
  const { path } = site.folder;
  const target = ['-connect', `127.0.0.1:${site.proxy.port('pop3s')}`, '-tls1_2'];
  const connect = (...args: string[]) =>
    execFileSync('openssl', ['s_client', ...target, ...args], {
      input: 'QUIT\r\n',
      stdio: ['pipe', 'pipe', 'ignore'],
    }).toString();
  connect('-sess_out', `${path}/ticket`);
  return Array.from(
    { length: 10 },
    () => /^(New|Reused), /m.exec(connect('-sess_in', `${path}/ticket`))![1]!,
  );
}

test('on Node a TLS session of one worker is resumed at each of them', async () => {
  const site = await startSite({ source: 'files', runtime: 'node', config: () => ({ workers: WORKERS }) });
  try {
    assert.deepEqual(new Set(resumptions(site)), new Set(['Reused']));
  } finally {
    await site.stop();
  }
});

for (const runtime of ['bun', 'node'] as const) {
  test(`where clients are spread, one of them has the same worker each time, and its TLS session, ${runtime}`, async () => {
    const site = await startSite({
      source: 'files',
      runtime,
      config: () => ({
        workers: WORKERS,
        listeners: [{ name: 'pop3s', address: '127.0.0.1', port: 0, tls: 'implicit', spread: 'clients' }],
      }),
    });
    try {
      assert.deepEqual(new Set(resumptions(site)), new Set(['Reused']));
      const served = (await site.proxy.sessions(11)).map(({ worker }) => worker);
      assert.equal(new Set(served).size, 1);
    } finally {
      await site.stop();
    }
  });
}

test('the command that a primary starts is nobody else’s', async () => {
  const { code, output } = await runProxy(['worker']);
  assert.equal(code, 2);
  assert.match(output, /started by serve/);
});
