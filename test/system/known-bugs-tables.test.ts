/** What went wrong in the look-ups and caches of other servers, by CVE or by name, tried on a running proxy with Redis. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Pop3Client } from '../support/pop3-client.ts';
import { run, until } from '../support/process.ts';
import {
  ADDRESS,
  type RunningSite,
  SECOND_ADDRESS,
  type SiteParts,
  startSite,
} from '../support/running-site.ts';
import { type ScriptedMailstore, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { loginReply, openClient } from '../support/site-clients.ts';

const LET_IN = '+OK logged in';
const REFUSED = '-ERR [AUTH] Login failed';
const NOT_NOW = '-ERR [SYS/TEMP] Login is not possible now, try again later';

/** Userids (without % and :, that divide) and a domain with what means something in keys, patterns and formats; each password is the userid's own. */
const ODD_USERS = [
  'a',
  'u',
  'd',
  'g',
  'm',
  '*',
  'a*',
  'a*b',
  'a{b}',
  '{a}',
  'a b',
  'a.b',
  '{table-1}',
  '\xe4',
  '[a]',
];
const ODD_DOMAIN = '{a}*%2A.test';
const passwordOf = (user: string) => `pw of <${user}>`;

let site: RunningSite;
/** Lets everybody in: what is asked here is whom the proxy lets get so far. */
let store: ScriptedMailstore;

before(async () => {
  store = await startScriptedMailstore(async (connection) => {
    await connection.logIn();
    await connection.line();
    connection.send('+OK bye\r\n');
    connection.end();
  });
  site = await startSite({ mailstore: false, tables: tables(), config });
});
after(async () => {
  await site?.stop();
  await store?.close();
});

/** Ada is somebody else in each domain, and at each address. */
function tables(): Record<string, string> {
  const line = (domain: string, address: string, file: string) =>
    `${domain}:${address}:textfile:/m:0:m:m:{dir}/${file}.passwd:99:\n`;
  return {
    'teapop.passwd': [
      line('one.test', SECOND_ADDRESS, 'second'),
      line('one.test', '*', 'one'),
      line('two.test', '*', 'two'),
      line(ODD_DOMAIN, '*', 'odd'),
    ].join(''),
    'one.passwd': 'ada:pw one:ada-one\n',
    'two.passwd': 'ada:pw two:ada-two\n',
    'second.passwd': 'ada:pw second:ada-second\n',
    'odd.passwd': ODD_USERS.map((user, index) => `${user}:${passwordOf(user)}:odd${index}\n`).join(''),
  };
}

function config({ folder, redis }: SiteParts) {
  return {
    upstreams: [{ name: 'mailstore', host: ADDRESS, port: store.port }],
    redis: { host: ADDRESS, port: redis!.port, timeout: '500ms' },
    tables: { domain_table: `${folder.path}/teapop.passwd` },
    // A hash that costs next to nothing: some hundred passwords are checked.
    passwords: {
      argon2: { memory: '64KiB', time: 1 },
      fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
    },
    limits: { failure_delay: '10ms' },
  };
}

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

/** The reply to a login at one of the site's addresses. */
async function reply(login: string, password: string, address = ADDRESS): Promise<string> {
  if (address === ADDRESS) return loginReply(site, { login, password });
  const client = await Pop3Client.connect(site.proxy.port('second'), address);
  try {
    await client.line();
    await client.ask(`USER ${login}`);
    return await client.ask(`PASS ${password}`);
  } finally {
    client.destroy();
  }
}

async function redisSays(...command: string[]): Promise<string> {
  const { code, stdout } = await run(['redis-cli', '-p', String(site.redis!.port), ...command]);
  assert.equal(code, 0);
  return stdout.toString('latin1');
}

async function publish(name: string, text: string): Promise<void> {
  site.write(name, text);
  const { code, output } = await site.sync();
  assert.equal(code, 0, output);
}

test('CVE-2022-27924: CR and LF in a name become no command and no key of Redis', async () => {
  const keys = async () => (await redisSays('KEYS', '*')).split('\n').toSorted();
  const commands = async () =>
    (await redisSays('INFO', 'commandstats')).match(/^cmdstat_[^:]+/gm)!.toSorted();
  const before = await keys();
  const known = await commands();
  const poison = ['\r\nSET poisoned 1\r\n', '\nget x', '\r', '\0', '\r\n*1\r\n$8\r\nFLUSHALL\r\n'];
  for (const text of poison) {
    for (const [user, password] of [
      [`ada${text}@one.test`, 'pw one'],
      [`ada@one.test${text}`, 'pw one'],
      ['ada@one.test', `pw one${text}`],
    ]) {
      const client = await openClient(site);
      assert.equal(
        await client.ask(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`),
        '-ERR Malformed response',
      );
      client.destroy();
    }
  }
  for (const line of ['USER ada@one.test\rSET x', 'USER ada\0@one.test', 'USER ada@one.test\r\0']) {
    const client = await openClient(site);
    assert.equal(await client.ask(line), '-ERR NUL or CR inside a line');
    assert.equal(await client.ask('PASS pw one'), '-ERR Send USER first');
    client.destroy();
  }
  assert.deepEqual(await keys(), before);
  assert.deepEqual(await commands(), known);
  assert.equal(await reply('ada@one.test', 'pw one'), LET_IN);
});

describe('names with : * { } % and NUL', () => {
  test('are each its own', async () => {
    for (const [index, user] of ODD_USERS.entries()) {
      const login = `${user}@${ODD_DOMAIN}`;
      assert.equal(await reply(login, passwordOf(user)), LET_IN, user);
      await site.proxy.logged('session', { local_user: `odd${index}` });
    }
  });

  test("and nobody else's", async () => {
    const pairs = ODD_USERS.flatMap((user) =>
      ODD_USERS.filter((other) => other !== user).map((other) => [user, other] as const),
    );
    for (let at = 0; at < pairs.length; at += 30) {
      const some = pairs.slice(at, at + 30);
      const replies = await Promise.all(
        some.map(([user, other]) => reply(`${user}@${ODD_DOMAIN}`, passwordOf(other))),
      );
      assert.deepEqual(
        replies,
        some.map(() => REFUSED),
      );
    }
  });

  test('do not meet one that only looks alike in a key', async () => {
    const strangers = ': a: :a a:b a** ? a%2Ab %s a% a%00 a%2a { } {table-2} ua da a\x01 \xc3\xa4'.split(' ');
    strangers.push('', 'a@one.test', `a@${ODD_DOMAIN}:x`);
    for (const other of ['a', '*', 'a*b']) {
      const tries = strangers.map(async (user) => {
        const answer = await reply(`${user}@${ODD_DOMAIN}`, passwordOf(other));
        assert.notEqual(answer, LET_IN, user);
      });
      await Promise.all(tries);
    }
    const domains = '* {a} {a}*%2A {a}**.test {a}*%2a%.test {a}:%2A.test d{a}*%2A.test'.split(' ');
    const tries = domains.map((domain) => reply(`a@${domain}`, passwordOf('a')));
    assert.deepEqual(await Promise.all(tries), Array(domains.length).fill(REFUSED));
  });
});

describe('CVE-2025-30189: what is remembered of one', () => {
  test('user is not served to another domain or another address', async () => {
    const people = [
      ['ada@one.test', 'pw one', ADDRESS],
      ['ada@two.test', 'pw two', ADDRESS],
      ['ada@one.test', 'pw second', SECOND_ADDRESS],
    ] as const;
    for (let round = 0; round < 3; round++) {
      for (const [login, password, address] of people) {
        assert.equal(await reply(login, password, address), LET_IN);
        for (const [, other] of people)
          if (other !== password)
            assert.equal(await reply(login, other, address), REFUSED, `${login}, ${other}`);
      }
    }
  });

  test('generation of the tables is not served in the next: a mailbox that moved, a user that went', async () => {
    assert.equal(await reply('ada@two.test', 'pw two'), LET_IN);
    await publish('two.passwd', 'ada:pw two:ada-moved\nbob:pw bob:bob\n');
    await until('the new mailbox', async () => {
      await reply('ada@two.test', 'pw two');
      return (await site.proxy.sessionsOf('ada@two.test')).at(-1)?.local_user === 'ada-moved';
    });
    await publish('two.passwd', 'bob:pw bob:bob\n');
    await until('the user is gone', async () => (await reply('ada@two.test', 'pw two')) === REFUSED);
    assert.equal(await reply('bob@two.test', 'pw bob'), LET_IN);
  });
});

test('a password that was replaced is refused from the moment on that the new one is taken', async () => {
  for (const [old, fresh] of [
    ['pw one', 'pw again'],
    ['pw again', 'pw three'],
  ] as const) {
    // So that whatever remembers anything remembers both.
    for (let round = 0; round < 3; round++) {
      assert.equal(await reply('ada@one.test', old), LET_IN);
      assert.equal(await reply('ada@one.test', fresh), REFUSED);
    }
    await publish('one.passwd', `ada:${fresh}:ada-one\n`);
    await until('the new one is taken', async () => (await reply('ada@one.test', fresh)) === LET_IN);
    for (let round = 0; round < 3; round++) assert.equal(await reply('ada@one.test', old), REFUSED);
  }
});

// Last: Redis does not come back.
test('a look-up that cannot be made is never answered as a wrong password', async () => {
  // Remembered until a moment ago: an unknown user, and nobody of whom nothing is known.
  assert.equal(await reply('nobody@one.test', 'x'), REFUSED);
  await site.redis!.kill9();
  for (const login of ['nobody@one.test', 'carl@one.test', 'a@nowhere.test'])
    await until(`${login} is told to come again`, async () => (await reply(login, 'x')) === NOT_NOW);
  for (const login of ['nobody@one.test', 'carl@one.test', 'a@nowhere.test'])
    assert.equal(await reply(login, 'x'), NOT_NOW);
});
