/** Maildrops that are opened without their own password: by masters, and by owners of certificates. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { clientCertificates } from '../support/client-certificates.ts';
import { clients, type FetchOptions } from '../support/clients.ts';
import { type Identity, Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import type { Runtime } from '../support/proxy-process.ts';
import { ADDRESS, MASTER, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { scramLogin } from '../support/scram-client.ts';
import type { TestCertificate } from '../support/tls.ts';

const FAILED = '-ERR [AUTH] Login failed';
const LOGGED_IN = '+OK Logged in.';
const MESSAGE = 'Return-Path: <>\r\nSubject: for mary\r\n\r\nby a certificate\r\n';
const certificates = clientCertificates();
const ACCOUNTS = ['mary', 'mm', 'other', 'shell', 'own'].map((name) => ({ name, password: `store ${name}` }));

const TABLES = {
  'teapop.passwd': `acme.com:*:textfile:/var/spool/mail:0:mail:mail:{dir}/acme:9:
other.test:*:textfile:/var/spool/mail:0:mail:mail:{dir}/other:9:
help.test:*:textfile:/var/spool/mail:0:mail:mail:{dir}/help:9:
shell.test:*:passwd:/var/spool/mail:0:
own.test:*:textfile:/var/spool/mail:0:mail:mail:{dir}/own:9:
`,
  acme: 'mary:m4ry:mary\nm.m:mm:mm\n',
  other: 'joe:j0e:other\n',
  help: 'desk:d3sk:\n',
  own: 'joe:store own:own\n',
};

function config({ folder, dovecot }: SiteParts) {
  const client_certificates = { ca_file: certificates.caFile, require: false, identity: 'email' };
  const passwordFile = folder.file('master.password', `${MASTER.password}\n`, 0o600);
  const login = { master: { user: MASTER.user, password_file: passwordFile } };
  return {
    listeners: [
      { name: 'pop3', address: ADDRESS, port: 0, tls: 'starttls', client_certificates },
      { name: 'pop3s', address: ADDRESS, port: 0, tls: 'implicit', client_certificates },
      { name: 'uncertified', address: ADDRESS, port: 0, tls: 'implicit' },
    ],
    tables: {
      source: 'files',
      domain_table: `${folder.path}/teapop.passwd`,
      masters: [{ user: 'desk@help.test', domains: ['acme.com', 'shell.test'] }],
      domains: { 'own.test': { upstream: 'own' }, 'help.test': { scram: true } },
    },
    passwords: { seal_key_file: folder.file('seal.key', 'k'.repeat(32), 0o600) },
    upstreams: [
      { name: 'mailstore', host: ADDRESS, port: dovecot!.port, login },
      { name: 'own', host: ADDRESS, port: dovecot!.port },
    ],
  };
}

type Listener = 'pop3' | 'pop3s' | 'uncertified';
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const shows = (own: TestCertificate): Identity => ({ cert: own.certificate, key: own.key });

for (const runtime of ['bun', 'node'] as const) describe(`on ${runtime}`, () => cases(runtime));

function cases(runtime: Runtime): void {
  let site: RunningSite;
  before(async () => {
    site = await startSite({
      runtime,
      source: 'files',
      mailstore: { users: ACCOUNTS },
      tables: TABLES,
      config,
    });
    site.dovecot!.deliver('mary', MESSAGE);
  });
  after(() => site.stop());

  async function open(listener: Listener, own: Identity = {}): Promise<Pop3Client> {
    const { ca } = site.certificates;
    const port = site.proxy.port(listener);
    if (listener !== 'pop3') {
      const client = await Pop3Client.connectTls(port, ca, 'localhost', own);
      await client.line();
      return client;
    }
    const client = await Pop3Client.connect(port);
    await client.line();
    await client.ask('STLS');
    await client.startTls(ca, 'localhost', own);
    return client;
  }

  async function reply(command: string, listener: Listener = 'pop3s', own: Identity = {}): Promise<string> {
    const client = await open(listener, own);
    try {
      return await client.ask(command);
    } finally {
      client.destroy();
    }
  }

  const plain = (authzid: string, user: string, password: string) =>
    `AUTH PLAIN ${base64(`${authzid}\0${user}\0${password}`)}`;

  /** Whom Dovecot lets in meanwhile. */
  async function letsIn(account: string, login: () => Promise<string>): Promise<void> {
    const from = site.dovecot!.log().length;
    assert.equal(await login(), LOGGED_IN);
    const since = () => site.dovecot!.log().slice(from);
    await until(`${account} at Dovecot`, () => since().includes(`Login: user=<${account}>`));
  }

  describe('a master', () => {
    test('opens the maildrop of another, whatever that one is checked by', async () => {
      await letsIn('mary', () => reply(plain('mary@acme.com', 'desk@help.test', 'd3sk')));
      await letsIn('shell', () => reply(plain('shell@shell.test', 'desk@help.test', 'd3sk')));
      const { authzid, local_user } = await site.proxy.logged('session', { login: 'desk@help.test' });
      assert.deepEqual([authzid, local_user], ['mary@acme.com', 'mary']);
    });

    test('curl fetches as one', async () => {
      const who = { user: 'desk@help.test', password: 'd3sk', authzid: 'mary@acme.com' };
      const port = site.proxy.port('pop3s');
      const { caFile } = site.certificates;
      const { code, output } = await clients.curl({ ...who, port, mode: 'tls', caFile, auth: 'plain' });
      assert.equal(code, 0, output);
    });

    test('does so by SCRAM too', async () => {
      const client = await open('pop3s');
      const { reply, proved } = await scramLogin(client, 'desk@help.test', 'd3sk', {
        gs2: 'n,a=mary@acme.com,',
      });
      assert.deepEqual([reply, proved], [LOGGED_IN, true]);
      client.destroy();
    });

    test('opens none but those he may, and nobody else does', async () => {
      for (const command of [
        plain('joe@other.test', 'desk@help.test', 'd3sk'),
        plain('nobody@acme.com', 'desk@help.test', 'd3sk'),
        plain('mary@acme.com', 'desk@help.test', 'wrong'),
        plain('mary@acme.com', 'joe@other.test', 'j0e'),
        plain('mary@acme.com', 'shell@shell.test', 'store shell'),
      ]) {
        assert.equal(await reply(command), FAILED);
      }
    });
  });

  describe('a certificate', () => {
    const mary = shows(certificates.mary);

    for (const listener of ['pop3', 'pop3s'] as const) {
      test(`opens the maildrop that it names, ${listener}`, async () => {
        await letsIn('mary', () => reply('AUTH EXTERNAL =', listener, mary));
        await letsIn('mm', () => reply(`AUTH EXTERNAL ${base64('m.m@acme.com')}`, listener, mary));
      });
    }

    test('and no other', async () => {
      assert.equal(await reply(`AUTH EXTERNAL ${base64('joe@other.test')}`, 'pop3s', mary), FAILED);
      const fields = { authzid: 'joe@other.test', mechanism: 'EXTERNAL' };
      assert.equal((await site.proxy.logged('session', fields)).reason, 'authzid-refused');
    });

    test('is announced with EXTERNAL to whom it belongs alone', async () => {
      const offered = async (listener: Listener, own?: Identity) => {
        const client = await open(listener, own);
        await client.ask('CAPA');
        const sasl = (await client.multiLine()).find((line) => line.startsWith('SASL '));
        client.destroy();
        return sasl?.includes('EXTERNAL');
      };
      assert.deepEqual(
        [await offered('pop3s', mary), await offered('pop3s'), await offered('uncertified', mary)],
        [true, false, false],
      );
      assert.equal(await reply('AUTH EXTERNAL =', 'pop3s'), '-ERR Unknown mechanism');
      assert.equal(await reply('AUTH EXTERNAL =', 'uncertified', mary), '-ERR Unknown mechanism');
    });

    test('leaves the password of whoever has one as good as before', async () => {
      assert.equal(await reply(plain('', 'joe@other.test', 'j0e'), 'pop3s', mary), LOGGED_IN);
    });

    // curl wants no password for it, and mpop wants one that it does not use.
    for (const [client, password] of [
      ['mpop', 'unused'],
      ['curl', ''],
    ] as const) {
      test(`${client} fetches by it`, async () => {
        const { caFile } = site.certificates;
        const own = { certificate: certificates.mary, auth: 'external' as const };
        const who: Pick<FetchOptions, 'user' | 'password'> = { user: 'mary@acme.com', password };
        const port = site.proxy.port('pop3s');
        const { code, output, messages } = await clients[client]({
          ...who,
          port,
          mode: 'tls',
          caFile,
          ...own,
        });
        assert.equal(code, 0, output);
        assert.deepEqual(
          messages.map((message) => message.toString('latin1')),
          [MESSAGE],
        );
      });
    }
  });

  test("a mailstore that wants the client's own password is sent none", async () => {
    await letsIn('own', () => reply(plain('', 'joe@own.test', 'store own')));
    const from = site.dovecot!.log().length;
    // No rule of the config can tell: EXTERNAL is for all domains.
    const joe = shows(certificates.joe);
    assert.match(await reply('AUTH EXTERNAL =', 'pop3s', joe), /^-ERR \[SYS\/PERM\] /);
    const { reason } = await site.proxy.logged('session', { login: 'joe@own.test', mechanism: 'EXTERNAL' });
    assert.equal(reason, 'password-needed');
    assert.doesNotMatch(site.dovecot!.log().slice(from), /pop3-login/);
  });
}
