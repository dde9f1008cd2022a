/** `teapop-proxy lookup` and `tables` beside a proxy at work, and old hashes that get better by use. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Outcome, run, until } from '../support/process.ts';
import { EXECUTABLE, type Runtime } from '../support/proxy-process.ts';
import { JOHN, LOCAL, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';
/** MD5 hashes all of it, DES the first eight characters. */
const MD5_USER = { login: 'martha@old.test', password: 'm4rtha-and-more' };
const DES_USER = { login: 'dora@old.test', password: 'd0ra-and-more' };
const DES_SHORT = { ...DES_USER, password: 'd0ra-and' };
/** What no output may show: passwords, and the beginnings of hashes. */
const SECRETS = [
  JOHN.password,
  OTTO.password,
  MD5_USER.password,
  DES_SHORT.password,
  '$1$',
  '$6$',
  '$argon2id$',
];

function hash(method: '-1' | 'des', password: string): string {
  if (method === '-1')
    return execFileSync('openssl', ['passwd', '-1', '-stdin'], { input: password }).toString().trim();
  // openssl 3 makes no DES hashes; perl's crypt is the system's.
  return execFileSync('perl', ['-e', 'print crypt($ARGV[0], "ab")', password]).toString();
}

let site: RunningSite;
let htpasswd: string;
const outcomes: Outcome[] = [];

before(async () => {
  htpasswd = `martha:${hash('-1', MD5_USER.password)}\ndora:${hash('des', DES_USER.password)}\n`;
  const table = 'old.test:*:htpasswd:/var/spool/mail:0:otto:mail:{dir}/old.htpasswd:100:\n';
  site = await startSite({
    tables: {
      'teapop.passwd': `acme.com:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd:100:
example.org:*:htpasswd:/var/spool/mail:0:otto:mail:{dir}/example.org.htpasswd:100:
store.test:*:passwd:/var/spool/mail:0:
broken.test:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd
${table}`,
      'old.htpasswd': htpasswd,
    },
    config: ({ folder }) => ({
      log: { level: 'debug' },
      tables: {
        domain_table: `${folder.path}/teapop.passwd`,
        // Their own names have no maildrop in the mailstore.
        domains: { 'old.test': { local_user: 'uid' } },
      },
    }),
  });
});
after(() => site.stop());

async function command(argv: readonly string[], input = '', runtime: Runtime = 'bun'): Promise<Outcome> {
  const [name = '', ...rest] = argv;
  const outcome = await run([EXECUTABLE, name, '--config', site.configFile, ...rest], {
    env: { TEAPOP_PROXY_RUNTIME: runtime },
    input,
  });
  outcomes.push(outcome);
  return outcome;
}

const lookup = (user: string, ...options: string[]) => command(['lookup', ...options, user]);
const lookupWith = (user: string, password: string, ...options: string[]) =>
  command(['lookup', '--password-stdin', ...options, user], `${password}\n`);

function says({ code, stdout, stderr }: Outcome, status: number, ...texts: RegExp[]): void {
  for (const text of texts) assert.match(stdout.toString('utf8'), text);
  assert.deepEqual([code, stderr], [status, '']);
}

describe('lookup', () => {
  for (const runtime of ['bun', 'node'] as const) {
    test(`walks the decision in Redis and in the files, on ${runtime}`, async () => {
      const outcome = await command(
        ['lookup', '--password-stdin', JOHN.login],
        `${JOHN.password}\n`,
        runtime,
      );
      says(
        outcome,
        0,
        /^Redis, generation 1, published \d{4}-\S+ \S+ UTC \(.*\)\n {2}\S+teapop\.passwd:1 +acme\.com for \* +textfile +decides$/m,
        /^ {2}\S+acme\.com\.passwd:1 +john +argon2id +the password matches$/m,
        /^The files, the same\n\nThe files and Redis agree$/m,
        /^Mailstore mailstore, 127\.0\.0\.1 port \d+, in plain: as johnacme\*proxy, the master user$/m,
        /^ACCEPTED by \S+acme\.com\.passwd:1, as johnacme\n$/m,
      );
    });
  }

  test('tells with its exit status what became of it', async () => {
    says(await lookup(JOHN.login), 0, /^FOUND/m);
    says(await lookupWith(JOHN.login, 'wrong'), 1, /^REJECTED: .* \(wrong-password\)$/m);
    says(await lookup('nobody@acme.com'), 1, /no user nobody in \S+acme\.com\.passwd/, /\(unknown-user\)$/m);
    says(await lookup(LOCAL.login), 0, /^FOUND: the mailstore checks the password$/m);
    const broken = await lookup('john@broken.test', '--redis');
    says(broken, 1, /teapop\.passwd:4: error: the ':' after <passwordfile> is missing/);
    assert.equal((await lookup(JOHN.login, '--nonsense')).code, 2);
  });

  test('says what differs once the files have changed, and agrees after the sync', async () => {
    site.write('acme.com.passwd', `john:chang3d:/var/spool/mail/johnacme\n`);
    says(await lookup(JOHN.login), 4, /^The files and Redis DIFFER: run teapop-proxy sync\n {2}password /m);
    says(await lookupWith(JOHN.login, JOHN.password), 4, /^ACCEPTED/m);
    says(await lookupWith(JOHN.login, JOHN.password, '--redis'), 0);
    says(await lookupWith(JOHN.login, JOHN.password, '--files'), 1);
    says(await lookup('jane@acme.com'), 4, /lines of the user +in the files: 0 lines +in Redis: 1 line$/m);
    site.write('acme.com.passwd', `# moved\njohn:${JOHN.password}:/var/spool/mail/johnacme\n`);
    says(await lookup(JOHN.login), 0, /agree; lines have moved since the last sync$/m);
    assert.equal((await site.sync('--force')).code, 0);
    says(await lookup(JOHN.login), 0, /^The files and Redis agree$/m);
  });

  test('without the fingerprint key says that passwords are not compared', async () => {
    const key = `${site.folder.path}/state/fingerprint.key`;
    renameSync(key, `${key}.away`);
    says(await lookup(JOHN.login), 0, /passwords could not be compared without the fingerprint key$/m);
    site.write('acme.com.passwd', `john:chang3d:/var/spool/mail/johnacme\n`);
    says(await lookup(JOHN.login), 0, /could not be compared/);
    const told = await lookupWith(JOHN.login, JOHN.password);
    says(told, 4, /^ {2}password +in the files: rejected +in Redis: accepted$/m);
    site.write('acme.com.passwd', `# moved\njohn:${JOHN.password}:/var/spool/mail/johnacme\n`);
    renameSync(`${key}.away`, key);
  });

  test('on a host without the files asks Redis alone', async () => {
    const table = `${site.folder.path}/teapop.passwd`;
    renameSync(table, `${table}.away`);
    says(await lookup(JOHN.login), 0, /^The files: not available\n {2}\S+ is not on this host$/m, /^FOUND/m);
    says(await lookup(JOHN.login, '--files'), 3, /^UNAVAILABLE/m);
    renameSync(`${table}.away`, table);
  });
});

/** Of one user's rows in Redis, as the command tells them to programs. */
async function rowsOf(login: string): Promise<{ scheme: string; upgraded: boolean }[]> {
  const { stdout } = await lookup(login, '--redis', '--json');
  return JSON.parse(stdout.toString('utf8')).sources[0].rows;
}

const isUpgraded = async (login: string) => (await rowsOf(login))[0]!.upgraded;

describe('an old hash', () => {
  test('gets a better one beside it once its password was used, and lets the same passwords in', async () => {
    for (const user of [MD5_USER, DES_USER]) {
      assert.equal(await isUpgraded(user.login), false);
      assert.equal(await loginReply(site, user), LET_IN);
      await until('it is upgraded', () => isUpgraded(user.login));
      assert.equal(await loginReply(site, user), LET_IN);
      assert.equal(await loginReply(site, { ...user, password: 'wr0ng one' }), REFUSED);
    }
    assert.equal(await loginReply(site, DES_SHORT), LET_IN, 'DES looks at eight characters, as before');
    says(
      await lookupWith(MD5_USER.login, MD5_USER.password),
      0,
      /md5, upgraded to argon2id +the password matches/,
    );
    says(
      await lookupWith(DES_USER.login, 'wrong'),
      1,
      /des, upgraded to argon2id +the password does not match/,
    );
    await site.proxy.logged('hash-upgraded', { user: 'martha', method: 'md5' });
  });

  test('that is not to be upgraded stays alone', async () => {
    assert.equal(await loginReply(site, OTTO), LET_IN);
    const [row] = await rowsOf(OTTO.login);
    assert.deepEqual([row!.scheme, row!.upgraded], ['sha512', false]);
  });

  test('is counted by tables, which tells of all that is published', async () => {
    const { code, stdout } = await command(['tables']);
    assert.equal(code, 0);
    const text = stdout.toString('utf8');
    assert.match(text, /^published +generation \d+, \d{4}-/m);
    assert.match(text, /^users +\d+ with \d+ rows in 3 password tables, .*, \d+ octets a row$/m);
    assert.match(text, /^upgraded +2 users with a better hash/m);
    assert.match(text, /^Redis +one server, 127\.0\.0\.1 port \d+: version /m);
    assert.match(text, /^Of the files, as found .*: 1 errors, \d+ warnings\n\S+teapop\.passwd:4: error: /m);
    const json = JSON.parse((await command(['tables', '--json'])).stdout.toString('utf8'));
    assert.deepEqual([json.upgraded, json.redis.topology, json.diagnostics.errors], [2, 'single', 1]);
  });

  test('that changes in the file takes its better one with it', async () => {
    const later = { ...MD5_USER, password: 'chang3d martha' };
    site.write('old.htpasswd', htpasswd.replace(/martha:.*/, `martha:${hash('-1', later.password)}`));
    assert.equal((await site.sync()).code, 0);
    await until('the old password is refused', async () => (await loginReply(site, MD5_USER)) === REFUSED);
    assert.equal(await isUpgraded(MD5_USER.login), false);
    assert.equal(await loginReply(site, later), LET_IN);
    await until('the new one is upgraded', () => isUpgraded(MD5_USER.login));
    assert.equal(await loginReply(site, later), LET_IN);
    assert.equal(await isUpgraded(DES_USER.login), true, 'another row keeps its own');
  });
});

test('without Redis nothing is decided, and what the files say is a hint', async () => {
  await site.redis!.kill9();
  says(await lookup(JOHN.login), 3, /^Redis: not available$/m, /^UNAVAILABLE: .*; by the files: FOUND/m);
  says(await lookup(JOHN.login, '--files'), 0, /^FOUND/m);
  const { code, stderr } = await command(['tables']);
  assert.equal(code, 1);
  assert.match(stderr, /^tables: Redis at 127\.0\.0\.1:\d+/);
});

test('none of it has shown a password or a hash', () => {
  const all = outcomes.map(({ output }) => output).join('');
  assert.ok(all.length > 5_000);
  for (const secret of SECRETS) assert.ok(!all.includes(secret), secret);
});
