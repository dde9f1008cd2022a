/** What a client is told before the login holds after it, when the mailstore answers (RFC 2449 §5). */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Pop3Client } from '../support/pop3-client.ts';
import { freePort } from '../support/ports.ts';
import { ADDRESS, JOHN, type RunningSite, startSite } from '../support/running-site.ts';
import { type ScriptedMailstore, startScriptedMailstore } from '../support/scripted-mailstore.ts';

let site: RunningSite;
before(async () => {
  site = await startSite({ source: 'files' });
});
after(() => site.stop());

/** The lines of CAPA, without the first and the dot. */
async function capabilities(client: Pop3Client): Promise<string[]> {
  assert.match(await client.ask('CAPA'), /^\+OK/);
  const lines: string[] = [];
  for (let line = await client.line(); line !== '.'; line = await client.line()) lines.push(line!);
  return lines;
}

const connect = async (running: RunningSite) => {
  const client = await Pop3Client.connectTls(running.proxy.port('pop3s'), running.certificates.ca);
  await client.line();
  return client;
};

/** Of these a mailstore says nothing once it has logged somebody in, or says it of itself. */
const OF_THE_LOGIN = /^(USER|SASL|IMPLEMENTATION)\b/;

describe('in front of Dovecot', () => {
  test('what is announced is true after the login, and nothing is left out that is', async () => {
    const client = await connect(site);
    const before = await capabilities(client);
    assert.deepEqual(
      before.filter((line) => !OF_THE_LOGIN.test(line)),
      ['TOP', 'UIDL', 'RESP-CODES', 'PIPELINING', 'AUTH-RESP-CODE'],
    );
    await client.ask(`USER ${JOHN.login}`);
    assert.match(await client.ask(`PASS ${JOHN.password}`), /^\+OK/);
    const afterwards = await capabilities(client);
    for (const line of before) {
      if (!OF_THE_LOGIN.test(line)) assert.ok(afterwards.includes(line), `${line} in ${afterwards}`);
    }
    client.destroy();
  });

  // RFC 2449 §5: CAPA is valid in the AUTHORIZATION state, and USER does not leave it.
  test('CAPA between USER and PASS says what it said before, and the login goes on', async () => {
    const client = await connect(site);
    const before = await capabilities(client);
    assert.match(await client.ask(`USER ${JOHN.login}`), /^\+OK/);
    assert.deepEqual(await capabilities(client), before);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '+OK Logged in.');
    client.destroy();
  });

  test('and in one segment with both of them', async () => {
    const client = await connect(site);
    client.send(`USER ${JOHN.login}\r\nCAPA\r\nPASS ${JOHN.password}\r\nQUIT\r\n`);
    const replies = (await client.rest()).split('\r\n').filter((line) => /^(\+OK|-ERR|\.)/.test(line));
    assert.deepEqual(replies.slice(2), ['.', '+OK Logged in.', '+OK Logging out.']);
    client.destroy();
  });

  test('UTF8 and LANG are neither announced nor taken', async () => {
    const client = await connect(site);
    assert.ok(!(await capabilities(client)).some((line) => /^(UTF8|LANG)\b/.test(line)));
    for (const command of ['UTF8', 'LANG', 'LANG en'])
      assert.equal(await client.ask(command), '-ERR Unknown command');
    client.destroy();
  });

  test('a login goes in one write, and Dovecot takes it so', async () => {
    const { capabilities: known } = await site.proxy.logged('capabilities-known');
    assert.match(String(known), /PIPELINING/);
    const client = await connect(site);
    await client.ask(`USER ${JOHN.login}`);
    assert.equal(await client.ask(`PASS ${JOHN.password}`), '+OK Logged in.');
    client.destroy();
  });
});

describe('in front of several mailstores', () => {
  test('what all have is announced, from the time that one is there; a list stands by itself', async () => {
    const late = await freePort();
    let store: ScriptedMailstore | null = null;
    const mixed = await startSite({
      source: 'files',
      config: ({ dovecot }) => ({
        upstreams: [
          { name: 'dovecot', host: ADDRESS, port: dovecot!.port },
          { name: 'late', host: ADDRESS, port: late },
        ],
        listeners: [
          { name: 'pop3s', address: ADDRESS, port: 0, tls: 'implicit' },
          {
            name: 'listed',
            address: ADDRESS,
            port: 0,
            tls: 'off',
            plaintext_auth: 'always',
            capabilities: ['UIDL'],
          },
        ],
      }),
    });
    try {
      const first = await connect(mixed);
      assert.ok((await capabilities(first)).includes('TOP'));
      const unknown = await mixed.proxy.logged('capabilities-unknown');
      assert.deepEqual([unknown.upstream, unknown.failure], ['late', 'connect-refused']);
      store = await startScriptedMailstore(async (connection) => {
        connection.send('+OK ready\r\n');
        await connection.line();
        connection.send('+OK\r\nUIDL\r\nEXPIRE 30\r\n.\r\n');
        connection.end();
      }, late);
      await mixed.proxy.logged('capabilities-known', { upstream: 'late' });
      const second = await connect(mixed);
      const shared = (await capabilities(second)).filter((line) => !OF_THE_LOGIN.test(line));
      assert.deepEqual(shared, ['UIDL', 'AUTH-RESP-CODE']);
      assert.ok((await capabilities(first)).includes('TOP'), 'a session keeps to what it has said');
      const listed = await Pop3Client.connect(mixed.proxy.port('listed'));
      await listed.line();
      assert.deepEqual(
        (await capabilities(listed)).filter((line) => !OF_THE_LOGIN.test(line)),
        ['UIDL'],
      );
      for (const client of [first, second, listed]) client.destroy();
    } finally {
      await mixed.stop();
      await store?.close();
    }
  });
});
