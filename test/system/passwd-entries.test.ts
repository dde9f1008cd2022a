/** Logins whose password the mailstore checks: for the client they are as all others, wrong or right. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import type { Pop3Client } from '../support/pop3-client.ts';
import { freePort } from '../support/ports.ts';
import type { Runtime } from '../support/proxy-process.ts';
import {
  ADDRESS,
  JOHN,
  LOCAL,
  type RunningSite,
  type SiteParts,
  startSite,
} from '../support/running-site.ts';
import { logIn, openClient } from '../support/site-clients.ts';

const FAILED = '-ERR [AUTH] Login failed';
/** In ms: longer than the delay of the mailstore that has one, so that what comes on top can be told. */
const DELAY = 3000;
const MAILSTORES_DELAY = 2;
const TABLES = {
  'teapop.passwd': `acme.com:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd:100:
store.test:*:passwd:/var/spool/mail:0:
slow.test:*:passwd:/var/spool/mail:0:
absent.test:*:passwd:/var/spool/mail:0:
`,
};

for (const runtime of ['bun', 'node'] as const) describe(`on ${runtime}`, () => cases(runtime));

function cases(runtime: Runtime): void {
  let site: RunningSite;
  let slow: Dovecot;

  async function config({ dovecot, folder }: SiteParts) {
    slow = await startDovecot({ users: [{ name: 'local', password: 'x' }], failureDelay: MAILSTORES_DELAY });
    const ports = { mailstore: dovecot!.port, slow: slow.port, absent: await freePort() };
    return {
      upstreams: Object.entries(ports).map(([name, port]) => ({ name, host: ADDRESS, port })),
      tables: {
        source: 'files',
        domain_table: `${folder.path}/teapop.passwd`,
        domains: { 'slow.test': { upstream: 'slow' }, 'absent.test': { upstream: 'absent' } },
      },
      limits: { failure_delay: `${DELAY}ms` },
    };
  }

  before(async () => {
    site = await startSite({ runtime, source: 'files', tables: TABLES, config });
  });
  after(() => Promise.all([site.stop(), slow.stop()]));

  /** The reply to PASS and what it took, in ms. */
  async function timed(client: Pop3Client, login: string, password: string) {
    const start = performance.now();
    const reply = await logIn(client, { login, password });
    return { reply, took: performance.now() - start };
  }

  async function alone(login: string, password: string) {
    const client = await openClient(site);
    try {
      return await timed(client, login, password);
    } finally {
      client.destroy();
    }
  }

  test('a wrong password has the same answer and the same delay, whoever checks it', async () => {
    const wrong: [string, string][] = [
      [LOCAL.login, 'wrong'],
      ['nobody@store.test', 'wrong'],
      [LOCAL.login, 'x'.repeat(248)],
      [`${LOCAL.localUser}*proxy@store.test`, 'm4ster-of-all'],
      ['local@slow.test', 'wrong'],
      [JOHN.login, 'wrong'],
      ['nobody@acme.com', 'wrong'],
      ['nobody@nowhere.test', 'wrong'],
    ];
    const answers = await Promise.all(wrong.map(([login, password]) => alone(login, password)));
    for (const [index, { reply, took }] of answers.entries()) {
      assert.equal(reply, FAILED, wrong[index]![0]);
      assert.ok(took >= DELAY - 1, `${wrong[index]![0]}: ${took} ms`);
      // The mailstore's own delay counts as part of it.
      assert.ok(took < DELAY + MAILSTORES_DELAY * 1000, `${wrong[index]![0]}: ${took} ms`);
    }
  });

  test('wrong ones count, and the third of either kind ends the connection', async () => {
    const client = await openClient(site);
    assert.equal((await timed(client, LOCAL.login, 'wrong')).reply, FAILED);
    assert.equal((await timed(client, JOHN.login, 'wrong')).reply, FAILED);
    assert.equal((await timed(client, LOCAL.login, 'wrong')).reply, FAILED);
    await client.gone();
    const session = await site.proxy.logged('session', { end: 'too-many-failures' });
    assert.deepEqual([session.attempts, session.reason], [3, 'refused-by-upstream']);
  });

  test("are the user's fault, and none of the mailstore's", async () => {
    const { body } = await site.admin('/metrics');
    assert.match(body, /logins_total\{result="rejected",reason="refused-by-upstream"\} [1-9]/);
    assert.doesNotMatch(body, /upstream_failures_total\{upstream="(mailstore|slow)"[^}]*\} [1-9]/);
    const failed = site.proxy.log().filter(({ event }) => event === 'upstream-failed');
    assert.deepEqual(failed, []);
  });

  test('a right one is let in, after a wrong one on the same connection too', async () => {
    const client = await openClient(site);
    assert.equal((await timed(client, LOCAL.login, 'wrong')).reply, FAILED);
    assert.equal((await timed(client, LOCAL.login, LOCAL.password)).reply, '+OK Logged in.');
    client.destroy();
  });

  test('a mailstore that is away has said nothing of the password', async () => {
    const { reply } = await alone('local@absent.test', 'any');
    assert.match(reply, /^-ERR \[SYS\/TEMP\] /);
    await site.proxy.logged('upstream-failed', { upstream: 'absent' });
  });
}
