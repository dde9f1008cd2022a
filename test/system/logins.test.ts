/** Logins that are meant to get further than they may, and commands sent ahead of their answer. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/process.ts';
import { JANE, JOHN, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { logIn, openClient, openSession, sessionOf } from '../support/site-clients.ts';

const MESSAGE = 'Subject: one\r\n\r\n.one\r\n';
/** In ms; as the config of the site has it. */
const FAILURE_DELAY = 100;

let site: RunningSite;

before(async () => {
  site = await startSite();
  site.dovecot!.deliver(JOHN.localUser, MESSAGE);
});
after(() => site.stop());

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

describe('a login', () => {
  test('with CR, LF or NUL in a field of AUTH PLAIN never reaches the mailstore', async () => {
    const { login, password } = JOHN;
    const fields = [
      `\0${login}\r\nDELE 1\0${password}`,
      `\0${login}\0${password}\r\nDELE 1`,
      `\0${login}\0${password}\nDELE 1`,
      `${login}\r\n\0${login}\0${password}`,
      `\0${login}\0${password}\0`,
    ];
    const before = site.dovecot!.log().length;
    for (const field of fields) {
      const client = await openClient(site, 'pop3s');
      assert.equal(await client.ask(`AUTH PLAIN ${base64(field)}`), '-ERR Malformed response');
      client.destroy();
    }
    assert.doesNotMatch(site.dovecot!.log().slice(before), /pop3-login/);
  });

  test('as somebody else is refused like any other', async () => {
    const client = await openClient(site, 'pop3s');
    const field = `${JANE.login}\0${JOHN.login}\0${JOHN.password}`;
    assert.equal(await client.ask(`AUTH PLAIN ${base64(field)}`), '-ERR [AUTH] Login failed');
    client.destroy();
  });

  test('that fails is answered in one way, whatever the cause, and the third one is the last', async () => {
    const causes = [
      'john@acme.com',
      'nobody@acme.com',
      'john@nowhere.test',
      'john@closed.test',
      'local@store.test',
      'otto',
    ];
    const replies = new Set<string>();
    for (const group of [causes.slice(0, 3), causes.slice(3)]) {
      const client = await openClient(site);
      const { end } = await sessionOf(site, client, async () => {
        for (const login of group) {
          const began = performance.now();
          replies.add(await logIn(client, { login, password: 'wrong' }));
          const took = performance.now() - began;
          assert.ok(took >= FAILURE_DELAY - 1, `${login}: ${took} ms`);
        }
        assert.equal(await client.rest(), '');
      });
      assert.equal(end, 'too-many-failures');
    }
    assert.deepEqual([...replies], ['-ERR [AUTH] Login failed']);
  });

  test('is cut off after five bad commands', async () => {
    const client = await openClient(site);
    const { end } = await sessionOf(site, client, async () => {
      client.send('HELO\r\n'.repeat(9));
      assert.equal(await client.rest(), '-ERR Unknown command\r\n'.repeat(5));
    });
    assert.equal(end, 'too-many-bad-commands');
  });
});

describe('commands sent ahead of the answer to the login', () => {
  const COMMANDS = `USER ${JOHN.login}\r\nPASS ${JOHN.password}\r\nSTAT\r\nUIDL\r\nRETR 1\r\nQUIT\r\n`;

  function assertAnswered(answer: string): void {
    const replies = new RegExp(
      [
        /^\+OK[^\r]*\r\n\+OK Logged in\.\r\n/,
        /\+OK 1 \d+\r\n/,
        /\+OK[^\r]*\r\n1 \S+\r\n\.\r\n/,
        /\+OK \d+ octets\r\nSubject: one\r\n\r\n\.\.one\r\n\.\r\n/,
        /\+OK[^\r]*\r\n$/,
      ]
        .map(({ source }) => source)
        .join(''),
    );
    assert.match(answer, replies);
  }

  for (const listener of ['plain', 'pop3s']) {
    test(`are answered by the mailstore, in one segment, ${listener}`, async () => {
      const client = await openClient(site, listener);
      client.send(COMMANDS);
      assertAnswered(await client.rest());
      client.destroy();
    });

    test(`and octet by octet, ${listener}`, async () => {
      const client = await openClient(site, listener);
      for (const octet of COMMANDS) {
        client.send(octet);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assertAnswered(await client.rest());
      client.destroy();
    });
  }

  test('are refused, not run, where the login fails', async () => {
    const client = await openClient(site);
    client.send(COMMANDS.replace(JOHN.password, 'wrong'));
    const [first, ...others] = (await client.rest()).split('\r\n');
    assert.match(first!, /^\+OK/);
    const unknown = '-ERR Unknown command';
    assert.deepEqual(others, ['-ERR [AUTH] Login failed', unknown, unknown, unknown, '+OK Bye', '']);
    client.destroy();
  });
});

/** What the kernel says of a connection's timer: 2 is the keepalive, behind it the time left in 1/100 s. */
function kernelTimer(local: number, remote: number): { timer: number; due: number } | null {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const row = rows.find(
    ([, from, to]) => from?.endsWith(`:${hex(local)}`) && to?.endsWith(`:${hex(remote)}`),
  );
  const [timer, due] = row?.[5]?.split(':') ?? [];
  return timer === undefined ? null : { timer: Number(timer), due: Number.parseInt(due!, 16) };
}

for (const runtime of ['bun', 'node'] as const) {
  test(`the client's connection has the keepalive of the config, ${runtime}`, async () => {
    if (runtime === 'node') await site.restart('node');
    const session = await openSession(site, OTTO, 'pop3s');
    const port = site.proxy.port('pop3s');
    const timer = () => kernelTimer(port, session.socket.localPort!);
    // Retransmission has the timer first, until all is acknowledged.
    await until('the keepalive', () => timer()?.timer === 2);
    const { due } = timer()!;
    assert.ok(due > 5_000 && due <= 6_000, `probed after ${due / 100} s, not after the default of 60`);
    session.destroy();
  });
}
