/** From the files through `teapop-proxy sync` and a real Redis to the logins, and what of it shows outside. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink } from '../../src/tables/redis/link.ts';
import { type Outcome, type RunningProcess, start, until } from '../support/process.ts';
import { dumpRedis } from '../support/redis.ts';
import {
  JANE,
  JOHN,
  LOCAL,
  MASTER,
  OTTO,
  type RunningSite,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import { redisAt } from '../support/site.ts';
import { loginReply, openClient, openSession } from '../support/site-clients.ts';

const STANDARD = standardTables();
const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';
/** Of a domain whose passwords are sealed rather than hashed, for APOP. */
const AMY = { login: 'amy@sealed.test', password: 's3aled amy' };
const JOHN_LATER = { ...JOHN, password: 'chang3d john' };
const WRONG = { ...JOHN, password: 'wr0ng guess' };

let site: RunningSite;
let redis: RedisLink;
/** All that anybody says to Redis while these tests run. */
let monitor: RunningProcess;
const syncs: Outcome[] = [];

before(async () => {
  site = await startSite({
    tables: {
      'teapop.passwd': `${STANDARD['teapop.passwd']}sealed.test:*:textfile::0:otto:mail:{dir}/sealed.passwd:9:\n`,
      'sealed.passwd': `amy:${AMY.password}:/var/spool/mail/otto\n`,
    },
    config: ({ folder }) => ({
      tables: { domain_table: `${folder.path}/teapop.passwd`, domains: { 'sealed.test': { apop: true } } },
      passwords: {
        fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
        seal_key_file: folder.file('seal.key', randomBytes(32), 0o600),
      },
    }),
  });
  redis = connectRedis(redisAt(site.redis!.port));
  await redis.whenReady(30_000);
  monitor = await start(['redis-cli', '-p', String(site.redis!.port), 'MONITOR']);
  await until('the monitor', () => monitor.stdout().includes('OK'));
  await redis.command('FLUSHALL');
});
after(async () => {
  redis.close();
  await monitor.stop();
  await site.stop();
});

async function sync(...args: string[]): Promise<Outcome> {
  const outcome = await site.sync(...args);
  syncs.push(outcome);
  return outcome;
}

/** What was published is seen within a second. In ms, with what a busy machine adds. */
const SEEN_WITHIN = 1_500;

/** Logs in until the answer is the one that was published. */
const answered = (reply: string, person: { login: string; password: string }) =>
  until(
    `${person.login} hears ${reply}`,
    async () => (await loginReply(site, person)) === reply,
    SEEN_WITHIN,
  );

async function published(): Promise<string> {
  const { code, output } = await sync();
  assert.equal(code, 0, output);
  return output;
}

test('without published tables nobody is told that the password is wrong', async () => {
  assert.match(await loginReply(site, JOHN), /^-ERR \[SYS\/TEMP\] /);
});

test('a sync publishes, and the next login is let in', async () => {
  const output = await published();
  assert.match(output, /^published generation 1: 6 domains, 6 users in 4 password tables, /);
  assert.match(output, /^passwords: 5 hashed, 0 kept$/m);
  for (const person of [JOHN, JANE, OTTO, AMY]) assert.equal(await loginReply(site, person), LET_IN);
  assert.equal(await loginReply(site, WRONG), REFUSED);
});

test('a second sync hashes nothing and changes nothing', async () => {
  const found = await dumpRedis(redis);
  const output = await published();
  assert.match(output, /^nothing had changed: /);
  assert.match(output, /^passwords: 0 hashed, /m);
  assert.equal(await dumpRedis(redis), found);
});

test('a changed password counts within a second, and it alone is hashed', async () => {
  const session = await openSession(site, JOHN);
  site.write('acme.com.passwd', STANDARD['acme.com.passwd']!.replace(JOHN.password, JOHN_LATER.password));
  assert.match(await published(), /^users: 0 added, 1 changed, 0 removed\npasswords: 1 hashed, 1 kept$/m);
  await answered(LET_IN, JOHN_LATER);
  assert.equal(await loginReply(site, JOHN), REFUSED);
  assert.match(await session.ask('STAT'), /^\+OK /, 'who was in stays in');
  session.destroy();
});

test('a removed user is out within a second, on a connection that stood before', async () => {
  const client = await openClient(site);
  await client.ask(`USER ${JANE.login}`);
  site.write('acme.com.passwd', `john:${JOHN_LATER.password}:/var/spool/mail/johnacme\n`);
  assert.match(await published(), /^users: 0 added, 0 changed, 1 removed$/m);
  await answered(REFUSED, JANE);
  assert.equal(await client.ask(`PASS ${JANE.password}`), REFUSED);
  client.destroy();
  assert.equal(await loginReply(site, JOHN_LATER), LET_IN);
});

describe('a file that is broken', () => {
  const ACME = () => `${site.folder.path}/acme.com.passwd`;

  test('is reported with file, line, reason and cure', async () => {
    const table = STANDARD['teapop.passwd']!.split('\n').length;
    const broken =
      'howto.test:*:textfile::0:johnacme:mail:/etc/howto.passwd\nsql.test:*:oracle:::::::::::::\n';
    site.write('teapop.passwd', STANDARD['teapop.passwd'] + broken);
    site.write('acme.com.passwd', STANDARD['acme.com.passwd']!.replace('jane', '\njane'));
    const { code, stderr } = await sync();
    assert.equal(code, 0, stderr);
    const domains = `${site.folder.path}/teapop.passwd`;
    const reported = (place: string, reason: string, cure: string) =>
      assert.match(stderr, new RegExp(`^${place}: error: .*${reason}.*\\n {4}cure: .*${cure}`, 'm'));
    reported(`${domains}:${table}`, "the ':' after <passwordfile> is missing", '<passwordfile>:<max>:');
    reported(`${domains}:${table + 1}`, 'type oracle', 'textfile or htpasswd');
    reported(`${ACME()}:2`, 'blank line', 'remove the line');
    reported(`${ACME()}:3`, 'user .jane. cannot log in', 'mend line 2');
    await answered(LET_IN, JOHN);
    assert.equal(await loginReply(site, JANE), REFUSED);
  });

  test('and gone, locks nobody out until somebody insists', async () => {
    rmSync(ACME());
    const { code, stderr } = await sync();
    assert.equal(code, 1);
    assert.match(stderr, /^sync: .*acme\.com\.passwd is gone or cannot be read, and 1 published users/m);
    assert.equal(await loginReply(site, JOHN), LET_IN);
    assert.equal((await sync('--force')).code, 0);
    await answered(REFUSED, JOHN);
  });
});

describe('no password shows', () => {
  const PASSWORDS = [JOHN, JANE, OTTO, AMY, LOCAL, JOHN_LATER, WRONG].map(({ password }) => password);
  const auth = (login: string, password: string) =>
    Buffer.from(`\0${login}\0${password}`, 'latin1').toString('base64');
  const SECRETS = [...PASSWORDS, MASTER.password, auth(JOHN.login, JOHN.password)];

  before(async () => {
    for (const [name, text] of Object.entries(STANDARD)) site.write(name, text);
    await published();
    for (const person of [JOHN, OTTO, LOCAL, WRONG]) await loginReply(site, person);
    const client = await openClient(site);
    // A client out of step: what it takes for a challenge's answer comes as a command, or as no base64 at all.
    for (const line of [JOHN.password, `AUTH PLAIN ${JOHN.password}`, 'AUTH LOGIN', JOHN.password])
      client.send(`${line}\r\n`);
    await client.ask(`AUTH PLAIN ${auth(JOHN.login, JOHN.password)}`);
    client.destroy();
    await site.proxy.sessions(10);
  });

  const without = (text: string, where: string) => {
    assert.ok(text.length > 0, `nothing to look at in ${where}`);
    for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} shows in ${where}`);
  };

  test('in Redis', async () => without(await dumpRedis(redis), 'Redis'));
  test('in what Redis is told', () => {
    const told = monitor.stdout().toString('latin1');
    assert.match(told, /HMGET/);
    without(told, 'MONITOR');
  });
  test('in the log', () => without(site.proxy.output(), 'the log'));
  test('in the metrics', async () => without((await site.admin('/metrics')).body, '/metrics'));
  test('in what a sync says', () =>
    without(syncs.map(({ output }) => output).join(''), 'the output of sync'));
  test("in the process's arguments and environment", () => {
    for (const file of ['cmdline', 'environ'])
      without(readFileSync(`/proc/${site.proxy.pid}/${file}`, 'latin1'), file);
  });
});

// Last: Redis is gone from here on.
test('a sync without Redis says so and ends with 1', async () => {
  await site.redis!.kill9();
  const { code, stdout, stderr } = await sync();
  assert.equal(code, 1);
  assert.equal(stdout.toString(), '');
  assert.match(
    stderr,
    new RegExp(`^sync: Redis at 127\\.0\\.0\\.1:${site.redis!.port}: .*ECONNREFUSED.*\\n$`, 'm'),
  );
});
