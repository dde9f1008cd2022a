/** Redis behind Sentinels, with TLS and passwords for both: the master is killed, and its successor hangs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectRedis } from '../../src/tables/redis/client.ts';
import { LET_IN, repliesUntil, TEMPORARY, untilLetIn } from '../support/outage.ts';
import { until } from '../support/process.ts';
import {
  MASTER_NAME,
  SENTINEL_PASSWORD,
  SERVER_PASSWORD,
  type Sentinels,
  startSentinels,
} from '../support/redis-sentinel.ts';
import {
  JANE,
  JOHN,
  OTTO,
  type RunningSite,
  type SiteParts,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

const REFUSED = '-ERR [AUTH] Login failed';
const FILE = 'acme.com.passwd';
const JOHN_LATER = { ...JOHN, password: 'chang3d john' };
const JOHN_LAST = { ...JOHN, password: 'l4st john' };

let sentinels: Sentinels;
let site: RunningSite;

before(async () => {
  site = await startSite({ source: 'files', config });
});
after(async () => {
  await site.stop();
  await sentinels.stop();
});

async function config({ folder, certificates }: SiteParts) {
  sentinels = await startSentinels(certificates);
  return {
    tables: { source: 'redis', domain_table: `${folder.path}/teapop.passwd` },
    redis: {
      sentinels: sentinels.ports.map((port) => ({ host: '127.0.0.1', port })),
      master: MASTER_NAME,
      sentinel_password_file: folder.file('sentinel.password', `${SENTINEL_PASSWORD}\n`, 0o600),
      password_file: folder.file('redis.password', `${SERVER_PASSWORD}\n`, 0o600),
      tls: { ca_file: certificates.caFile },
      // A Sentinel may name the old master for some time, which a sync has to outwait.
      timeout: '3s',
    },
  };
}

const replyTo = (password: string) => loginReply(site, { ...JOHN, password });

async function changePassword(from: string, to: string): Promise<void> {
  site.write(FILE, standardTables()[FILE]!.replace(JOHN.password, to));
  const { code, output } = await site.sync();
  assert.equal(code, 0, output);
  // Where the nudge was lost with its connection, it is asked for within the second that is promised.
  await until('the new password counts', async () => (await replyTo(to)) === LET_IN);
  assert.equal(await replyTo(from), REFUSED);
}

const allTemporaryButTheLast = (replies: readonly string[]) =>
  replies.slice(0, -1).every((reply) => TEMPORARY.test(reply));

test('through Sentinels tables are published and logins decided', async () => {
  assert.equal(await loginReply(site, JOHN), LET_IN);
  assert.equal(await replyTo('wrong'), REFUSED);
});

test('the master is killed: who was in before is let in all along, others hear [SYS/TEMP] until there is a new one', async () => {
  const master = await sentinels.masterPort();
  await sentinels.servers.get(master)!.kill9();
  const successor = sentinels.successorOf(master);
  const [known, unknown] = await Promise.all([
    repliesUntil(site, JOHN, successor),
    untilLetIn(site, JANE),
    successor,
  ]);
  assert.deepEqual(new Set(known), new Set([LET_IN]));
  assert.match(unknown[0]!, TEMPORARY, 'the row was not in memory');
  assert.ok(allTemporaryButTheLast(unknown), unknown.join());
});

test('the next sync finds the new master', async () => {
  await changePassword(JOHN.password, JOHN_LATER.password);
});

test('a master that hangs is left for its successor', async () => {
  await sentinels.followedBy(1);
  assert.equal(await replyTo(JOHN_LATER.password), LET_IN);
  const master = await sentinels.masterPort();
  sentinels.servers.get(master)!.freeze();
  const successor = sentinels.successorOf(master);
  const [known, unknown] = await Promise.all([
    repliesUntil(site, JOHN_LATER, successor),
    untilLetIn(site, OTTO),
    successor,
  ]);
  assert.deepEqual(new Set(known), new Set([LET_IN]));
  assert.ok(allTemporaryButTheLast(unknown), unknown.join());
  await changePassword(JOHN_LATER.password, JOHN_LAST.password);
});

test('Sentinels that were set up anew, and know of no failover, are believed soon', async () => {
  const master = await sentinels.masterPort();
  await sentinels.setUpAnew(master);
  const servers = { kind: 'single', host: '127.0.0.1', port: master } as const;
  const link = connectRedis({ ...sentinels.settings, servers });
  await link.whenReady(30_000);
  await link.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  link.close();
  await changePassword(JOHN_LAST.password, JOHN.password);
});
