/** Every failure of a mailstore at every stage of its login: what the client hears, and what the operator is told. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { between } from '../support/between.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { accepted, type SessionLine, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import type { Script, ScriptedConnection } from '../support/scripted-mailstore.ts';

const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';
const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';
const IN_USE = '-ERR [IN-USE] Maildrop is in use by another session';
const LOGIN_DELAY = '-ERR [LOGIN-DELAY] Too soon after the last login';
const REJECTED = '-ERR [AUTH] Login failed';

/** Text that must go no further than the proxy. */
const GOSSIP = 'backend7.internal says no';

type Stage = 'greeting' | 'user' | 'login';
const STAGES: readonly Stage[] = ['greeting', 'user', 'login'];

/** The mailstore's part up to a stage, whose answer is left to the test. */
async function upTo(stage: Stage, connection: ScriptedConnection): Promise<void> {
  // Until the proxy has seen the connection stand: a reset before that is a connection refused.
  if (stage === 'greeting') return new Promise((resolve) => setTimeout(resolve, 20));
  connection.send('+OK ready\r\n');
  await connection.line();
  if (stage === 'user') return;
  connection.send('+OK\r\n');
  await connection.line();
}

type Expected = { reply: string; failure: string; reason: string; counted: string };

const expected = (reply: string, failure: string, reason: string, counted: string): Expected => ({
  reply,
  failure,
  reason,
  counted,
});
const protocol = (failure: string) => expected(TEMP, failure, 'upstream-protocol', 'protocol');
const refused = (reply: string, failure: string) =>
  expected(reply, failure, 'upstream-refused', 'login-refused');

type Deed = (connection: ScriptedConnection) => void;
type Failure = { deed: Deed; at: Partial<Record<Stage, Expected>> };

const everywhere = (one: Expected) => ({ greeting: one, user: one, login: one });
const says =
  (line: string): Deed =>
  (connection) =>
    connection.send(`${line}\r\n`);
const busy = refused(TEMP, 'greeting-refused');

const FAILURES: Record<string, Failure> = {
  hangs: { deed: () => {}, at: everywhere(expected(TEMP, 'login-timeout', 'upstream-timeout', 'timeout')) },
  'sends half a line and hangs': {
    deed: (connection) => connection.send('+OK half'),
    at: everywhere(expected(TEMP, 'login-timeout', 'upstream-timeout', 'timeout')),
  },
  closes: {
    deed: (connection) => connection.end(),
    at: everywhere(expected(TEMP, 'closed', 'upstream-closed', 'closed')),
  },
  'sends half a line and closes': {
    deed(connection) {
      connection.send('+OK half');
      connection.end();
    },
    at: everywhere(expected(TEMP, 'closed', 'upstream-closed', 'closed')),
  },
  resets: {
    deed: (connection) => connection.reset(),
    at: everywhere(expected(TEMP, 'closed', 'upstream-closed', 'closed')),
  },
  'sends garbage': {
    deed: says(`* OK ${GOSSIP}`),
    at: {
      greeting: protocol('greeting-invalid'),
      user: protocol('reply-invalid'),
      login: protocol('reply-invalid'),
    },
  },
  'sends NUL octets': {
    deed: says('\0\0\0'),
    at: {
      greeting: protocol('greeting-invalid'),
      user: protocol('reply-invalid'),
      login: protocol('reply-invalid'),
    },
  },
  'sends a line without an end': {
    deed: (connection) => connection.send(`+OK ${'x'.repeat(5_000)}`),
    at: everywhere(protocol('reply-too-long')),
  },
  'asks to go on where nothing is due': {
    deed: says('+ '),
    at: everywhere(protocol('unexpected-continuation')),
  },
  'sends octets behind its reply': {
    deed: says(`+OK\r\n+OK ${GOSSIP}`),
    at: { greeting: protocol('octets-after-greeting'), user: protocol('octets-out-of-turn') },
  },
  'says -ERR': {
    deed: says(`-ERR ${GOSSIP}`),
    at: { greeting: busy, user: refused(PERM, 'user-refused'), login: refused(PERM, 'login-refused') },
  },
  'says -ERR and closes': {
    deed(connection) {
      connection.send(`-ERR ${GOSSIP}\r\n`);
      connection.end();
    },
    at: { greeting: busy, user: refused(PERM, 'user-refused'), login: refused(PERM, 'login-refused') },
  },
  'says -ERR [AUTH]': {
    deed: says(`-ERR [AUTH] ${GOSSIP}`),
    at: {
      greeting: busy,
      user: refused(PERM, 'login-auth-refused'),
      login: refused(PERM, 'login-auth-refused'),
    },
  },
  'says -ERR [SYS/TEMP]': {
    deed: says(`-ERR [SYS/TEMP] ${GOSSIP}`),
    at: { greeting: busy, user: refused(TEMP, 'sys-temp'), login: refused(TEMP, 'sys-temp') },
  },
  'says -ERR [sys/perm]': {
    deed: says(`-ERR [sys/perm] ${GOSSIP}`),
    at: { greeting: busy, user: refused(PERM, 'sys-perm'), login: refused(PERM, 'sys-perm') },
  },
  'says -ERR [IN-USE]': {
    deed: says(`-ERR [IN-USE] ${GOSSIP}`),
    at: { greeting: busy, user: refused(IN_USE, 'in-use'), login: refused(IN_USE, 'in-use') },
  },
  'says -ERR [LOGIN-DELAY]': {
    deed: says(`-ERR [LOGIN-DELAY] ${GOSSIP}`),
    at: {
      greeting: busy,
      user: refused(LOGIN_DELAY, 'login-delay'),
      login: refused(LOGIN_DELAY, 'login-delay'),
    },
  },
};

/** Logs in, and closes when the proxy does. */
async function serve(connection: ScriptedConnection): Promise<void> {
  await connection.logIn();
  if ((await connection.line()) === null) connection.end();
}

/** What was said of the first login, apart from the second, which is good. */
type Told = { reply: string; event: Record<string, unknown> | undefined; text: string; record: SessionLine };

/** A first login at a mailstore that fails, a second one at the same when it has recovered. */
async function failThenRecover(
  fail: Script,
  options: Omit<TestProxyOptions, 'upstream'> & { upstream?: Partial<TestProxyOptions['upstream']> },
): Promise<Told> {
  let connections = 0;
  const script: Script = (connection) => (++connections === 1 ? fail(connection) : serve(connection));
  let told: Told | null = null;
  const upstream = { timeoutMs: 400, ...options.upstream };
  await between(script, { ...options, upstream }, async (client, { proxy, mailstore }) => {
    await client.line();
    const reply = await logInAs(client);
    const failed = mailstore.connections[0]!;
    if (!failed.closed) failed.end();
    assert.equal(await logInAs(client), '+OK logged in', 'the client can try again');
    client.destroy();
    const [record] = await proxy.logged(1);
    assert.ok(failed.ended || failed.closed, 'the connection that failed is closed');
    assert.ok(!failed.received.includes('QUIT'));
    told = { reply, event: upstreamFailed(proxy)[0], text: await proxy.metrics.text(), record: record! };
    secretsAreKept(proxy, client);
  });
  return told!;
}

async function logInAs(client: Pop3Client): Promise<string> {
  assert.equal(await client.ask('USER john'), '+OK Send the password');
  return client.ask('PASS secret');
}

function upstreamFailed(proxy: TestProxy): Record<string, unknown>[] {
  return proxy.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'upstream-failed');
}

function secretsAreKept(proxy: TestProxy, client: Pop3Client): void {
  assert.ok(!proxy.lines.join().includes('secret'), 'no password in the log');
  assert.ok(!client.received.includes(GOSSIP), "the mailstore's text is not passed on");
}

function counted(text: string, series: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  assert.ok(line, series);
  return Number(line.split(' ').at(-1));
}

const failures = (text: string, reason: string) =>
  counted(text, `teapop_proxy_upstream_failures_total{upstream="mailstore",reason="${reason}"}`);
const logins = (text: string, result: string, reason: string) =>
  counted(text, `teapop_proxy_logins_total{result="${result}",reason="${reason}"}`);

describe('after the check by the proxy, a mailstore that', () => {
  for (const [name, { deed, at }] of Object.entries(FAILURES)) {
    for (const stage of STAGES) {
      const expectation = at[stage];
      if (expectation === undefined) continue;
      test(`${name} at ${stage}`, async () => {
        const fail: Script = async (connection) => {
          await upTo(stage, connection);
          deed(connection);
        };
        const { reply, event, text } = await failThenRecover(fail, {});
        assert.equal(reply, expectation.reply);
        assert.equal(event?.level, 'warn');
        assert.equal(event?.failure, expectation.failure);
        assert.match(String(event?.detail), new RegExp(`at stage ${stage}`));
        assert.equal(failures(text, expectation.counted), 1);
        assert.equal(logins(text, 'unavailable', expectation.reason), 1);
        assert.equal(logins(text, 'accepted', 'none'), 1);
        assert.equal(counted(text, 'teapop_proxy_upstream_connect_seconds_count{upstream="mailstore"}'), 2);
        assert.equal(counted(text, 'teapop_proxy_upstream_login_seconds_count{upstream="mailstore"}'), 1);
      });
    }
  }
});

describe('where the mailstore checks the password, one that', () => {
  const decide = () => accepted('john', true);
  for (const stage of ['user', 'login'] as const) {
    for (const line of ['-ERR', `-ERR ${GOSSIP}`, `-ERR [AUTH] ${GOSSIP}`]) {
      test(`says ${line} at ${stage} has refused the user: no failure of the mailstore's`, async () => {
        const fail: Script = async (connection) => {
          await upTo(stage, connection);
          connection.send(`${line}\r\n`);
        };
        const { reply, event, text } = await failThenRecover(fail, { decide });
        assert.equal(reply, REJECTED);
        assert.equal(event, undefined);
        assert.equal(failures(text, 'login-refused'), 0);
        assert.equal(logins(text, 'rejected', 'refused-by-upstream'), 1);
      });
    }
  }

  for (const name of [
    'hangs',
    'closes',
    'resets',
    'sends garbage',
    'says -ERR [SYS/TEMP]',
    'says -ERR [IN-USE]',
  ]) {
    test(`${name} has not: never [AUTH]`, async () => {
      const { deed, at } = FAILURES[name]!;
      const fail: Script = async (connection) => {
        await upTo('login', connection);
        deed(connection);
      };
      const { reply, event } = await failThenRecover(fail, { decide });
      assert.equal(reply, at.login?.reply);
      assert.equal(event?.failure, at.login?.failure);
    });
  }

  test('a password that no command can carry is a wrong one, and nobody is asked', async () => {
    await between(
      (connection) => connection.logIn(),
      { decide },
      async (client, { proxy, mailstore }) => {
        await client.line();
        const response = Buffer.from(`\0john\0${'p'.repeat(400)}`).toString('base64');
        await client.ask('AUTH PLAIN');
        assert.equal(await client.ask(response), REJECTED);
        assert.equal(mailstore.connections.length, 0);
        assert.deepEqual(upstreamFailed(proxy), []);
      },
    );
  });
});

describe('login after login that cannot be decided', () => {
  test('uses up no attempt, and ends the connection after ten', async () => {
    const refuse: Script = async (connection) => {
      await upTo('login', connection);
      connection.send('-ERR no\r\n');
    };
    await between(refuse, {}, async (client, { proxy, mailstore }) => {
      await client.line();
      for (let i = 0; i < 10; i++) assert.equal(await logInAs(client), PERM);
      assert.equal(await client.rest(), '');
      await client.gone();
      const [record] = await proxy.logged(1);
      assert.deepEqual([record?.end, record?.attempts], ['undecided-logins', 10]);
      assert.equal(mailstore.connections.length, 10);
    });
  });

  test('a login command is sent once, never again on another connection', async () => {
    const fail: Script = async (connection) => {
      await upTo('login', connection);
      connection.reset();
    };
    await between(fail, {}, async (client, { mailstore }) => {
      await client.line();
      assert.equal(await logInAs(client), TEMP);
      assert.equal(mailstore.connections.length, 1);
    });
  });
});
