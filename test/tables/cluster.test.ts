/** All that is made of several keys, over a real Cluster: tables, the domain table and the feed lie on three nodes. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import { rollBack } from '../../src/tables/publish/rollback.ts';
import { readSite } from '../../src/tables/published/published.ts';
import { redisKeys } from '../../src/tables/published/redis-keys.ts';
import { RedisStore } from '../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import type { SyncOptions } from '../../src/tables/sync/sync.ts';
import { TablesUnavailable } from '../../src/tables/teapop/store.ts';
import { tableId } from '../../src/tables/teapop/table-id.ts';
import { waited } from '../support/clock.ts';
import { mailboxOf, type Near, type NearOptions, openNear } from '../support/near.ts';
import { pause } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { CHEAP, makeSite, type Site } from '../support/site.ts';
import { temporaryCertificates } from '../support/tls.ts';

const KEYS = redisKeys('test');
const MAX = 100;
/** crypt(3)'s DES, of one password and of another. */
const HASH = 'abrVGN.c35n9U';
const OTHER_HASH = 'CCNf8Sbh3HDfQ';
/** A textfile for each third of the slots, and a table of crypt(3) strings. */
const PLACES = [0, 1, 2] as const;

const certificates = temporaryCertificates();
let cluster: TestCluster;
let link: RedisLink;
let site: Site;
let store: RedisStore;
/** By place: the name of a password file whose table comes there. */
let names: string[];
const proxies: Near[] = [];

before(async () => {
  cluster = await startCluster(certificates, 'cluster-s3cret');
});
after(() => cluster.stop());
beforeEach(async () => {
  for (const node of cluster.masters) await node.link.command('FLUSHALL');
  link = connectRedis(cluster.settings);
  await link.whenReady(30_000);
  store = new RedisStore({ link, prefix: 'test' });
  site = makeSite('cluster');
  names = PLACES.map(nameFor);
  for (const place of PLACES) site.write(names[place]!, 'john:pw:box\njane:pw:jane\n');
  site.write('htpasswd', `john:${HASH}\njane:${HASH}\n`);
  site.write('teapop.passwd', domains());
  await sync();
});
afterEach(async () => {
  for (const near of proxies.splice(0)) await near.close();
  await store.close();
  site.remove();
});

function nameFor(place: number): string {
  for (let i = 0; ; i++) {
    const name = `users-${i}`;
    const id = tableId('textfile', `${site.path}/${name}`, MAX);
    if (cluster.placeOf(KEYS.table(id)) === place) return name;
  }
}

function domains(...more: string[]): string {
  const textfiles = names.map(
    (name, place) => `d${place}.org:*:textfile:/m:0:mail:mail:{dir}/${name}:${MAX}:`,
  );
  return [...textfiles, `crypt.org:*:htpasswd:/m:0:mail:mail:{dir}/htpasswd:${MAX}:`, ...more, ''].join('\n');
}

function sync(options: Partial<SyncOptions> = {}) {
  return site.sync(0, { redis: cluster.settings, ...options });
}

async function open(options: NearOptions = {}): Promise<Near> {
  const near = await openNear(cluster.settings, options);
  proxies.push(near);
  await until('the feed follows', () => near.feed.trusted);
  return near;
}

/** What each login comes to, cold. */
function served(): Promise<string[]> {
  const users = PLACES.flatMap((place) => ['john', 'jane', 'eve'].map((user) => `${user}@d${place}.org`));
  return Promise.all([...users, 'john@crypt.org', 'eve@new.org'].map((user) => mailboxOf(store, user)));
}

async function heldKeys(): Promise<string[]> {
  const held = await Promise.all(cluster.masters.map((node) => node.link.command('KEYS', '*')));
  return held.flatMap((keys) => (keys as Buffer[]).map(String)).toSorted();
}

/** On every node something changes, comes and goes. */
function writeOthers(): void {
  for (const place of PLACES) site.write(names[place]!, 'john:pw:moved\neve:pw:eve\n');
  site.write('new', 'eve:pw:eve\n');
  site.write('teapop.passwd', domains(`new.org:*:textfile:/m:0:mail:mail:{dir}/new:${MAX}:`));
}

test('a sync changes what differs on every node, an unchanged one nothing', async () => {
  const before = await served();
  const { report: unchanged } = await sync();
  assert.deepEqual([unchanged.published, unchanged.unchangedTables], [false, 4]);
  writeOthers();
  const { report } = await sync();
  assert.deepEqual(
    [report.generation, report.added, report.changed, report.removed, report.changedTables.length],
    [2, 4, 3, 3, 4],
  );
  const now = await served();
  for (const place of PLACES) {
    assert.deepEqual(before.slice(3 * place, 3 * place + 3), ['box', 'jane', 'unknown-user']);
    assert.deepEqual(now.slice(3 * place, 3 * place + 3), ['moved', 'unknown-user', 'eve']);
  }
});

test('of two syncs at once one wins, whole, and leaves nothing begun behind', async () => {
  writeOthers();
  const both = await Promise.allSettled([sync(), sync()]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const now = await served();
  assert.equal(now.at(-1), 'eve');
  for (const place of PLACES) assert.equal(now[3 * place], 'moved');
  assert.deepEqual(
    (await heldKeys()).filter((key) => /next|begun|claim/.test(key)),
    [],
  );
});

test('one that is broken off, and one that only tries, leave nothing behind', async () => {
  const before = [await served(), await heldKeys()];
  writeOthers();
  await sync({ dryRun: true });
  assert.deepEqual([await served(), await heldKeys()], before);
  const beforeSwitch = () => {
    throw new Error('enough');
  };
  await assert.rejects(sync({ beforeSwitch }), /enough/);
  assert.deepEqual([await served(), await heldKeys()], before);
});

test('a rollback brings every node back, and a second one undoes it', async () => {
  const before = await served();
  writeOthers();
  await sync();
  const now = await served();
  const report = await rollBack(link, 'test');
  assert.deepEqual(report, { generation: 3, before: 2, domains: 4, users: 8, tables: 3 });
  assert.deepEqual(await served(), before);
  await rollBack(link, 'test');
  assert.deepEqual(await served(), now);
});

test('a rollback that cannot go through leaves what was live', async () => {
  writeOthers();
  await sync();
  const now = await served();
  const failing: RedisLink = {
    ...link,
    evaluate: (script, calls) =>
      script.source.includes('PUBLISH') ? Promise.reject(new Error('lost')) : link.evaluate(script, calls),
  };
  await assert.rejects(rollBack(failing, 'test'), /lost/);
  assert.deepEqual(await served(), now);
  assert.equal((await readSite(link, KEYS))!.generation, 2);
});

test('a better hash is kept beside its row, and goes with it', async () => {
  const better = await hashPassword('pw', CHEAP);
  const table = tableId('htpasswd', `${site.path}/htpasswd`, MAX);
  const rowOf = async (user: string) => (await store.userRows(table, user))[0]!;
  for (const user of ['john', 'jane']) {
    assert.equal(await store.keepBetter(table, user, await rowOf(user), better), true);
    assert.equal((await rowOf(user)).better, better);
  }
  const old = await rowOf('john');
  site.write('htpasswd', `john:${OTHER_HASH}\njane:${HASH}\n`);
  await sync();
  assert.equal((await rowOf('john')).better, undefined);
  assert.equal((await rowOf('jane')).better, better);
  assert.equal(await link.command('HLEN', KEYS.better(table)), 1);
  assert.equal(await store.keepBetter(table, 'john', old, better), false, 'the source has changed');
});

test('hot rows need no node, and a change is believed within a second, with nudges and without', async () => {
  const both = [await open(), await open({ nudged: false })];
  for (const { near, link: over } of both) {
    for (const place of PLACES) assert.equal(await mailboxOf(near, `john@d${place}.org`), 'box');
    over.sent.length = 0;
    for (const place of PLACES) assert.equal(await mailboxOf(near, `john@d${place}.org`), 'box');
    assert.ok(!over.sent.includes('HGET') && !over.sent.includes('HMGET'), over.sent.join());
  }
  writeOthers();
  await sync();
  const took = await waited(async () => {
    for (const { near } of both) {
      const user = 'john@d2.org';
      await until('the change is believed', async () => (await mailboxOf(near, user)) === 'moved');
      assert.equal(await mailboxOf(near, 'jane@d0.org'), 'unknown-user');
    }
  });
  assert.ok(took < 1_000, `${took} ms`);
});

test('a slot that moves takes its rows along, for hot rows, snapshots and syncs', async () => {
  const path = `${site.path}/tables.snapshot`;
  const { near, events } = await open({ snapshot: { path } });
  await until('it is written', () => events.length === 1);
  const id = tableId('textfile', `${site.path}/${names[1]}`, MAX);
  site.write(names[1]!, 'john:pw:moved\n');
  let synced: ReturnType<typeof sync> | undefined;
  await cluster.moveSlot(KEYS.table(id), cluster.masters[2]!, async () => {
    synced = sync();
    // A switch needs three keys of the slot: it waits until they are in one place.
    await pause(400);
    assert.equal(await mailboxOf(store, 'john@d1.org'), 'box');
  });
  await synced;
  const believed = async () => (await mailboxOf(near, 'john@d1.org')) === 'moved';
  const took = await waited(() => until('the change is believed', believed));
  assert.ok(took < 1_000, `${took} ms`);
  await until('the snapshot has it', () => events.length > 1);
  assert.deepEqual(events, ['written 1, 0 taken over', 'written 2, 4 taken over']);
});

// The last one: it leaves no Cluster.
test('a snapshot serves the tables of a node that is gone, then of all, and a proxy starts from it', async () => {
  const path = `${site.path}/tables.snapshot`;
  const first = await open({ snapshot: { path } });
  await until('it is written', () => first.events.length === 1);
  const domainsAt = cluster.placeOf(KEYS.domains);
  const lost = PLACES.find((place) => place !== domainsAt && place !== 0)!;
  await cluster.masters[lost]!.server.kill9();
  for (const place of PLACES) assert.equal(await mailboxOf(first.near, `jane@d${place}.org`), 'jane');
  await Promise.all([...cluster.masters, cluster.replica].map(({ server }) => server.kill9()));
  await until('the loss is noticed', () => first.feed.failure !== null);
  const second = await openNear(cluster.settings, { snapshot: { path } });
  proxies.push(second);
  for (const { near } of [first, second]) {
    for (const place of PLACES) assert.equal(await mailboxOf(near, `john@d${place}.org`), 'box');
    // He may be in what cannot be seen.
    await assert.rejects(mailboxOf(near, 'eve@d0.org'), TablesUnavailable);
  }
});
