/** What a proxy remembers serves its users while Redis is gone, also one that is started only then. */
import assert from 'node:assert/strict';
import { existsSync, statSync, truncateSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { until } from '../support/process.ts';
import {
  JANE,
  JOHN,
  LOCAL,
  OTTO,
  type RunningSite,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

const STANDARD = standardTables();
const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';
const NOT_NOW = /^-ERR \[SYS\/TEMP\] /;
const JOHN_LATER = { ...JOHN, password: 'chang3d john' };
const NOBODY = { login: 'nobody@acme.com', password: 'x' };

let site: RunningSite;
let snapshot: string;

before(async () => {
  site = await startSite({
    config: ({ folder }) => {
      snapshot = `${folder.folder('state')}/tables.snapshot`;
      const kept = { snapshot, snapshot_every: '1s' };
      return { tables: { domain_table: `${folder.path}/teapop.passwd`, ...kept } };
    },
  });
});
after(() => site.stop());

const lookups = async (source: string) =>
  total((await site.admin('/metrics')).body, 'teapop_proxy_table_lookups_total', { source });

async function sync(): Promise<void> {
  const { code, output } = await site.sync('--force');
  assert.equal(code, 0, output);
}

test('a hot user needs no look-up in Redis', async () => {
  assert.equal(await loginReply(site, JOHN), LET_IN);
  const [memory, redis] = [await lookups('memory'), await lookups('redis')];
  assert.equal(await loginReply(site, JOHN), LET_IN);
  assert.equal((await lookups('memory')) - memory, 2);
  assert.equal(await lookups('redis'), redis);
});

describe('with Redis killed', () => {
  before(async () => {
    await site.proxy.logged('snapshot-written');
    await site.redis!.kill9();
    await site.proxy.logged('tables-not-followed');
  });

  test('everybody in the tables is served, and nobody is unknown', async () => {
    for (const person of [JOHN, JANE, OTTO, LOCAL]) assert.equal(await loginReply(site, person), LET_IN);
    assert.equal(await loginReply(site, { ...JOHN, password: 'wrong' }), REFUSED);
    assert.match(await loginReply(site, NOBODY), NOT_NOW);
    assert.match(await loginReply(site, { login: 'john@nowhere.test', password: 'x' }), NOT_NOW);
    assert.ok((await lookups('snapshot')) > 0);
  });

  test('the proxy is ready, and a restarted one as well', async () => {
    assert.equal((await site.admin('/readyz')).status, 200);
    assert.equal(statSync(snapshot).mode & 0o777, 0o600);
    await site.restart();
    assert.equal((await site.admin('/readyz')).status, 200);
    for (const person of [JOHN, JANE, OTTO, LOCAL]) assert.equal(await loginReply(site, person), LET_IN);
    assert.match(await loginReply(site, NOBODY), NOT_NOW);
  });

  test('on Node too', async () => {
    await site.restart('node');
    for (const person of [JOHN, OTTO]) assert.equal(await loginReply(site, person), LET_IN);
    await site.restart();
  });

  test('and back, a changed password counts', async () => {
    assert.equal(await loginReply(site, JOHN), LET_IN);
    await site.redis!.restart();
    site.write('acme.com.passwd', STANDARD['acme.com.passwd']!.replace(JOHN.password, JOHN_LATER.password));
    await sync();
    await until('it counts', async () => (await loginReply(site, JOHN_LATER)) === LET_IN);
    assert.equal(await loginReply(site, JOHN), REFUSED);
    assert.equal(await loginReply(site, NOBODY), REFUSED, 'it is known again who is unknown');
    await site.proxy.logged('snapshot-written');
  });
});

describe('with Redis killed, and the snapshot damaged', () => {
  before(async () => {
    await site.redis!.kill9();
    truncateSync(snapshot, statSync(snapshot).size - 1);
    // It runs, and waits for Redis.
    await site.restart('bun', false);
  });

  test('the proxy starts, says what is wrong and lets nobody hear that a password is', async () => {
    const refused = await site.proxy.logged('snapshot-refused', { file: snapshot, level: 'error' });
    assert.match(String(refused.detail), /octets of/);
    await site.proxy.logged('tables-not-followed');
    assert.match(await loginReply(site, JOHN_LATER), NOT_NOW);
    const { status, body } = await site.admin('/readyz');
    assert.equal(status, 503);
    assert.match(body, /^tables: Redis at .*; no snapshot is at hand, 0 rows in memory are served alone$/m);
  });

  test('with Redis back it serves, and writes a new one', async () => {
    await site.redis!.restart();
    await sync();
    await until('it serves', async () => (await loginReply(site, JOHN_LATER)) === LET_IN);
    await site.proxy.logged('snapshot-written');
    assert.ok(existsSync(snapshot));
  });
});
