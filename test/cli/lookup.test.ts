import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { CommandIo } from '../../src/cli/io.ts';
import { lookup } from '../../src/cli/lookup.ts';
import { printableOctets } from '../../src/ops/printable.ts';
import { FileStore } from '../../src/tables/sources/file-store.ts';
import { makeSite, type Site } from '../support/site.ts';
import { textsOf, VECTOR_ACCOUNTS, type VectorLogin, type VectorSet } from '../support/vectors.ts';

const OWN = fileURLToPath(new URL('../tables/logins.json', import.meta.url));
const RECORDED = fileURLToPath(new URL('../../../shared/vectors/teapop-0.3.8-logins.json', import.meta.url));
const SAMPLE = 200;

let site: Site;
before(() => {
  site = makeSite('lookup');
});
after(() => site.remove());

type Run = { status: number; out: string; err: string };

/** Runs the command in this process. @param input octets of its standard input */
async function run(argv: string[], input = ''): Promise<Run> {
  let [out, err] = ['', ''];
  const io: CommandIo = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    input: async function* () {
      yield Buffer.from(input, 'latin1');
    },
  };
  return { status: await lookup(argv, io), out, err };
}

type Settings = { folder?: string; tables?: Record<string, unknown>; listeners?: unknown[] };

/** Writes a config whose tables come from the files of a folder of the site; returns its path. */
function config({ folder, tables = {}, listeners }: Settings = {}): string {
  const within = folder === undefined ? '' : `${folder}/`;
  const listener = { name: 'pop3', address: '127.0.0.1', port: 110, tls: 'off', plaintext_auth: 'always' };
  const settings = {
    listeners: listeners ?? [listener],
    tables: { source: 'files', domain_table: `${site.path}/${within}teapop.passwd`, ...tables },
    upstreams: [{ name: 'mailstore', host: '127.0.0.1', port: 1110 }],
  };
  return site.write(`${within}config.yaml`, stringify(settings));
}

describe('a login from files', () => {
  before(() => {
    site.write(
      'teapop.passwd',
      [
        'acme.com:127.0.0.2:reject',
        'acme.com:*:textfile:/m:0:mail:mail:{dir}/users:10:',
        'old.org:*:htpasswd:/h:0:mail:mail:{dir}/htpasswd:10:',
        'howto.com:*:textfile:/m:0:mail:mail:{dir}/users',
        'store.test:*:passwd:/var/mail:0:',
        '',
      ].join('\n'),
    );
    site.write('users', 'john:open sesame:johnacme\njane:two:boxes/jane\nj\xf6rg\x1b[2J:x:box\nlast:one:box');
    site.write('htpasswd', 'otto:absA8pA3VMtHY\n');
  });
  const ask = (user: string, options: string[] = [], input = '') =>
    run(['--config', config(), ...options, user], input);

  test('is told step by step', async () => {
    const { status, out, err } = await ask('john@ACME.com', ['--password-stdin'], 'open sesame\n');
    const dir = site.path;
    assert.equal(
      out,
      `login  john@ACME.com, connected to 127.0.0.1
split  user john, domain ACME.com: divided at the first @

The files
  ${dir}/teapop.passwd:1  acme.com for 127.0.0.2  reject    no: it is for clients of 127.0.0.2 alone
  ${dir}/teapop.passwd:2  acme.com for *          textfile  decides
  ${dir}/users:1          john                    plain     the password matches
  mailbox     /m/johnacme
  local user  johnacme

Mailstore mailstore, 127.0.0.1 port 1110, in plain: as johnacme with the client's password
ACCEPTED by ${dir}/users:1, as johnacme
`,
    );
    assert.deepEqual([status, err], [0, '']);
  });

  test('says why it fails, with the line that is to blame', async () => {
    const howto = await ask('john@howto.com');
    assert.equal(howto.status, 1);
    assert.match(
      howto.out,
      /no entry for howto\.com, default\n\n {2}\S+teapop\.passwd:4: error: .* is missing/,
    );
    const last = await ask('last@acme.com');
    assert.equal(last.status, 1);
    assert.match(last.out, /no user last in \S+users\n\n {2}\S+users:4: error: the last line has no newline/);
    const here = await ask('john@acme.com', ['--local-address', '127.0.0.2']);
    assert.match(here.out, /reject {2}decides\n\nREJECTED: the entry lets nobody in \(domain-rejected\)\n$/);
  });

  const verdicts: [string, string | null, number, RegExp][] = [
    ['john@acme.com', null, 0, /FOUND: whoever has the password is let in/],
    ['john@acme.com', 'wrong', 1, /the password does not match[\s\S]*REJECTED: .*\(wrong-password\)/],
    ['john@acme.com', 'open sesame\r\n', 0, /ACCEPTED by/],
    ['john@acme.com', 'open sesame', 0, /ACCEPTED by/],
    ['john@acme.com', 'open sesame\nmore', 0, /ACCEPTED by/],
    ['john@acme.com', '', 1, /wrong-password/],
    ['jane@acme.com', 'two', 0, /local user {2}jane/],
    ['otto@old.org', 'sixteen chars', 0, /des {7}the password matches[\s\S]*ACCEPTED by \S+htpasswd:1/],
    ['joe@store.test', null, 0, /FOUND: the mailstore checks the password/],
    ['joe@store.test', 'x', 0, /ACCEPTED by the proxy: the mailstore checks the password/],
    ['j\\xf6rg\\x1b[2J@acme.com', 'x', 0, /ACCEPTED/],
    ['nobody', null, 1, /user nobody, no domain: none of @% is in it[\s\S]*no entry for empty, '', default/],
  ];
  for (const [user, input, expected, text] of verdicts) {
    test(`${user} with ${JSON.stringify(input)}: ${expected}`, async () => {
      const { status, out } = await ask(user, input === null ? [] : ['--password-stdin'], input ?? '');
      assert.match(out, text);
      assert.equal(status, expected);
    });
  }

  test('shows no secret, and nothing that upsets a terminal', async () => {
    for (const options of [[], ['--json']]) {
      for (const user of ['john@acme.com', 'otto@old.org', 'j\\xf6rg\\x1b[2J@acme.com']) {
        const { out } = await ask(user, ['--password-stdin', ...options], 'a-wrong-one\n');
        assert.ok(!/open|sesame|absA8|wrong-one|\x1b/.test(out), out);
      }
    }
  });

  test('is a JSON document for programs', async () => {
    const { status, out } = await ask('john@acme.com', ['--json', '--password-stdin'], 'open sesame\n');
    const document = JSON.parse(out);
    assert.equal(status, 0);
    assert.deepEqual(document.verdict, {
      ...{ result: 'accepted', local_user: 'johnacme', upstream_checks: false },
      ...{ mailbox: '/m/johnacme', line: 1 },
    });
    assert.deepEqual([document.agree, document.sources.length], [null, 1]);
    assert.equal(document.sources[0].rows[0].file, `${site.path}/users`);
    assert.equal(document.sources[0].considered[1].decides, true);
  });

  test('takes the address of the listeners only where they have one', async () => {
    const listener = (name: string, address: string, port: number) => ({
      ...{ name, address, port, tls: 'off', plaintext_auth: 'always' },
    });
    for (const [listeners, address] of [
      [[listener('a', '127.0.0.2', 1), listener('b', '127.0.0.2', 2)], '127.0.0.2'],
      [[listener('a', '127.0.0.2', 1), listener('b', '127.0.0.1', 2)], 'any address'],
      [[listener('a', '::', 1)], 'any address'],
    ] as const) {
      const { out } = await run(['--config', config({ listeners: [...listeners] }), 'john@acme.com']);
      assert.match(out, new RegExp(`connected to ${address}\n`));
    }
  });

  test('with tables that cannot be read is not decided', async () => {
    const { status, out } = await run([
      ...['--config', config({ tables: { domain_table: `${site.path}/users/x` } }), 'john@acme.com'],
    ]);
    // Without a domain table there is the built-in entry, as under teapop.
    assert.equal(status, 1);
    assert.match(out, /no entry for acme\.com, default[\s\S]*there is no such file/);
    const folder = await run(['--config', config({ tables: { domain_table: site.path } }), 'john@acme.com']);
    assert.equal(folder.status, 3);
    assert.match(folder.out, /The files: not available[\s\S]*UNAVAILABLE/);
  });
});

test('what it does not understand is wrong usage', async () => {
  const good = config();
  for (const argv of [
    [],
    ['a', 'b'],
    ['--nonsense', 'a'],
    ['--files', '--redis', 'a'],
    ['--local-address', 'here', 'a'],
    ['--config', '/nowhere', 'a'],
  ]) {
    const { status, out, err } = await run(argv.includes('--config') ? argv : ['--config', good, ...argv]);
    assert.deepEqual([status, out], [2, ''], argv.join(' '));
    assert.notEqual(err, '');
  }
  const help = await run(['--help']);
  assert.equal(help.status, 0);
  for (const code of ['0', '1', '2', '3', '4'])
    assert.match(help.out, new RegExp(`^ {2}${code} {2}\\S`, 'm'));
});

test(`says of ${SAMPLE} recorded logins what the authenticator says`, async () => {
  const file = process.env.TEAPOP_VECTORS || (existsSync(RECORDED) ? RECORDED : OWN);
  const sets = JSON.parse(readFileSync(file, 'utf8')) as VectorSet[];
  const all = sets.flatMap((set, i) => set.logins.map((login) => ({ set, login, folder: `set${i}` })));
  // Evenly spread over the sets.
  const step = Math.max(1, Math.floor(all.length / SAMPLE));
  const sample = all.filter((_, i) => i % step === 0).slice(0, SAMPLE);
  site.write('passwd', 'nobody:x:65534:65534::/:/bin/false\n');
  site.write('group', 'nogroup:x:65534:\n');
  const seen = { accepted: 0, rejected: 0 };
  for (const { set, login, folder } of sample) {
    const verdict = await commandVerdict(set, login, folder);
    assert.deepEqual(verdict, await authenticatorVerdict(set, login, folder), `${set.id} ${login.user}`);
    if (verdict.startsWith('accepted')) seen.accepted++;
    else seen.rejected++;
  }
  process.stdout.write(`${seen.accepted} accepted, ${seen.rejected} not, by both\n`);
  assert.ok(seen.accepted > 0 && seen.rejected > 0);
});

const accounts = () => ({ passwd: `${site.path}/passwd`, group: `${site.path}/group` });

async function commandVerdict(set: VectorSet, login: VectorLogin, folder: string): Promise<string> {
  const { domainTable, passwordFiles } = textsOf(set, `${site.path}/${folder}`);
  if (domainTable !== null) site.write(`${folder}/teapop.passwd`, domainTable);
  for (const [path, text] of Object.entries(passwordFiles))
    site.write(path.slice(site.path.length + 1), text);
  const options = ['--json', '--password-stdin', '--local-address', set.localAddress];
  const name = login.user.replace(
    /[^!-[\]-~]/g,
    (octet) => `\\x${Buffer.from(octet, 'latin1').toString('hex')}`,
  );
  const where = ['--config', config({ folder, tables: { accounts: accounts(), sql: false } })];
  const { status, out } = await run([...where, ...options, '--', name], `${login.pass}\n`);
  const { verdict } = JSON.parse(out);
  assert.equal(status, verdict.result === 'accepted' ? 0 : 1);
  return verdict.result === 'accepted'
    ? `accepted ${verdict.local_user}`
    : `${verdict.result} ${verdict.reason}`;
}

async function authenticatorVerdict(set: VectorSet, login: VectorLogin, folder: string): Promise<string> {
  const files = { ...site.files, domainTable: `${site.path}/${folder}/teapop.passwd`, accounts: accounts() };
  const store = await FileStore.open(files);
  const authenticator = createAuthenticator({
    ...{ store, dividers: '@%', accounts: VECTOR_ACCOUNTS, passwords: createPasswords({ sealer: null }) },
    verifier: createVerifier({ concurrency: 1, queue: 1 }),
    dummy: async () => {},
    localUserRule: () => 'mailbox',
    onError: () => {},
  });
  const credentials = { mechanism: 'PLAIN', user: login.user, password: login.pass, authzid: '' } as const;
  const decision = await authenticator.authenticate(credentials, set.localAddress, { lookup: 0, verify: 0 });
  await store.close();
  if (decision.result !== 'accepted') return `${decision.result} ${decision.reason}`;
  // As the command shows it, long ones cut.
  return `accepted ${printableOctets(decision.account.localUser)}`;
}
