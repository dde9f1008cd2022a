/**
 * Mailstores other than Dovecot behind the proxy: Courier's, which announces PIPELINING and loses what is sent ahead of
 * its own answer to PASS, and popa3d, which knows RFC 1939 and nothing more: no CAPA, no TLS, no response codes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { clients } from '../support/clients.ts';
import { type Mailstores, startMailstores } from '../support/mailstores.ts';
import { AWKWARD_MESSAGES } from '../support/messages.ts';
import { until } from '../support/process.ts';
import { ADDRESS, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { loginReply, openClient, openSession } from '../support/site-clients.ts';

const PASSWORD = 'v1rtual ada';
/** The one password that a mailstore has for all of the proxy's users. */
const ONE_FOR_ALL = 'one-for-all';
const LOCAL = { name: 'local', password: 'm4ilstore' };
const ACCOUNTS = [{ name: 'ada', password: ONE_FOR_ALL }, LOCAL];

const STORES = ['courier', 'popa3d'] as const;
/** Each has a domain of its own, NAME.test, whose passwords the proxy checks, and NAME-passwd.test, where it does. */
const UPSTREAMS = ['courier', 'courier-stls', 'courier-changed', 'popa3d', 'popa3d-stls', 'popa3d-changed'];

let site: RunningSite;
let stores: Mailstores;

before(async () => {
  site = await startSite({
    source: 'files',
    mailstore: false,
    tables: tables(),
    config: async (parts) => {
      stores = await startMailstores(ACCOUNTS, parts.certificates.rsa);
      return config(parts);
    },
  });
  for (const message of AWKWARD_MESSAGES) stores.deliver('ada', message);
});
after(async () => {
  await site?.stop();
  await stores?.stop();
});

function tables(): Record<string, string> {
  const own = UPSTREAMS.map(
    (name) => `${name}.test:*:textfile:/var/spool/mail:0:mail:mail:{dir}/ada.passwd:9:\n`,
  );
  const theirs = STORES.map((name) => `${name}-passwd.test:*:passwd:/var/spool/mail:0:\n`);
  return { 'teapop.passwd': [...own, ...theirs].join(''), 'ada.passwd': `ada:${PASSWORD}:ada\n` };
}

function config({ certificates, folder }: SiteParts) {
  const secret = (name: string, password: string) => ({
    secret: { password_file: folder.file(name, `${password}\n`, 0o600) },
  });
  const stls = { tls: 'starttls', ca_file: certificates.caFile, server_name: 'pop.test' };
  const login = secret('secret', ONE_FOR_ALL);
  const ways = (port: number) => ({
    '': { port, login },
    '-stls': { port, login, ...stls },
    '-changed': { port, login: secret('changed', 'not any more') },
  });
  const upstreams = STORES.flatMap((store) =>
    Object.entries(ways(stores[store])).map(([way, more]) => ({
      name: `${store}${way}`,
      host: ADDRESS,
      ...more,
    })),
  );
  const domains = [
    ...UPSTREAMS.map((name) => [`${name}.test`, { upstream: name }]),
    ...STORES.map((name) => [`${name}-passwd.test`, { upstream: name }]),
  ];
  return {
    upstreams,
    tables: {
      source: 'files',
      domain_table: `${folder.path}/teapop.passwd`,
      domains: Object.fromEntries(domains),
    },
  };
}

const ada = (domain: string, password = PASSWORD) => ({ login: `ada@${domain}.test`, password });

for (const store of STORES) {
  describe(store, () => {
    /** Begun together: Courier takes seconds to say no. */
    let refusals: Promise<{ passwd: string; changed: string }>;
    const passwd = () => loginReply(site, { login: `${LOCAL.name}@${store}-passwd.test`, password: 'wrong' });
    before(() => {
      refusals = Promise.all([passwd(), loginReply(site, ada(`${store}-changed`))]).then(
        ([first, second]) => ({
          passwd: first,
          changed: second,
        }),
      );
    });

    for (const [client, mode] of [
      ['curl', 'tls'],
      ['poplib', 'stls'],
      ['mpop', 'plain'],
    ] as const) {
      test(`${client} fetches octet for octet what was delivered, ${mode}`, async () => {
        const { login, password } = ada(store);
        const port = site.proxy.port({ plain: 'plain', stls: 'pop3', tls: 'pop3s' }[mode]);
        const { caFile } = site.certificates;
        const { code, messages, output } = await clients[client]({
          user: login,
          password,
          mode,
          port,
          caFile,
        });
        assert.equal(code, 0, output);
        assert.deepEqual(
          messages.map((message) => message.toString('latin1')),
          AWKWARD_MESSAGES,
        );
      });
    }

    test('answers what the client sent ahead of the answer to its login', async () => {
      const client = await openClient(site, 'pop3s');
      const { login, password } = ada(store);
      client.send(`USER ${login}\r\nPASS ${password}\r\nSTAT\r\nLIST 1\r\nQUIT\r\n`);
      const [user, pass, stat, list, quit, ...more] = (await client.rest()).split('\r\n');
      for (const reply of [user, pass, quit]) assert.match(reply!, /^\+OK/);
      assert.match(stat!, new RegExp(`^\\+OK ${AWKWARD_MESSAGES.length} \\d+$`));
      assert.match(list!, /^\+OK 1 \d+$/);
      assert.deepEqual(more, ['']);
      client.destroy();
    });

    test('is not asked about a wrong password where the tables have the right one', async () => {
      await refusals;
      assert.equal(await loginReply(site, ada(store, 'wrong')), '-ERR [AUTH] Login failed');
      assert.equal(await loginReply(site, ada(store, ONE_FOR_ALL)), '-ERR [AUTH] Login failed');
      const of = async () => await site.proxy.sessionsOf(`ada@${store}.test`);
      const rejected = async () => (await of()).filter(({ result }) => result === 'rejected');
      await until('both sessions', async () => (await rejected()).length === 2);
      for (const { upstream } of await rejected()) assert.equal(upstream, null);
    });

    test('decides where the entry is of type passwd, and its "no" is a failed login', async () => {
      const login = `${LOCAL.name}@${store}-passwd.test`;
      assert.match(await loginReply(site, { login, password: LOCAL.password }), /^\+OK/);
      assert.equal((await refusals).passwd, '-ERR [AUTH] Login failed');
      const [yes, no] = await site.proxy.sessionsOf(login, 2);
      const [letIn, refused] = yes!.result === 'accepted' ? [yes!, no!] : [no!, yes!];
      assert.deepEqual([letIn.local_user, letIn.result], [LOCAL.name, 'accepted']);
      assert.deepEqual([refused.result, refused.reason], ['rejected', 'refused-by-upstream']);
    });

    test("that takes the site's password no more is the site's fault, not the user's", async () => {
      const { changed } = await refusals;
      assert.equal(changed, '-ERR [SYS/PERM] Login is not possible, ask your postmaster');
      const { failure } = await site.proxy.logged('upstream-failed', { upstream: `${store}-changed` });
      assert.equal(failure, 'login-refused');
    });
  });
}

test('Courier is spoken to over TLS by STLS, its certificate and name verified', async () => {
  const session = await openSession(site, ada('courier-stls'), 'pop3s');
  assert.match(await session.ask('STAT'), new RegExp(`^\\+OK ${AWKWARD_MESSAGES.length} `));
  await session.ask('QUIT');
  session.destroy();
  await until('its end in the log of Courier', () => /LOGOUT, user=ada, .* stls=1/.test(stores.log()));
});

test('popa3d, which has no STLS, is told no password where TLS is required', async () => {
  const reply = await loginReply(site, ada('popa3d-stls'));
  assert.equal(reply, '-ERR [SYS/PERM] Login is not possible, ask your postmaster');
  const { failure } = await site.proxy.logged('upstream-failed', { upstream: 'popa3d-stls' });
  assert.equal(failure, 'stls-refused');
});
