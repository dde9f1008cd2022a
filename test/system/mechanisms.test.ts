/** Logins that do not send the password, by real clients through the real proxy to a real mailstore. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type ClientName, clients, type FetchOptions } from '../support/clients.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import { runProxy } from '../support/proxy-process.ts';
import { ADDRESS, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { scramFirst, scramLogin } from '../support/scram-client.ts';

const PASSWORD = 'v1rtual ada';
/** getmail puts a Return-Path in front of a message that has none. */
const MESSAGE = 'Return-Path: <>\r\nSubject: for ada\r\n\r\nby whatever mechanism\r\n';
/** Beyond ASCII, in UTF-8. */
const UMLAUT = 'p\xc3\xa4ss w\xc3\xb6rd';
/** What each keeps: the password sealed, SCRAM's keys, an Argon2id hash. */
const DOMAINS = ['sealed.test', 'keys.test', 'hashed.test'] as const;
type Auth = NonNullable<FetchOptions['auth']>;
type Listener = 'pop3' | 'pop3s' | 'plain' | 'digests' | 'passwords';
const FAILED = '-ERR [AUTH] Login failed';

let site: RunningSite;

before(async () => {
  site = await startSite({
    mailstore: { users: [{ name: 'ada', password: 'x' }] },
    tables: tables(),
    config,
  });
  site.dovecot!.deliver('ada', MESSAGE);
});
after(() => site.stop());

function tables(): Record<string, string> {
  const lines = DOMAINS.map(
    (domain) => `${domain}:*:textfile:/var/spool/mail:0:mail:mail:{dir}/${domain}:9:\n`,
  );
  const shell = 'shell.test:*:passwd:/var/spool/mail:0:\n';
  const files = DOMAINS.map((domain) => [domain, `ada:${PASSWORD}:ada\numlaut:${UMLAUT}:ada\n`]);
  return { 'teapop.passwd': lines.join('') + shell, ...Object.fromEntries(files) };
}

function config({ folder }: SiteParts) {
  const plain = { address: ADDRESS, port: 0, tls: 'off' };
  return {
    listeners: [
      { name: 'pop3', address: ADDRESS, port: 0, tls: 'starttls' },
      { name: 'pop3s', address: ADDRESS, port: 0, tls: 'implicit' },
      { name: 'plain', ...plain, plaintext_auth: 'always' },
      { name: 'digests', ...plain, digest_auth: 'always' },
      { name: 'passwords', ...plain, plaintext_auth: 'always', mechanisms: ['USER', 'PLAIN', 'LOGIN'] },
    ],
    tables: {
      domain_table: `${folder.path}/teapop.passwd`,
      domains: { 'sealed.test': { apop: true, scram: true }, 'keys.test': { scram: true } },
    },
    passwords: {
      fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
      seal_key_file: folder.file('seal.key', 'k'.repeat(32), 0o600),
    },
  };
}

const LISTENER: Record<FetchOptions['mode'], Listener> = { plain: 'plain', stls: 'pop3', tls: 'pop3s' };

function fetchAs(
  client: ClientName,
  user: string,
  auth: Auth,
  mode: FetchOptions['mode'],
  password = PASSWORD,
) {
  const { caFile } = site.certificates;
  const port = site.proxy.port(LISTENER[mode]);
  return clients[client]({ user, password, mode, port, caFile, auth });
}

/** Of those that were let in. */
function sessionsBy(auth: Auth, login: string, mode: FetchOptions['mode']): number {
  const wanted = { event: 'session', result: 'accepted', login, mechanism: auth.toUpperCase() };
  const found = Object.entries({ ...wanted, listener: LISTENER[mode] });
  return site.proxy.log().filter((line) => found.every(([name, value]) => line[name] === value)).length;
}

async function assertFetches(client: ClientName, user: string, auth: Auth, mode: FetchOptions['mode']) {
  const earlier = sessionsBy(auth, user, mode);
  const { code, output, messages } = await fetchAs(client, user, auth, mode);
  assert.equal(code, 0, output);
  assert.deepEqual(
    messages.map((message) => message.toString('latin1')),
    [MESSAGE],
  );
  if (auth === 'best') return;
  await until(`a session by ${auth}`, () => sessionsBy(auth, user, mode) > earlier);
}

/** As far as each knows them; of the mechanisms announced neomutt takes SCRAM. curl without the GSASL library has no SCRAM, getmail, poplib and Perl no STLS or SASL. */
const KNOWN: Partial<Record<ClientName, Auth[]>> = {
  curl: ['apop', 'cram-md5', 'plain', 'login', 'best'],
  mpop: ['apop', 'cram-md5', 'scram-sha-256', 'plain', 'login', 'best'],
  fetchmail: ['apop', 'cram-md5', 'best'],
  neomutt: ['apop', 'best'],
  poplib: ['apop'],
  getmail: ['apop'],
  perl: ['apop', 'cram-md5', 'best'],
};

/** fetchmail and Perl try the password where what they chose fails; over TLS mpop takes PLAIN in the first place. */
const FALL_BACK = { curl: false, mpop: true, fetchmail: true, neomutt: false, perl: true };

for (const [name, mechanisms] of Object.entries(KNOWN) as [ClientName, Auth[]][]) {
  describe(name, () => {
    for (const auth of mechanisms) {
      test(`fetches by ${auth}, over TLS and without`, async () => {
        await assertFetches(name, 'ada@sealed.test', auth, 'tls');
        await assertFetches(name, 'ada@sealed.test', auth, 'plain');
      });
      if (auth === 'best') continue;
      test(`hears of a wrong password by ${auth}`, async () => {
        const { code, output, messages } = await fetchAs(name, 'ada@sealed.test', auth, 'tls', 'wrong');
        assert.notEqual(code, 0);
        assert.deepEqual(messages, []);
        assert.match(output, name === 'neomutt' ? /APOP authentication failed/ : /\[AUTH\] Login failed/);
      });
    }
  });
}

describe('after STLS', () => {
  for (const [client, auth] of [
    ['mpop', 'scram-sha-256'],
    ['mpop', 'cram-md5'],
    ['curl', 'cram-md5'],
    ['curl', 'best'],
    ['fetchmail', 'cram-md5'],
    ['neomutt', 'best'],
  ] as const) {
    test(`${client} fetches by ${auth}`, () => assertFetches(client, 'ada@sealed.test', auth, 'stls'));
  }
});

describe('a user whose domain offers none of what the listener announces', () => {
  for (const [client, falls] of Object.entries(FALL_BACK)) {
    test(`with a ${client} that chooses by itself ${falls ? 'gets in all the same' : 'fails'}`, async () => {
      const { code, output } = await fetchAs(client as ClientName, 'ada@hashed.test', 'best', 'tls');
      assert.equal(code === 0, falls, output);
    });
  }
});

describe('SCRAM keys in the table', () => {
  test('serve SCRAM, and the password', async () => {
    await assertFetches('mpop', 'ada@keys.test', 'scram-sha-256', 'tls');
    await assertFetches('neomutt', 'ada@keys.test', 'best', 'tls');
    await assertFetches('curl', 'ada@keys.test', 'plain', 'tls');
    assert.notEqual((await fetchAs('poplib', 'ada@keys.test', 'apop', 'tls')).code, 0);
    await site.proxy.logged('session', { login: 'ada@keys.test', reason: 'mechanism-unavailable' });
  });

  test('are what stands in Redis, and no password', async () => {
    const { redis } = site;
    const { Redis } = await import('ioredis');
    const link = new Redis({ host: ADDRESS, port: redis!.port });
    const keys = await link.keys('*');
    let all = '';
    for (const key of keys) {
      if ((await link.type(key)) === 'hash') all += JSON.stringify(await link.hgetall(key));
    }
    link.disconnect();
    assert.match(all, /\{SCRAM-SHA-256\}65536,/);
    assert.match(all, /\{SEALED\}/);
    assert.ok(!all.includes(PASSWORD) && !all.includes('ss w'));
  });
});

/** A client of the listener, with its greeting. */
async function open(listener: Listener): Promise<{ client: Pop3Client; greeting: string }> {
  const port = site.proxy.port(listener);
  const tls = listener === 'pop3s';
  const client = tls
    ? await Pop3Client.connectTls(port, site.certificates.ca)
    : await Pop3Client.connect(port);
  return { client, greeting: await client.line() };
}

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const md5 = (text: string) => createHash('md5').update(text, 'latin1').digest('hex');

/** The reply to a login by this mechanism; the connection is gone then. */
async function replyTo(listener: Listener, auth: Auth, user: string, password: string): Promise<string> {
  const { client, greeting } = await open(listener);
  try {
    if (auth === 'scram-sha-256') return (await scramLogin(client, user, password)).reply;
    if (auth === 'apop') {
      const timestamp = /<.*>/.exec(greeting)?.[0] ?? '';
      return await client.ask(`APOP ${user} ${md5(timestamp + password)}`);
    }
    const challenge = await client.ask('AUTH CRAM-MD5');
    const text = Buffer.from(challenge.slice(2), 'base64');
    const digest = createHmac('md5', Buffer.from(password, 'latin1')).update(text).digest('hex');
    return await client.ask(base64(`${user} ${digest}`));
  } finally {
    client.destroy();
  }
}

const DIGESTS = ['apop', 'cram-md5', 'scram-sha-256'] as const;

describe('what is announced is what is taken', () => {
  const ANNOUNCED: Record<Listener, { sasl: string; user: boolean; apop: boolean }> = {
    pop3: { sasl: '', user: false, apop: false },
    pop3s: { sasl: 'PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256', user: true, apop: true },
    plain: { sasl: 'PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256', user: true, apop: true },
    digests: { sasl: 'CRAM-MD5 SCRAM-SHA-256', user: false, apop: true },
    passwords: { sasl: 'PLAIN LOGIN', user: true, apop: false },
  };
  for (const [name, { sasl, user, apop }] of Object.entries(ANNOUNCED)) {
    const listener = name as Listener;
    test(`${listener}: ${sasl || 'nothing before TLS'}`, async () => {
      const { client, greeting } = await open(listener);
      assert.equal(/<[0-9a-f]{32}@teapop-proxy>$/.test(greeting), apop, greeting);
      await client.ask('CAPA');
      const lines = await client.multiLine();
      assert.equal(lines.find((line) => line.startsWith('SASL '))?.slice(5) ?? '', sasl);
      assert.equal(lines.includes('USER'), user);
      assert.equal((await client.ask('USER ada')).startsWith('+OK'), user);
      client.destroy();
      const taken: string[] = [];
      for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS']) {
        const { client } = await open(listener);
        if ((await client.ask(`AUTH ${mechanism}`)).startsWith('+ ')) taken.push(mechanism);
        client.destroy();
      }
      assert.equal(taken.join(' '), sasl);
    });
  }

  test('without TLS, to whom digests are let in, all of them work', async () => {
    for (const auth of DIGESTS) {
      assert.equal(await replyTo('digests', auth, 'ada@sealed.test', PASSWORD), '+OK Logged in.');
    }
  });

  test('no greeting has the timestamp of another', async () => {
    const greetings = await Promise.all(Array.from({ length: 20 }, () => open('plain')));
    assert.equal(new Set(greetings.map(({ greeting }) => greeting)).size, 20);
    for (const { client } of greetings) client.destroy();
  });
});

describe('who is there cannot be told from who is not', () => {
  const NOBODIES = ['nobody@sealed.test', 'ada@hashed.test', 'ada@nowhere.test', 'ada@shell.test', 'x'];

  test('by the answer to any mechanism', async () => {
    for (const auth of DIGESTS) {
      for (const user of ['ada@sealed.test', ...NOBODIES])
        assert.equal(await replyTo('pop3s', auth, user, 'wrong'), FAILED, `${auth} ${user}`);
    }
  });

  test('nor by the salt: everybody has one, on every proxy the same', async () => {
    const salts = async () => {
      const all: string[] = [];
      for (const user of ['ada@sealed.test', 'ada@keys.test', ...NOBODIES]) {
        const { client } = await open('pop3s');
        const { salt, iterations } = await scramFirst(client, user);
        client.destroy();
        assert.equal(iterations, 65_536);
        assert.equal(Buffer.from(salt, 'base64').length, 16);
        all.push(salt);
      }
      return all;
    };
    const first = await salts();
    assert.equal(new Set(first).size, first.length);
    await site.restart();
    assert.deepEqual(await salts(), first);
  });

  test('and none of them is let in with the right password by what it has not', async () => {
    for (const auth of DIGESTS) {
      assert.equal(await replyTo('pop3s', auth, 'ada@hashed.test', PASSWORD), FAILED);
      const mechanism = auth.toUpperCase();
      const fields = { login: 'ada@hashed.test', mechanism, reason: 'mechanism-unavailable' };
      await site.proxy.logged('session', fields);
    }
  });
});

describe('an exchange', () => {
  test('proves the server to the client, with passwords beyond ASCII too', async () => {
    for (const user of ['umlaut@keys.test', 'umlaut@sealed.test']) {
      const { client } = await open('pop3s');
      const { proved, reply } = await scramLogin(client, user, UMLAUT);
      assert.deepEqual([proved, reply], [true, '+OK Logged in.']);
      client.destroy();
    }
    for (const auth of ['apop', 'cram-md5'] as const)
      assert.equal(await replyTo('pop3s', auth, 'umlaut@sealed.test', UMLAUT), '+OK Logged in.');
  });

  test('takes the flag y of a client that could bind the channel, and refuses p', async () => {
    const { client } = await open('pop3s');
    const bound = await scramFirst(client, 'ada@keys.test', { gs2: 'p=tls-exporter,,' });
    assert.equal(bound.line, '-ERR Channel binding is not offered');
    const { reply } = await scramLogin(client, 'ada@keys.test', PASSWORD, { gs2: 'y,,' });
    assert.equal(reply, '+OK Logged in.');
    client.destroy();
  });

  test('that is replayed is refused', async () => {
    const { client, greeting } = await open('plain');
    const timestamp = /<.*>/.exec(greeting)![0];
    const apop = `APOP ada@sealed.test ${md5(timestamp + PASSWORD)}`;
    const { client: thief } = await open('plain');
    assert.equal(await thief.ask(apop), FAILED);
    assert.equal(await client.ask(`APOP ada@sealed.test ${md5(`${timestamp}wrong`)}`), FAILED);
    assert.match(await client.ask(apop), /^-ERR Reconnect/);
    const challenge = await client.ask('AUTH CRAM-MD5');
    const key = Buffer.from(PASSWORD);
    const digest = createHmac('md5', key)
      .update(Buffer.from(challenge.slice(2), 'base64'))
      .digest('hex');
    assert.equal(await client.ask('*'), '-ERR Authentication cancelled');
    await client.ask('AUTH CRAM-MD5');
    assert.equal(await client.ask(base64(`ada@sealed.test ${digest}`)), FAILED);
    client.destroy();
    thief.destroy();
  });

  test('given up in the middle leaves nothing behind', async () => {
    const { client } = await open('pop3s');
    await scramFirst(client, 'ada@keys.test');
    assert.equal(await client.ask('*'), '-ERR Authentication cancelled');
    assert.equal(await client.ask('NOOP'), '+OK');
    await scramFirst(client, 'ada@keys.test');
    client.destroy();
    const metrics = async () => (await site.admin('/metrics')).body;
    assert.match(await metrics(), /teapop_proxy_sessions\{phase="authenticating"\} 0/);
  });

  test('fails three times like any login, and the connection is closed', async () => {
    const { client } = await open('pop3s');
    for (let i = 0; i < 3; i++) {
      const { reply } = await scramLogin(client, 'ada@keys.test', 'wrong');
      assert.equal(reply, FAILED);
    }
    await client.gone();
  });
});

describe('a password that is not told', () => {
  test("is no use to a mailstore that wants the client's own: check says so", async () => {
    const file = site.folder.file(
      'passthrough.yaml',
      readFileSync(site.configFile, 'utf8').replace(
        /^( *)login:\n( +)master:\n(\2 .*\n)*/m,
        '$1login: passthrough\n',
      ),
    );
    const { code, output } = await runProxy(['check', '--config', file]);
    assert.equal(code, 1, output);
    assert.match(output, /sealed\.test"\]\.apop: APOP does not tell the password that upstream mailstore/);
    assert.match(output, /keys\.test"\]\.scram: SCRAM does not tell the password/);
  });

  test('and where some domains alone can do with that, check warns', async () => {
    const { code, output } = await runProxy(['check', '--config', site.configFile]);
    assert.equal(code, 0, output);
    assert.match(output, /warning: .*sealed\.test"\]\.apop: users of other domains fail with mail programs/);
  });
});

describe('lookup', () => {
  for (const [user, shown] of [
    ['ada@sealed.test', /sealed, APOP, CRAM-MD5, SCRAM-SHA-256 too/],
    ['ada@keys.test', /scram-sha-256, SCRAM-SHA-256 too/],
    ['ada@hashed.test', /argon2id +found/],
  ] as const) {
    test(`tells how ${user} can log in`, async () => {
      const { output } = await runProxy(['lookup', '--config', site.configFile, user]);
      assert.match(output, shown);
    });
  }
});

// From here on the proxy runs on the other runtime.
describe('on Node', () => {
  before(() => site.restart('node'));
  for (const auth of ['apop', 'cram-md5', 'scram-sha-256'] as const) {
    test(`mpop fetches by ${auth}`, () => assertFetches('mpop', 'ada@sealed.test', auth, 'tls'));
  }
  test('mpop fetches by keys', () => assertFetches('mpop', 'ada@keys.test', 'scram-sha-256', 'stls'));
});

describe('with tables from files', () => {
  let files: RunningSite;
  before(async () => {
    files = await startSite({
      source: 'files',
      mailstore: { users: [{ name: 'ada', password: 'x' }] },
      tables: tables(),
      config: (parts) => {
        const { tables, passwords, ...rest } = config(parts);
        return { ...rest, passwords, tables: { ...tables, source: 'files' } };
      },
    });
  });
  after(() => files.stop());

  for (const domain of ['sealed.test', 'keys.test']) {
    test(`the password in memory serves what ${domain} offers`, async () => {
      const client = await Pop3Client.connect(files.proxy.port('plain'));
      await client.line();
      const { reply, proved } = await scramLogin(client, `ada@${domain}`, PASSWORD);
      assert.deepEqual([reply, proved], ['+OK Logged in.', true]);
      client.destroy();
      const { caFile } = files.certificates;
      const port = files.proxy.port('pop3s');
      const more = { user: `ada@${domain}`, password: PASSWORD, mode: 'tls', caFile } as const;
      const { code } = await clients.mpop({ ...more, port, auth: 'cram-md5' });
      assert.equal(code === 0, domain === 'sealed.test');
    });
  }
});
