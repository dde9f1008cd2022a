/** A Redis Cluster, with TLS: a slot moves, a master with a replica is killed, then one without. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { slotOf } from '../../src/tables/redis/slots.ts';
import { tableId } from '../../src/tables/teapop/table-id.ts';
import { LET_IN, repliesUntil, TEMPORARY, untilLetIn } from '../support/outage.ts';
import { until } from '../support/process.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { JOHN, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';
import type { TemporaryFolder } from '../support/temp.ts';

const PASSWORD = 'cluster-s3cret';
const REFUSED = '-ERR [AUTH] Login failed';
const MAX = 10;
/** Each place, the third of the slots that a master began with, has a domain whose table is there. */
const PLACES = [0, 1, 2] as const;
type Place = (typeof PLACES)[number];
/** The master with the replica. */
const REPLICATED: Place = 0;

let cluster: TestCluster;
let site: RunningSite;
/** By place: the password file, and the key of its table. */
const files: string[] = [];
const keys: string[] = [];

/** `name` tells those who have logged in before, and are in the proxy's memory, from those who have not. */
const person = (name: string, place: Place, password = `${name}-pw`) => ({
  login: `${name}@place${place}.test`,
  password,
});
const hot = (place: Place) => person('hot', place);
/** Nobody logs in twice under such a name but by `untilLetIn`. */
const cold = (number: number, place: Place) => person(`cold${number}`, place);

/** Where the domain table is. */
const domainsPlace = () => cluster.placeOf('teapop:{domains}') as Place;

before(async () => {
  site = await startSite({ source: 'files', config });
});
after(async () => {
  await site.stop();
  await cluster.stop();
});

async function config({ folder, certificates }: SiteParts) {
  cluster = await startCluster(certificates, PASSWORD);
  for (const place of PLACES) placeFile(folder, place);
  const table = PLACES.map((place) => `place${place}.test:*:textfile::0:mail:mail:${files[place]}:${MAX}:\n`);
  folder.file('teapop.passwd', table.join(''));
  return {
    tables: { source: 'redis', domain_table: `${folder.path}/teapop.passwd` },
    redis: cluster.section(folder),
  };
}

/** A password file by such a name that its table comes to the place. */
function placeFile(folder: TemporaryFolder, place: Place): void {
  for (let i = 0; ; i++) {
    const path = `${folder.path}/place${place}-${i}.passwd`;
    const key = `teapop:{table-${tableId('textfile', path, MAX)}}`;
    if (cluster.placeOf(key) !== place) continue;
    files[place] = path;
    keys[place] = key;
    writeFile(folder, place, 'hot-pw');
    return;
  }
}

function writeFile(folder: TemporaryFolder, place: Place, hotPassword: string): void {
  const row = (name: string, password: string) => `${name}:${password}:/var/spool/mail/${JOHN.localUser}\n`;
  const colds = [1, 2, 3, 4].map((number) => row(`cold${number}`, `cold${number}-pw`));
  folder.file(files[place]!.split('/').at(-1)!, row('hot', hotPassword) + colds.join(''), 0o600);
}

test('tables lie on every node, under keys of the prefix and of ids alone', async () => {
  for (const { link } of cluster.masters) {
    const held = ((await link.command('KEYS', '*')) as Buffer[]).map(String);
    assert.ok(held.length > 0);
    for (const key of held) assert.match(key, /^teapop:\{(?:domains|table-[0-9a-z]+)\}(?::[a-z]+)*$/);
  }
  for (const place of PLACES) {
    assert.equal(await loginReply(site, hot(place)), LET_IN);
    assert.equal(await loginReply(site, person('hot', place, 'wrong')), REFUSED);
  }
});

test('a key is in the slot that Redis computes', async () => {
  const { link } = cluster.masters[0]!;
  for (const key of [
    ...keys,
    '',
    'foo{}{bar}',
    'foo{{bar}}zap',
    'foo{bar}{zap}',
    'foo{bar',
    '\xff\0{\x80:*}',
  ])
    assert.equal(await link.command('CLUSTER', 'KEYSLOT', key), slotOf(key), key);
});

test('a slot moves to another node while people log in', async () => {
  const place = 1;
  const halfway = async () => {
    assert.equal(await loginReply(site, cold(1, place)), LET_IN);
  };
  await cluster.moveSlot(keys[place]!, cluster.masters[2]!, halfway);
  assert.equal(await loginReply(site, cold(2, place)), LET_IN);
  await cluster.moveSlot(keys[2]!, cluster.masters[place]!, async () => {});
  writeFile(site.folder, 2, 'other-pw');
  const { code, output } = await site.sync();
  assert.equal(code, 0, output);
  const later = person('hot', 2, 'other-pw');
  await until('the new password counts', async () => (await loginReply(site, later)) === LET_IN);
});

test('a master with a replica is killed: who was in before is let in all along, others soon', async () => {
  await cluster.masters[REPLICATED]!.server.kill9();
  const successor = cluster.successorOf(REPLICATED);
  const [known, unknown] = await Promise.all([
    repliesUntil(site, hot(REPLICATED), successor),
    untilLetIn(site, cold(1, REPLICATED)),
    successor,
  ]);
  assert.deepEqual(new Set(known), new Set([LET_IN]));
  assert.match(unknown[0]!, TEMPORARY, 'the row was not in memory');
  assert.ok(
    unknown.slice(0, -1).every((reply) => TEMPORARY.test(reply)),
    unknown.join(),
  );
});

test('the next sync publishes to the replica that took over', async () => {
  writeFile(site.folder, REPLICATED, 'later-pw');
  const { code, output } = await site.sync();
  assert.equal(code, 0, output);
  const later = person('hot', REPLICATED, 'later-pw');
  await until('the new password counts', async () => (await loginReply(site, later)) === LET_IN);
  assert.equal(await loginReply(site, hot(REPLICATED)), REFUSED);
});

test('a master without one is killed: its users alone hear [SYS/TEMP], and a sync says what stands in the way', async () => {
  const lost = PLACES.find((place) => place !== REPLICATED && place !== domainsPlace())!;
  const [other] = PLACES.filter((place) => place !== lost && place !== REPLICATED);
  // Slots of tables were swapped between the two masters above.
  const tablesOf = { [lost]: other!, [other!]: lost } as Record<Place, Place>;
  const { server, port } = cluster.masters[lost]!;
  await server.kill9();
  assert.match(await loginReply(site, cold(3, tablesOf[lost])), TEMPORARY);
  assert.equal(await loginReply(site, cold(3, lost)), LET_IN);
  assert.equal(await loginReply(site, cold(3, REPLICATED)), LET_IN);
  const began = performance.now();
  const { code, stderr } = await site.sync();
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^sync: Redis at 127\\.0\\.0\\.1:${port}: `, 'm'));
  assert.ok(performance.now() - began < 20_000);
  assert.equal(await loginReply(site, cold(4, lost)), LET_IN);
  assert.match(await loginReply(site, cold(4, tablesOf[lost])), TEMPORARY);
});
