/** Every way of logging in at a mailstore, each against a real Dovecot, and what clients hear where it does not work. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/process.ts';
import {
  ADDRESS,
  LOCAL,
  MASTER,
  type RunningSite,
  type SiteParts,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import { type ScriptedMailstore, startScriptedMailstore } from '../support/scripted-mailstore.ts';

/** One user in every domain; each domain has an upstream of its own, `NAME.test` that of `NAME`. */
const PASSWORD = 'v1rtual ada';
const ONE_FOR_ALL = 'one-for-all';
/** In passthrough alone is the mailstore's password the one that the client knows. */
const ACCOUNTS = [
  { name: 'passthrough', password: PASSWORD },
  { name: 'secret', password: ONE_FOR_ALL },
  { name: 'other', password: 'nobody-knows' },
  { name: LOCAL.localUser, password: LOCAL.password },
];

let site: RunningSite;
let expired: Dovecot;
let refusesStls: ScriptedMailstore;

before(async () => {
  refusesStls = await startScriptedMailstore(async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    connection.send('-ERR unknown command\r\n');
  });
  site = await startSite({
    mailstore: { users: ACCOUNTS, extra: 'login_log_format_elements = user=<%u> by=<%{auth_user}> %k\n' },
    tables: tables(),
    config,
  });
});
after(async () => {
  await site.stop();
  await expired.stop();
  await refusesStls.close();
});

/** The account of each domain's user; where it is none of those with a name, a master's. */
const DOMAINS: Record<string, string> = {
  ...{ passthrough: 'passthrough', master: 'other', plain: 'other', secret: 'secret' },
  ...{ starttls: 'other', implicit: 'other', unverified: 'other' },
  ...{ stranger: 'other', misnamed: 'other', 'out-of-date': 'other', stripped: 'other', absent: 'other' },
  ...{ 'wrong-master': 'other', 'wrong-secret': 'other', 'not-there': 'missing' },
};

function tables(): Record<string, string> {
  const line = (domain: string) =>
    `${domain}.test:*:textfile:/var/spool/mail:0:mail:mail:{dir}/${domain}.passwd:9:\n`;
  const files = Object.entries(DOMAINS).map(([domain, account]) => [
    `${domain}.passwd`,
    `ada:${PASSWORD}:${account}\n`,
  ]);
  const own = Object.keys(DOMAINS).map(line).join('');
  return { ...Object.fromEntries(files), 'teapop.passwd': standardTables()['teapop.passwd'] + own };
}

async function config(parts: SiteParts) {
  const { certificates, folder } = parts;
  expired = await startDovecot({ users: ACCOUNTS, master: MASTER, tls: certificates.expired });
  const domains = Object.keys(DOMAINS).map((name) => [`${name}.test`, { upstream: name }]);
  return {
    upstreams: await upstreams(parts),
    tables: { domain_table: `${folder.path}/teapop.passwd`, domains: Object.fromEntries(domains) },
  };
}

async function upstreams({ certificates, dovecot, folder }: SiteParts) {
  const { caFile, stranger } = certificates;
  const { port, tlsPort } = dovecot!;
  const file = (name: string, password: string) => folder.file(`${name}.password`, `${password}\n`, 0o600);
  const withMaster = { user: MASTER.user, password_file: file('master', MASTER.password) };
  const master = { login: { master: withMaster } };
  const secret = (name: string, password: string) => ({
    login: { secret: { password_file: file(name, password) } },
  });
  const verified = { tls: 'starttls', ca_file: caFile, server_name: 'mail.test', ...master };
  const all: Record<string, object> = {
    master,
    passthrough: {},
    plain: { login: { plain: withMaster } },
    secret: secret('secret', ONE_FOR_ALL),
    starttls: verified,
    implicit: { tls: 'implicit', port: tlsPort, ca_file: caFile, ...master },
    unverified: { tls: 'starttls', verify: false, ...master },
    stranger: { ...verified, ca_file: stranger.certificateFile },
    misnamed: { ...verified, server_name: 'other.test' },
    'out-of-date': { ...verified, port: expired.port },
    stripped: { ...verified, port: refusesStls.port },
    absent: { ...master, port: await freePort() },
    'wrong-master': { login: { master: { ...withMaster, password_file: file('wrong', 'wrong') } } },
    'wrong-secret': secret('wrong-secret', 'wrong'),
    'not-there': master,
  };
  return Object.entries(all).map(([name, more]) => ({ name, host: ADDRESS, port, ...more }));
}

/** Logs in over TLS; the reply to PASS. */
async function passReply(login: string, password: string): Promise<string> {
  const client = await Pop3Client.connectTls(site.proxy.port('pop3s'), site.certificates.ca);
  try {
    await client.line();
    await client.ask(`USER ${login}`);
    return await client.ask(`PASS ${password}`);
  } finally {
    client.destroy();
  }
}

const logIn = (domain: string) => passReply(`ada@${domain}.test`, PASSWORD);

describe('a login at the mailstore', () => {
  /** Whom Dovecot let in, who vouched for them, and over what. */
  const AS_SEEN: Record<string, RegExp> = {
    passthrough: /Login: user=<passthrough>, by=<passthrough>$/,
    master: /Login: user=<other>, by=<proxy>$/,
    plain: /Login: user=<other>, by=<proxy>$/,
    secret: /Login: user=<secret>, by=<secret>$/,
    starttls: /Login: user=<other>, by=<proxy>, TLSv1\.3 /,
    implicit: /Login: user=<other>, by=<proxy>, TLSv1\.3 /,
    unverified: /Login: user=<other>, by=<proxy>, TLSv1\.3 /,
  };

  for (const [domain, seen] of Object.entries(AS_SEEN)) {
    test(domain, async () => {
      const before = site.dovecot!.log().length;
      assert.equal(await logIn(domain), '+OK Logged in.');
      const since = () => site.dovecot!.log().slice(before).split('\n');
      await until(`${seen} in ${since().join('\n')}`, () => since().some((line) => seen.test(line)));
      const [session] = await site.proxy.sessionsOf(`ada@${domain}.test`);
      assert.equal(session?.upstream?.name, domain);
    });
  }

  test('is not tried with a wrong password', async () => {
    const before = site.dovecot!.log().length;
    assert.match(await passReply('ada@master.test', 'wrong'), /^-ERR \[AUTH\] /);
    // Nobody is named by whoever asks for the capabilities.
    assert.doesNotMatch(site.dovecot!.log().slice(before), /user=<[^>]/);
  });
});

describe('a passwd entry', () => {
  test('is checked by the mailstore, though its upstream has a master', async () => {
    const before = site.dovecot!.log().length;
    assert.equal(await passReply(LOCAL.login, LOCAL.password), '+OK Logged in.');
    const since = () => site.dovecot!.log().slice(before);
    await until('the login at Dovecot', () => /user=<local>, by=<local>/.test(since()));
  });

  test('hears [AUTH] when the mailstore refuses', async () => {
    assert.match(await passReply(LOCAL.login, 'wrong'), /^-ERR \[AUTH\] /);
    assert.match(await passReply(LOCAL.login, MASTER.password), /^-ERR \[AUTH\] /);
    const sessions = await site.proxy.sessionsOf(LOCAL.login, 3);
    assert.deepEqual(
      sessions.map(({ reason }) => reason),
      ['none', 'refused-by-upstream', 'refused-by-upstream'],
    );
  });

  test("is no way in with a master's name in the userid", async () => {
    const login = `passthrough*${MASTER.user}@store.test`;
    assert.match(await passReply(login, MASTER.password), /^-ERR \[AUTH\] /);
  });
});

/** The password is right each time: [AUTH] would make the client throw it away (RFC 3206 §4). */
describe('a mailstore that cannot be used', () => {
  const FAILURES: Record<string, { code: string; failure: RegExp; detail?: RegExp }> = {
    stranger: { code: 'SYS/TEMP', failure: /^certificate-invalid$/ },
    misnamed: { code: 'SYS/TEMP', failure: /^certificate-invalid$/, detail: /other\.test|name/i },
    'out-of-date': { code: 'SYS/TEMP', failure: /^certificate-invalid$/, detail: /expired/i },
    stripped: { code: 'SYS/PERM', failure: /^stls-refused$/ },
    absent: { code: 'SYS/TEMP', failure: /^connect-refused$/ },
    'wrong-master': { code: 'SYS/PERM', failure: /^login-auth-refused$/ },
    'wrong-secret': { code: 'SYS/PERM', failure: /^login-auth-refused$/ },
    // A master who asks for an account that is not there: Dovecot says so, or now and then closes without a word.
    'not-there': { code: 'SYS/TEMP', failure: /^(sys-temp|closed)$/ },
  };

  for (const [domain, { code, failure, detail = /./ }] of Object.entries(FAILURES)) {
    test(`${domain}: the client hears [${code}], the log says why`, async () => {
      assert.equal((await logIn(domain)).split(']')[0], `-ERR [${code}`);
      const event = await site.proxy.logged('upstream-failed', { upstream: domain });
      assert.match(event.failure as string, failure);
      assert.match(event.detail as string, detail);
    });
  }

  test('is never told a password that TLS should have covered', () => {
    // The login's, and those that asked for the capabilities.
    const heard = refusesStls.connections.map(({ received }) => received).filter((said) => said !== '');
    assert.deepEqual([...new Set(heard)], ['STLS\r\n']);
    assert.doesNotMatch(expired.log(), /Login:|\(auth/);
  });
});
