/** A switch that is cut off at any of its steps: lookups see one generation, whole, and the next sync completes. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import type { PublishReport } from '../../../src/tables/publish/publication.ts';
import { publish } from '../../../src/tables/publish/publish.ts';
import { BRING_IN, PUBLISH_ALL, TAKE_OUT } from '../../../src/tables/publish/switch-scripts.ts';
import { decodeChanges } from '../../../src/tables/published/change-log.ts';
import { createFingerprints, loadFingerprintKey } from '../../../src/tables/published/fingerprint.ts';
import { RedisStore } from '../../../src/tables/published/redis-store.ts';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import type { RedisLink } from '../../../src/tables/redis/link.ts';
import { compileDomains } from '../../../src/tables/sources/compile.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../../src/tables/teapop/lookup.ts';
import type { DomainEntry } from '../../../src/tables/teapop/model.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { type Cut, interrupted } from '../../support/interrupted.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { CHEAP, makeSite, redisAt, type Site } from '../../support/site.ts';

const CLAIM = 'test:{domains}:sync';
/** Domains that every version has. */
const DOMAINS = ['a.org', 'b.org', 'c.org'];

let server: RedisServer;
let site: Site;
let link: RedisLink;
let store: RedisStore;

before(async () => {
  server = await startRedis();
});
after(() => server.stop());
beforeEach(async () => {
  site = makeSite('switch');
  link = connectRedis(redisAt(server.port));
  await link.whenReady(30_000);
  await link.command('FLUSHALL');
  store = new RedisStore({ link, prefix: 'test' });
});
afterEach(async () => {
  await store.close();
  site.remove();
});

/** Files in which everything names the version; `more` are domains besides, each with a file of its own. */
function write(version: number, more: readonly string[] = []): void {
  const domains = [...DOMAINS, ...more];
  const line = (domain: string) => `${domain}:*:textfile:/m${version}:0:mail:mail:{dir}/${domain}:10:\n`;
  site.write('teapop.passwd', domains.map(line).join(''));
  for (const domain of domains) site.write(domain, `john:pw:box${version}\nu${version}:pw:box${version}\n`);
}

function sync(cut?: Cut): Promise<PublishReport> {
  return syncOver(cut === undefined ? link : interrupted(link, cut));
}

async function syncOver(over: RedisLink): Promise<PublishReport> {
  const key = await loadFingerprintKey(`${site.path}/state/fingerprint.key`);
  const { report } = await publish({
    link: over,
    prefix: 'test',
    compiled: await compileDomains(site.files),
    fingerprints: createFingerprints(key),
    domainTable: site.files.domainTable,
    passwords: createPasswordTools(CHEAP, null),
    keeping: () => 'hashed',
    concurrency: 2,
  });
  return report;
}

/** A sync that loses Redis, and the time that its claim takes to lapse. */
async function cutOff(cut: Cut): Promise<void> {
  await assert.rejects(sync(cut), TablesUnavailable);
  await link.command('DEL', CLAIM);
}

async function versionOf(domain: string): Promise<number> {
  const found = await lookup(store, `john@${domain}`, '127.0.0.1', DEFAULT_DIVIDERS);
  assert.equal(found.result, 'rows', `${domain} is missing`);
  if (found.result !== 'rows') throw new Error('unreachable');
  assert.equal(found.rows[0]?.mailbox.replace('box', '/m'), found.entry.maildir);
  return Number(found.entry.maildir.slice(2));
}

async function allAre(version: number, domains = DOMAINS): Promise<void> {
  for (const domain of domains) assert.equal(await versionOf(domain), version, domain);
}

async function keys(pattern: string): Promise<string[]> {
  return ((await link.command('KEYS', pattern)) as Buffer[]).map(String).toSorted();
}

async function nothingIsLeft(): Promise<void> {
  assert.deepEqual(await keys('*:next:*'), []);
  assert.equal(await link.command('EXISTS', 'test:{domains}:begun', CLAIM), 0);
}

async function changesOf(generation: number) {
  const value = (await link.command('HGET', 'test:{domains}:changes', generation)) as Buffer | null;
  return value === null ? null : decodeChanges(value);
}

async function tableOf(domain: string): Promise<string> {
  const [entries] = await store.domainEntries([domain]);
  return entries![0]!.table!;
}

const CUTS: [how: string, cut: Cut][] = [
  ['before the first table', { script: BRING_IN, call: 0 }],
  ['between tables', { script: BRING_IN, call: 1 }],
  ['before the last table', { script: BRING_IN, call: 2 }],
  ['behind the last table', { script: BRING_IN, call: 2, behind: true }],
  ['before the step that lookups see', { script: PUBLISH_ALL, call: 0 }],
];

for (const [how, cut] of CUTS) {
  test(`cut off ${how}, lookups see the generation before, and the next sync completes`, async () => {
    write(1);
    await sync();
    write(2);
    await cutOff(cut);
    await allAre(1);
    const report = await sync();
    assert.deepEqual([report.published, report.generation], [true, 2]);
    await allAre(2);
    await nothingIsLeft();
    // What the first try had brought in is told to proxies as well, though the second found it unchanged.
    const listed = await changesOf(2);
    for (const domain of DOMAINS) assert.ok(listed?.tables.has(await tableOf(domain)), domain);
    assert.equal((await sync()).published, false);
  });

  test(`cut off ${how}, and the files have changed again`, async () => {
    write(1);
    await sync();
    write(2);
    await cutOff(cut);
    write(3);
    await cutOff(cut);
    await allAre(1);
    await sync();
    await allAre(3);
    await nothingIsLeft();
  });

  test(`cut off ${how}, and the files are again what is published`, async () => {
    write(1);
    await sync();
    write(2);
    await cutOff(cut);
    write(1);
    await sync();
    await allAre(1);
    await nothingIsLeft();
    write(2);
    await sync();
    await allAre(2);
  });
}

test('a new table that was brought in for nothing goes', async () => {
  write(1);
  await sync();
  write(2, ['new.org']);
  await cutOff({ script: PUBLISH_ALL, call: 0 });
  assert.equal((await keys('test:{table-*}')).length, 4);
  write(2);
  await sync();
  await allAre(2);
  assert.equal((await keys('test:{table-*}')).length, 3);
});

test('cut off behind the step that lookups see, all is published, and what was removed goes with the next', async () => {
  write(1, ['old.org']);
  await sync();
  const old = `test:{table-${await tableOf('old.org')}}`;
  write(2);
  const report = await sync({ script: TAKE_OUT, call: 0 });
  assert.equal(report.published, true);
  await allAre(2);
  assert.deepEqual(await store.domainEntries(['old.org']), [[]]);
  await link.command('DEL', CLAIM);
  write(3);
  await sync();
  await allAre(3);
  assert.deepEqual(await keys(`${old.replace(/[{}]/g, '?')}*`), []);
  await nothingIsLeft();
});

test('a removed table comes back, also where it had not been taken out in time', async () => {
  for (const cut of [undefined, { script: TAKE_OUT, call: 0 }]) {
    write(1, ['old.org']);
    await sync();
    write(2);
    await sync(cut);
    await link.command('DEL', CLAIM);
    write(3, ['old.org']);
    await sync();
    await allAre(3, [...DOMAINS, 'old.org']);
  }
});

test('lookups that began before a switch end in what they began with, removed tables too', async () => {
  write(1, ['old.org']);
  await sync();
  const before = await store.domainEntries([...DOMAINS, 'old.org']);
  write(2);
  await sync();
  for (const [entry] of before) {
    const rows = await store.userRows(entry!.table!, 'u1', entry!.generation);
    assert.deepEqual(
      rows.map(({ mailbox }) => mailbox),
      ['box1'],
    );
  }
});

test('a table that was brought in for nothing and is named no more goes, its published rows last', async () => {
  write(1, ['old.org']);
  await sync();
  const [[entry]] = (await store.domainEntries(['old.org'])) as [[DomainEntry]];
  write(2, ['old.org']);
  await cutOff({ script: PUBLISH_ALL, call: 0 });
  write(3);
  await sync();
  const rows = await store.userRows(entry.table!, 'u1', entry.generation);
  assert.deepEqual(
    rows.map(({ mailbox }) => mailbox),
    ['box1'],
  );
  assert.equal(await link.command('EXISTS', `test:{table-${entry.table}}`), 0);
});

test('where only a password file changed, the second sync makes it seen', async () => {
  write(1);
  await sync();
  site.write('a.org', 'john:pw:box9\n');
  await cutOff({ script: PUBLISH_ALL, call: 0 });
  const report = await sync();
  assert.deepEqual([report.published, report.domainsChanged], [true, false]);
  const [[entry]] = (await store.domainEntries(['a.org'])) as [[DomainEntry]];
  const rows = await store.userRows(entry.table!, 'john', entry.generation);
  assert.equal(rows[0]?.mailbox, 'box9');
});

for (const [step, script, complaint] of [
  ['its tables', BRING_IN, /Redis lost rows/],
  ['the domain table', PUBLISH_ALL, /another sync has taken over/],
] as const) {
  test(`a sync that stood still before ${step} while another took over changes nothing any more`, async () => {
    write(1);
    await sync();
    write(2);
    let met = 0;
    const slow: RedisLink = {
      ...link,
      evaluate: async (...call) => {
        if (call[0].sha === script.sha && met++ === 0) {
          await link.command('DEL', CLAIM);
          write(3);
          await sync();
        }
        return link.evaluate(...call);
      },
    };
    await assert.rejects(syncOver(slow), complaint);
    await allAre(3);
    await nothingIsLeft();
  });
}

test('without its domain table a site counts on, so that tables that stay are not of a generation to come', async () => {
  for (const version of [1, 2, 3]) {
    write(version);
    await sync();
  }
  await link.command('DEL', 'test:{domains}');
  await assert.rejects(store.domainEntries(['a.org']), TablesUnavailable);
  assert.equal((await sync()).generation, 4);
  await allAre(3);
});

test('a domain table that was changed by another hand is not replaced', async () => {
  write(1);
  await sync();
  write(2);
  const meddled: RedisLink = {
    ...link,
    evaluate: async (...call) => {
      if (call[0].sha === PUBLISH_ALL.sha) await link.command('HSET', 'test:{domains}', 'g', '1.7');
      return link.evaluate(...call);
    },
  };
  await assert.rejects(syncOver(meddled), /were changed by another/);
});
