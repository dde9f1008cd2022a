/**
 * A Dovecot that wants each user's own password, behind a proxy that has it of the row: sealed by `sync`, whatever
 * mechanism the client has used.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { clients } from '../support/clients.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { run } from '../support/process.ts';
import { runProxy } from '../support/proxy-process.ts';
import { ADDRESS, crypted, type RunningSite, type SiteParts, startSite } from '../support/running-site.ts';
import { scramLogin } from '../support/scram-client.ts';

const LET_IN = '+OK Logged in.';
const PASSWORD = '4da speaks';
const OLD_PASSWORD = 'old hash';
const ROOT = { user: 'root@acme.test', password: 'r00t' };

let site: RunningSite;

before(async () => {
  site = await startSite({
    mailstore: {
      users: [
        { name: 'ada', password: PASSWORD },
        { name: 'otto', password: OLD_PASSWORD },
      ],
    },
    tables: {
      'teapop.passwd':
        'acme.test:*:textfile:/m:0:mail:mail:{dir}/acme:9:\nold.test:*:htpasswd:/m:0:mail:mail:{dir}/old:9:\n',
      acme: `ada:${PASSWORD}:ada\nroot:${ROOT.password}:root\n`,
      old: `otto:${crypted(OLD_PASSWORD)}\n`,
    },
    config: ({ folder, dovecot }: SiteParts) => ({
      tables: {
        domain_table: `${folder.path}/teapop.passwd`,
        ...{ apop: true, scram: true, masters: [{ user: ROOT.user }] },
      },
      passwords: {
        fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
        seal_key_file: folder.file('seal.key', 'k'.repeat(32), 0o600),
      },
      upstreams: [{ name: 'mailstore', host: ADDRESS, port: dovecot!.port, login: 'row' }],
    }),
  });
});
after(() => site.stop());

async function withClient<T>(run: (client: Pop3Client) => Promise<T>): Promise<T> {
  const client = await Pop3Client.connect(site.proxy.port('plain'));
  try {
    await client.line();
    return await run(client);
  } finally {
    client.destroy();
  }
}

const plain = (user: string, password: string, authzid = '') =>
  `AUTH PLAIN ${Buffer.from(`${authzid}\0${user}\0${password}`, 'latin1').toString('base64')}`;

describe('the mailstore is sent the password of the row', () => {
  let sessions = 0;
  for (const auth of ['apop', 'cram-md5', 'plain', 'login'] as const) {
    test(`after ${auth}`, async () => {
      const port = site.proxy.port('plain');
      const { caFile } = site.certificates;
      const options = {
        user: 'ada@acme.test',
        password: PASSWORD,
        mode: 'plain',
        port,
        caFile,
        auth,
      } as const;
      const { code, output } = await clients.mpop(options);
      assert.equal(code, 0, output);
      const session = (await site.proxy.sessionsOf('ada@acme.test', ++sessions)).at(-1)!;
      assert.deepEqual([session.mechanism, session.result], [auth.toUpperCase(), 'accepted']);
    });
  }

  test('after SCRAM-SHA-256', async () => {
    const { reply, proved } = await withClient((client) => scramLogin(client, 'ada@acme.test', PASSWORD));
    assert.deepEqual([reply, proved], [LET_IN, true]);
  });

  test('where a master opens the maildrop', async () => {
    const line = plain(ROOT.user, ROOT.password, 'ada@acme.test');
    assert.equal(await withClient((client) => client.ask(line)), LET_IN);
  });

  test('and nowhere else: no log, no answer and no dump of Redis holds it', async () => {
    const { stdout } = await runProxy(['lookup', '--json', '--config', site.configFile, 'ada@acme.test']);
    const kept = await dump();
    for (const text of [site.proxy.output(), stdout.toString(), kept])
      assert.ok(!text.includes(PASSWORD), 'the password is shown');
    assert.match(kept, /\{SEALED\}/);
  });
});

describe('a row with a hash', () => {
  test("has the client's own password sent", async () => {
    assert.equal(await withClient((client) => client.ask(plain('otto@old.test', OLD_PASSWORD))), LET_IN);
  });

  test('is no use to a master', async () => {
    const line = plain(ROOT.user, ROOT.password, 'otto@old.test');
    assert.match(await withClient((client) => client.ask(line)), /^-ERR \[SYS\/PERM\] /);
  });
});

/** All that Redis holds of the users. */
async function dump(): Promise<string> {
  const ask = async (...command: string[]) => {
    const { stdout } = await run(['redis-cli', '--no-raw', '-p', String(site.redis!.port), ...command]);
    return stdout.toString('latin1');
  };
  const keys = (await ask('KEYS', '*')).match(/(?<=")[^"]*table-[^"]*(?=")/g) ?? [];
  const values = await Promise.all(keys.map(async (key) => `${key} ${await ask('DUMP', key)}`));
  const rows = await Promise.all(
    keys.map(async (key) => ((await ask('TYPE', key)).includes('hash') ? ask('HGETALL', key) : '')),
  );
  return [...values, ...rows].join('\n');
}
