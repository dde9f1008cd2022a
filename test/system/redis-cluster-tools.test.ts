/** The tools over a Redis Cluster: what they tell, how a sync is taken back, what use and outage make of the tables. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { LET_IN, TEMPORARY } from '../support/outage.ts';
import { until } from '../support/process.ts';
import { runProxy } from '../support/proxy-process.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { JANE, JOHN, OTTO, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

const REFUSED = '-ERR [AUTH] Login failed';
const MARTHA = { login: 'martha@old.test', password: 'm4rtha-and-more' };
const UPGRADE_WITHIN = 5_000;

let cluster: TestCluster;
let site: RunningSite;

before(async () => {
  const md5 = execFileSync('openssl', ['passwd', '-1', '-stdin'], { input: MARTHA.password });
  site = await startSite({
    source: 'files',
    tables: {
      'teapop.passwd': `acme.com:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd:100:
example.org:*:htpasswd:/var/spool/mail:0:otto:mail:{dir}/example.org.htpasswd:100:
old.test:*:htpasswd:/var/spool/mail:0:otto:mail:{dir}/old.htpasswd:100:
`,
      'old.htpasswd': `martha:${md5.toString().trim()}\n`,
    },
    config,
  });
});
after(async () => {
  await site.stop();
  await cluster.stop();
});

async function config({ folder, certificates }: SiteParts) {
  cluster = await startCluster(certificates, 'cluster-s3cret');
  return {
    tables: {
      source: 'redis',
      domain_table: `${folder.path}/teapop.passwd`,
      // Their own names have no maildrop in the mailstore.
      domains: { 'old.test': { local_user: 'uid' } },
      snapshot: `${folder.folder('kept')}/tables.snapshot`,
      snapshot_every: '1s',
    },
    redis: cluster.section(folder),
  };
}

async function told(command: string, ...argv: string[]) {
  const outcome = await runProxy([command, '--config', site.configFile, '--json', ...argv]);
  assert.equal(outcome.code, 0, outcome.output);
  return JSON.parse(outcome.stdout.toString('utf8'));
}

test('an old hash gets a better one beside it by use, which lookup and tables tell', async () => {
  const isUpgraded = async () => (await told('lookup', MARTHA.login, '--redis')).sources[0].rows[0].upgraded;
  assert.equal(await isUpgraded(), false);
  assert.equal(await loginReply(site, MARTHA), LET_IN);
  await until('it is upgraded', isUpgraded, UPGRADE_WITHIN);
  assert.equal(await loginReply(site, MARTHA), LET_IN);
  const { upgraded, redis, users } = await told('tables');
  assert.deepEqual([upgraded, redis.topology, users > 2], [1, 'cluster', true]);
});

test('a sync that locked people out is taken back', async () => {
  assert.equal(await loginReply(site, JOHN), LET_IN);
  assert.equal(await loginReply(site, OTTO), LET_IN);
  site.write('acme.com.passwd', 'somebody:else:/var/spool/mail/johnacme\n');
  site.write('teapop.passwd', 'acme.com:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd:100:\n');
  const refused = await site.sync();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /refused, nothing was changed/);
  assert.equal(await loginReply(site, JOHN), LET_IN);
  const { code, output } = await site.sync('--force');
  assert.equal(code, 0, output);
  await until('all of it counts', async () => (await loginReply(site, JOHN)) === REFUSED);
  assert.equal(await loginReply(site, OTTO), REFUSED);
  const back = await site.sync('--rollback');
  assert.equal(back.code, 0, back.output);
  await until('he is back', async () => (await loginReply(site, JOHN)) === LET_IN);
  assert.equal(await loginReply(site, OTTO), LET_IN);
  assert.equal(await loginReply(site, MARTHA), LET_IN);
});

// The last one: it leaves no Cluster.
test('with all nodes gone a proxy starts from the snapshot, and serves whom it never saw', async () => {
  const { generation } = await told('tables');
  await site.proxy.logged('snapshot-written', { generation });
  await Promise.all([...cluster.masters, cluster.replica].map(({ server }) => server.kill9()));
  await site.restart();
  assert.equal(await loginReply(site, JANE), LET_IN);
  assert.equal(await loginReply(site, { ...JANE, password: 'wrong' }), REFUSED);
  assert.match(await loginReply(site, { login: 'nobody@acme.com', password: 'x' }), TEMPORARY);
});
