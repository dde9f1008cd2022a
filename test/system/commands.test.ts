/** RFC 1939, 2449 and 5034 as clients may rely on them, spoken octet for octet with a running proxy. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ADDRESS, JANE, JOHN, type RunningSite, startSite } from '../support/running-site.ts';
import { type ScriptedMailstore, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { loginReply, openClient } from '../support/site-clients.ts';

const LET_IN = '+OK logged in';
const REFUSED = '-ERR [AUTH] Login failed';

let site: RunningSite;
/** Lets everybody in and shows what it was told. */
let store: ScriptedMailstore;

before(async () => {
  store = await startScriptedMailstore(async (connection) => {
    await connection.logIn();
    await connection.line();
    connection.send('+OK bye\r\n');
    connection.end();
  });
  site = await startSite({
    source: 'files',
    mailstore: false,
    config: () => ({ upstreams: [{ name: 'mailstore', host: ADDRESS, port: store.port }] }),
  });
});
after(async () => {
  await site?.stop();
  await store?.close();
});

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

/** Sends all of it in one segment; the lines of the answer behind the greeting, until the proxy closes. */
async function answers(text: string, listener = 'plain'): Promise<string[]> {
  const client = await openClient(site, listener);
  client.send(text);
  const lines = (await client.rest()).split('\r\n');
  client.destroy();
  assert.equal(lines.pop(), '', 'the last line is whole');
  return lines;
}

test('the greeting comes at once, on every listener, and offers no APOP', async () => {
  for (const listener of ['plain', 'pop3', 'pop3s']) {
    const client = await openClient(site, listener);
    assert.match(client.received, /^\+OK [^<>\r\n]*\r\n$/);
    client.destroy();
  }
});

describe('commands', () => {
  test('in any letter case, their lines ended by CRLF or LF', async () => {
    assert.deepEqual(await answers('noop\nNoOp\r\nNOOP\nquIT\n'), ['+OK', '+OK', '+OK', '+OK Bye']);
    const login = `uSeR ${JOHN.login}\npaSS ${JOHN.password}\nquit\r\n`;
    assert.deepEqual(await answers(login), ['+OK Send the password', LET_IN, '+OK bye']);
  });

  test('that are unknown: nothing of them is in the answer', async () => {
    const lines = ['xyzzy', 'UTF8', 'LANG *', 'STAT'];
    const replies = await answers(`${lines.join('\r\n')}\r\nQUIT\r\n`);
    assert.deepEqual(replies, [...lines.map(() => '-ERR Unknown command'), '+OK Bye']);
  });

  test('of three or more octets less, or with arguments that they do not take', async () => {
    for (const line of ['', ' ', 'a', 'US', 'QUITS', 'NOOP x', 'CAPA x', 'STLS x', 'USER', 'USER ', 'PASS']) {
      const client = await openClient(site);
      assert.match(await client.ask(line), /^-ERR /, line);
      assert.equal(await client.ask('NOOP'), '+OK');
      client.destroy();
    }
  });

  test('are answered by lines of at most 512 octets', async () => {
    const long = 'x'.repeat(200);
    const lines = [`USER ${long}`, `PASS ${long}`, `AUTH ${long}`, `APOP ${long} ${long}`, `${long} ${long}`];
    for (const line of lines) {
      const client = await openClient(site);
      const reply = await client.ask(line);
      assert.ok(reply.length <= 510, reply);
      assert.doesNotMatch(reply, /xxx/);
      client.destroy();
    }
  });
});

describe('USER and PASS', () => {
  test('USER is taken for anybody', async () => {
    for (const name of [
      JOHN.login,
      'nobody@nowhere.test',
      'root',
      '"; DROP TABLE',
      '%n%s',
      '\xff\xfe',
      ' x ',
    ]) {
      const client = await openClient(site);
      assert.equal(await client.ask(`USER ${name}`), '+OK Send the password', name);
      client.destroy();
    }
  });

  test('PASS ahead of USER is refused, the second USER counts, and one that fails is forgotten', async () => {
    const client = await openClient(site);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '-ERR Send USER first');
    await client.ask(`USER ${JANE.login}`);
    await client.ask(`USER ${JOHN.login}`);
    assert.equal(await client.ask('PASS wrong'), REFUSED);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '-ERR Send USER first');
    await client.ask(`USER ${JANE.login}`);
    await client.ask(`USER ${JOHN.login}`);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), LET_IN);
    client.destroy();
    const [session] = await site.proxy.sessionsOf(JOHN.login);
    assert.equal(session?.local_user, JOHN.localUser);
  });

  for (const password of [' ahead', 'behind ', '  two  and  two  ', ' ', '\xe4 \x01 \x7f', 'pass PASS x']) {
    test(`PASS keeps every octet of ${JSON.stringify(password)}`, async () => {
      const heard = store.connections.length;
      // Checked by the mailstore, which shows what has reached it.
      assert.equal(await loginReply(site, { login: 'local@store.test', password }), LET_IN);
      assert.equal(store.connections[heard]!.received, `USER local\r\nPASS ${password}\r\nQUIT\r\n`);
    });
  }

  test('after a failed login there is another try, and after the third none', async () => {
    const round = `USER ${JOHN.login}\r\nPASS wrong\r\n`;
    const sent = '+OK Send the password';
    assert.deepEqual(await answers(`${round.repeat(3)}NOOP\r\n`), [
      sent,
      REFUSED,
      sent,
      REFUSED,
      sent,
      REFUSED,
    ]);
    assert.deepEqual(
      await answers(`${round.repeat(2)}USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\nQUIT\r\n`),
      [sent, REFUSED, sent, REFUSED, sent, LET_IN, '+OK bye'],
    );
  });
});

describe('AUTH', () => {
  const response = base64(`\0${JOHN.login}\0${JOHN.password}`);
  const QUIT = 'QUIT\r\n';
  const BYE = '+OK Bye';
  const CASES: Record<string, { send: string; answer: string[] }> = {
    'PLAIN with an initial response': { send: `AUTH PLAIN ${response}\r\n`, answer: [LET_IN, '+OK bye'] },
    'PLAIN after an empty challenge': {
      send: `auth plain\r\n${response}\r\n`,
      answer: ['+ ', LET_IN, '+OK bye'],
    },
    'PLAIN, the name once more as authorization identity': {
      send: `AUTH PLAIN ${base64(`${JOHN.login}\0${JOHN.login}\0${JOHN.password}`)}\r\n`,
      answer: [LET_IN, '+OK bye'],
    },
    'PLAIN with = for an empty initial response': {
      send: `AUTH PLAIN =\r\n`,
      answer: ['-ERR Malformed response', BYE],
    },
    'LOGIN with and without the name at once': {
      send: `AUTH LOGIN ${base64(JOHN.login)}\r\n*\r\nAUTH LOGIN\r\n${base64(JOHN.login)}\r\n${base64(JOHN.password)}\r\n`,
      answer: [
        '+ UGFzc3dvcmQ6',
        '-ERR Authentication cancelled',
        '+ VXNlcm5hbWU6',
        '+ UGFzc3dvcmQ6',
        LET_IN,
        '+OK bye',
      ],
    },
    'cancelled by *, and the session goes on': {
      send: `AUTH PLAIN\r\n*\r\nNOOP\r\nAUTH PLAIN ${response}\r\n`,
      answer: ['+ ', '-ERR Authentication cancelled', '+OK', LET_IN, '+OK bye'],
    },
    'with bad base64, and the session goes on': {
      send: `AUTH PLAIN !\r\nAUTH PLAIN\r\nA===\r\nNOOP\r\nAUTH PLAIN ${response}\r\n`,
      answer: ['-ERR Bad base64', '+ ', '-ERR Bad base64', '+OK', LET_IN, '+OK bye'],
    },
    'base64 without its padding': {
      send: `AUTH PLAIN ${response.replace(/=+$/, '')}${response.endsWith('=') ? '' : '='}\r\n`,
      answer: ['-ERR Bad base64', BYE],
    },
    'an unknown mechanism': { send: 'AUTH GSSAPI\r\n', answer: ['-ERR Unknown mechanism', BYE] },
    'more words than two': { send: `AUTH PLAIN ${response} x\r\n`, answer: ['-ERR Wrong arguments', BYE] },
    'a command in the place of a response': {
      send: `AUTH PLAIN\r\nQUIT\r\n`,
      answer: ['+ ', '-ERR Malformed response', BYE],
    },
  };
  for (const [name, { send, answer }] of Object.entries(CASES)) {
    test(name, async () => assert.deepEqual(await answers(send + QUIT), answer));
  }

  test('alone lists the mechanisms', async () => {
    const [first, ...list] = await answers(`AUTH\r\n${QUIT}`);
    assert.match(first!, /^\+OK/);
    assert.deepEqual(list.splice(-2), ['.', BYE]);
    assert.deepEqual(list.slice(0, 2), ['PLAIN', 'LOGIN']);
  });

  test('and USER are not to be had where passwords need TLS', async () => {
    for (const line of [
      'AUTH',
      `AUTH PLAIN ${response}`,
      'AUTH LOGIN',
      `USER ${JOHN.login}`,
      `PASS ${JOHN.password}`,
    ])
      assert.deepEqual(await answers(`${line}\r\n${QUIT}`, 'pop3'), ['-ERR Log in over TLS only', BYE]);
  });
});
