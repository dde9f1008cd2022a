/** What dies around the proxy by SIGKILL: sessions end, logins are told to come again later, and nothing hangs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bigMessage } from '../support/messages.ts';
import { start, until } from '../support/process.ts';
import { ADDRESS, JANE, JOHN, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply, openSession, sessionOf } from '../support/site-clients.ts';

const LET_IN = '+OK Logged in.';
const NOT_NOW = /^-ERR \[SYS\/TEMP\] /;
/** Far more than proxy and kernel hold between mailstore and client. */
const BIG = 32 * 1024 * 1024;
/** In milliseconds. The proxy waits so long for Redis. */
const REDIS_TIMEOUT = 500;
/** What a login takes that waits for Redis: its timeout, the password, a busy machine. */
const SOON = REDIS_TIMEOUT + 4_000;

let site: RunningSite;

before(async () => {
  site = await startSite({
    config: ({ redis, folder }) => ({
      redis: { host: ADDRESS, port: redis!.port, timeout: `${REDIS_TIMEOUT}ms` },
      // Nothing is remembered of what Redis has said: each login needs it.
      tables: { domain_table: `${folder.path}/teapop.passwd`, near: { rows: 0, unknown: 0 } },
    }),
  });
  for (const { localUser } of [JOHN, OTTO]) site.dovecot!.deliver(localUser, bigMessage(BIG));
});
after(() => site.stop());

async function within<Result>(ms: number, what: () => Promise<Result>): Promise<Result> {
  const began = performance.now();
  const result = await what();
  const took = performance.now() - began;
  assert.ok(took < ms, `took ${took} ms, not ${ms}`);
  return result;
}

const ready = async () => (await site.admin('/readyz')).status === 200;

describe('Redis', () => {
  test('killed: a session goes on, a login is answered soon, readiness names it', async () => {
    const session = await openSession(site, JANE);
    await site.redis!.kill9();
    assert.match(await within(SOON, () => loginReply(site, JOHN)), NOT_NOW);
    await until('not ready', async () => !(await ready()));
    const { status, body } = await site.admin('/readyz');
    assert.equal(status, 503);
    assert.match(body, new RegExp(`^tables: Redis at 127\\.0\\.0\\.1:${site.redis!.port}: `));
    assert.match(await session.ask('STAT'), /^\+OK /);
    session.destroy();
  });

  test('back, but empty: still not ready', async () => {
    await site.redis!.restart();
    await until('a connection', async () => /run sync/.test((await site.admin('/readyz')).body));
    assert.match(await loginReply(site, JOHN), NOT_NOW);
  });

  test('published to again: ready, and serves', async () => {
    assert.equal((await site.sync()).code, 0);
    await until('ready', ready);
    assert.equal(await loginReply(site, JOHN), LET_IN);
  });

  test('frozen: a login is answered when its time is over; thawed, it serves', async () => {
    site.redis!.freeze();
    assert.match(await within(SOON, () => loginReply(site, JOHN)), NOT_NOW);
    site.redis!.thaw();
    await until('ready', ready);
    assert.equal(await loginReply(site, JOHN), LET_IN);
  });
});

describe('in mid-RETR', () => {
  /** A client that has begun to fetch the big message and reads no further. */
  async function fetching(listener: string) {
    const client = await openSession(site, JOHN, listener);
    client.send('RETR 1\r\n');
    await until('the first octets', () => client.received.length > 100_000);
    client.socket.pause();
    return client;
  }

  for (const listener of ['plain', 'pop3s']) {
    test(`the mailstore's session killed: the client's connection ends, ${listener}`, async () => {
      const client = await fetching(listener);
      const { end } = await sessionOf(site, client, async () => {
        assert.ok(site.dovecot!.kill9Sessions() >= 1);
        client.socket.resume();
        await client.gone();
        assert.ok(client.received.length < BIG, 'it was not over before');
        assert.doesNotMatch(client.received.slice(-20), /\r\n\.\r\n$/, 'nothing is made up');
      });
      assert.match(end, /^upstream-(lost|closed)$/);
    });
  }

  test('the client killed: the mailstore sees a loss, not a QUIT', async () => {
    const url = `pop3://${ADDRESS}:${site.proxy.port('plain')}/1`;
    const user = `${OTTO.login}:${OTTO.password}`;
    const client = await start(['curl', '--silent', '--limit-rate', '1M', '--user', user, url]);
    await until('the first octets', () => client.stdout().length > 100_000);
    client.kill('SIGKILL');
    const [session, ...others] = await site.proxy.sessionsOf(OTTO.login);
    assert.equal(session?.end, 'client-lost');
    assert.deepEqual(others, []);
    const ends = () => site.dovecot!.log().match(/pop3\(otto\).*Disconnected: .*retr=1\/\d+/g) ?? [];
    await until('its end at the mailstore', () => ends().length >= 1);
    assert.doesNotMatch(ends().at(-1)!, /Logged out/);
    assert.equal(site.dovecot!.count(OTTO.localUser), 1);
  });
});

// Last: there is no mailstore from here on.
test('the mailstore killed: a login is told to come again later', async () => {
  await site.dovecot!.kill9();
  assert.match(await loginReply(site, JANE), NOT_NOW);
  const { failure } = await site.proxy.logged('upstream-failed', { upstream: 'mailstore' });
  assert.equal(failure, 'connect-refused');
  assert.ok(await ready(), 'other mailstores may be up');
});
