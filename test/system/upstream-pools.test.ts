/**
 * Three real Dovecots behind two proxies, one on each runtime: users keep to their server, whichever proxy they meet;
 * one that is killed with SIGKILL loses its users to the others and gets them back, and no login fails.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { type ProxyProcess, runProxy, startProxy } from '../support/proxy-process.ts';
import { ADDRESS, MASTER, type RunningSite, startSite } from '../support/running-site.ts';

const LET_IN = '+OK Logged in.';
const TEMPORARY = /^-ERR \[SYS\/TEMP\] /;
const PASSWORD = 'v1rtual';
const USERS = Array.from({ length: 60 }, (_, index) => `user${String(index).padStart(2, '0')}`);
const WEIGHTS = [1, 1, 2];
const NAMES = ['m1', 'm2', 'm3'];
/** So that a change of a server is noticed soon. */
const HEALTH = { check: '300ms', fall: 2, retry: '100ms', max_retry: '400ms' };

/** Who is where: server by user. */
type Homes = Record<string, string>;

const stores: Dovecot[] = [];
let site: RunningSite;
let second: ProxyProcess;

/** Each has another number of messages for everybody, by which it is known. */
async function startStore(index: number, port?: number): Promise<Dovecot> {
  const users = USERS.map((name) => ({ name, password: 'x' }));
  const store = await startDovecot({ users, master: MASTER, ...(port === undefined ? {} : { port }) });
  for (const user of USERS)
    for (let i = 0; i <= index; i++) store.deliver(user, 'Subject: hello\r\n\r\nhello\r\n');
  return store;
}

function config(folder: { path: string; file(name: string, text: string, mode?: number): string }) {
  const passwordFile = folder.file('the.password', MASTER.password, 0o600);
  const servers = stores.map(({ port }, index) => ({
    ...{ name: NAMES[index], host: ADDRESS, port, weight: WEIGHTS[index] },
  }));
  return {
    listeners: [{ name: 'plain', address: ADDRESS, port: 0, tls: 'off', plaintext_auth: 'always' }],
    tables: { source: 'files', domain_table: `${folder.path}/teapop.passwd`, server_field: true },
    upstreams: [
      {
        ...{ name: 'pool', servers, connect_timeout: '8s', health: HEALTH },
        login: { master: { user: MASTER.user, password_file: passwordFile } },
      },
    ],
  };
}

before(async () => {
  stores.push(...(await Promise.all(NAMES.map((_, index) => startStore(index)))));
  site = await startSite({
    source: 'files',
    mailstore: false,
    tables: {
      'teapop.passwd':
        'pool.test:*:textfile::0:mail:mail:{dir}/pool.passwd:100:\nnamed.test:*:textfile::0:mail:mail:{dir}/named.passwd:9:\n',
      'named.passwd': `one:${PASSWORD}:/m/user00:m1\ntwo:${PASSWORD}:/m/user00:m2\nother:${PASSWORD}:/m/user00:m9\n`,
      'pool.passwd': USERS.map((user) => `${user}:${PASSWORD}:/var/spool/mail/${user}\n`).join(''),
    },
    config: ({ folder }) => config(folder),
  });
  const admin = { port: await freePort() };
  const file = site.folder.file('second.yaml', stringify({ ...config(site.folder), admin }));
  second = await startProxy(file, 1, 'node');
});
after(async () => {
  await second?.stop();
  await site?.stop();
  await Promise.all(stores.map((store) => store.stop()));
});

/** Logs in and out: the reply to PASS, and the server by what is in the maildrop. */
async function visit(proxy: ProxyProcess, login: string): Promise<{ reply: string; server: string | null }> {
  const client = await Pop3Client.connect(proxy.port('plain'));
  try {
    await client.line();
    await client.ask(`USER ${login.includes('@') ? login : `${login}@pool.test`}`);
    const reply = await client.ask(`PASS ${PASSWORD}`);
    if (reply !== LET_IN) return { reply, server: null };
    const [, count] = /^\+OK (\d+) /.exec(await client.ask('STAT')) ?? [];
    await client.ask('QUIT');
    return { reply, server: NAMES[Number(count) - 1] ?? null };
  } finally {
    client.destroy();
  }
}

/** Everybody logs in once; nobody is turned away. */
async function homes(proxy: ProxyProcess): Promise<Homes> {
  const found: Homes = {};
  for (const user of USERS) {
    const { reply, server } = await visit(proxy, user);
    assert.equal(reply, LET_IN, user);
    found[user] = server!;
  }
  return found;
}

const of = (where: Homes, server: string) => USERS.filter((user) => where[user] === server);
const isUp = async (server: string) =>
  total((await site.admin('/metrics')).body, 'teapop_proxy_upstream_server_up', { server }) === 1;

let usual: Homes;

describe('with all servers up', () => {
  test('users are spread by the weights, and each keeps to one server', async () => {
    usual = await homes(site.proxy);
    const shares = NAMES.map((name) => of(usual, name).length);
    // 15, 15 and 30 of 60, and what chance makes of that: always the same for these names.
    assert.ok(shares[0]! >= 8 && shares[1]! >= 8 && shares[2]! >= 22, `${shares}`);
    for (const user of USERS.slice(0, 10)) assert.equal((await visit(site.proxy, user)).server, usual[user]);
  });

  test('another proxy, on the other runtime, finds the same', async () => {
    assert.deepEqual(await homes(second), usual);
  });

  test('lookup says whose server is which, and the log and the metrics', async () => {
    for (const user of USERS.slice(0, 3)) {
      const args = ['lookup', '--json', '--config', site.configFile, `${user}@pool.test`];
      const { stdout } = await runProxy(args);
      assert.equal(JSON.parse(stdout.toString()).upstream.server, usual[user]);
      const session = (await site.proxy.sessionsOf(`${user}@pool.test`)).at(-1)!;
      assert.equal((session.upstream as { server?: string }).server, usual[user]);
    }
    const { body } = await site.admin('/metrics');
    const checks = total(body, 'teapop_proxy_upstream_server_checks_total', { result: 'ok' });
    assert.ok(checks >= NAMES.length);
    assert.equal(total(body, 'teapop_proxy_upstream_server_checks_total', { result: 'failed' }), 0);
    assert.equal(total(body, 'teapop_proxy_upstream_server_failures_total'), 0);
  });
});

test('a server that the row names has its users, and one that is none of them has nobody', async () => {
  assert.equal((await visit(site.proxy, 'one@named.test')).server, 'm1');
  assert.equal((await visit(site.proxy, 'two@named.test')).server, 'm2');
  assert.match((await visit(site.proxy, 'other@named.test')).reply, /^-ERR \[SYS\/PERM\] /);
  const [session] = await site.proxy.sessionsOf('other@named.test');
  assert.equal(session?.reason, 'unknown-server');
  const ask = (login: string) => runProxy(['lookup', '--config', site.configFile, login]);
  const TWO = /^Mailstore pool, 127\.0\.0\.1 port \d+ of 3 servers, in plain/m;
  assert.match((await ask('two@named.test')).output, TWO);
  assert.match((await ask('other@named.test')).output, /^Mailstore pool, which has no server m9, in plain/m);
});

describe('a server killed with SIGKILL', () => {
  const LOST = 2;
  const lost = NAMES[LOST]!;

  test('loses its users to the others, from the first login on, and no others move', async () => {
    await stores[LOST]!.kill9();
    for (const proxy of [site.proxy, second]) {
      const now = await homes(proxy);
      assert.deepEqual(of(now, lost), []);
      for (const user of USERS) if (usual[user] !== lost) assert.equal(now[user], usual[user]);
      const shares = NAMES.map((name) => of(now, name).length - of(usual, name).length);
      assert.ok(shares[0]! > 0 && shares[1]! > 0, `both take some: ${shares}`);
    }
  });

  test('is told of once, not with each login', async () => {
    await site.proxy.logged('upstream-server-down', { server: lost });
    await until('it is down', async () => !(await isUp(lost)));
    const lines = site.proxy.log();
    const count = (event: string) => lines.filter((line) => line.event === event).length;
    assert.deepEqual([count('upstream-server-down'), count('upstream-down')], [1, 0]);
    const failed = lines.filter(({ event, server }) => event === 'upstream-failed' && server === lost);
    assert.ok(failed.length <= 1);
    assert.equal((await site.admin('/readyz')).status, 200);
  });

  test('gets its users back when it is back', async () => {
    stores[LOST] = await startStore(LOST, stores[LOST]!.port);
    await site.proxy.logged('upstream-server-up', { server: lost });
    await second.logged('upstream-server-up', { server: lost });
    assert.deepEqual(await homes(site.proxy), usual);
    assert.deepEqual(await homes(second), usual);
  });
});

describe('with all servers killed', () => {
  test('logins are told to come again, and the proxy is not ready', async () => {
    await Promise.all(stores.map((store) => store.kill9()));
    await site.proxy.logged('upstream-down', { upstream: 'pool' });
    for (const user of USERS.slice(0, 3)) assert.match((await visit(site.proxy, user)).reply, TEMPORARY);
    const { status, body } = await site.admin('/readyz');
    assert.deepEqual([status, body], [503, 'upstream pool: no server is up\n']);
  });

  test('the first that is back serves everybody', async () => {
    stores[0] = await startStore(0, stores[0]!.port);
    await site.proxy.logged('upstream-up', { upstream: 'pool' });
    await until('ready', async () => (await site.admin('/readyz')).status === 200);
    const now = await homes(site.proxy);
    assert.equal(of(now, NAMES[0]!).length, USERS.length);
  });
});
