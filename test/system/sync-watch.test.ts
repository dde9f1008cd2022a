/** `sync --watch` as a service manager runs it: a real process on both runtimes, real files, a real Redis. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type RunningProcess, start, until } from '../support/process.ts';
import { dumpRedis } from '../support/redis.ts';
import { BEGUN, CLAIM, syncHost, users } from '../support/sync-host.ts';

const it = syncHost();

for (const runtime of ['bun', 'node'] as const) {
  describe(`as a service, on ${runtime}`, () => {
    let service: RunningProcess;

    const log = () => {
      const lines = String(service.stdout()).split('\n').slice(0, -1);
      return lines.map((text) => JSON.parse(text) as { event: string } & Record<string, unknown>);
    };
    const logged = (event: string, count = 1) =>
      until(`${count} × ${event}`, () => log().filter((each) => each.event === event).length >= count);
    const finds = (userid: string, domain: string, mailbox: string | null) =>
      until(
        `${userid}@${domain} has ${mailbox}`,
        async () => (await it.mailboxOf(userid, domain)) === mailbox,
      );

    async function follow(): Promise<void> {
      service = await start(it.command('--watch'), { env: { TEAPOP_PROXY_RUNTIME: runtime } });
      await logged('synced');
    }

    beforeEach(() => {
      it.configure({}, { settle: '100ms' });
      it.write('teapop.passwd', it.line('acme.com', 'users'));
      it.write('users', users(5, 'one'));
    });
    afterEach(async () => {
      if (service.status() === null) await service.stop();
    });

    test('publishes changes as they come, refuses a loss, and leaves on SIGTERM', async () => {
      await follow();
      assert.equal(await it.mailboxOf('u0', 'acme.com'), 'one');
      it.write('users', users(5, 'two'));
      await finds('u0', 'acme.com', 'two');
      it.write('teapop.passwd', it.line('acme.com', 'users') + it.line('new.org', 'more'));
      it.write('more', users(1, 'three'));
      await finds('u0', 'new.org', 'three');

      it.write('users', users(1, 'two'));
      await logged('sync-refused');
      assert.equal(await it.mailboxOf('u4', 'acme.com'), 'two');
      it.write('users', users(5, 'four'));
      await finds('u4', 'acme.com', 'four');
      // Redis has what a sync published a moment before the log tells of it.
      await until('the sync is told', () => log().at(-1)?.event === 'synced');

      service.kill('SIGTERM');
      assert.deepEqual(await service.exited, { code: 0, signal: null });
      assert.deepEqual(
        log()
          .slice(-2)
          .map(({ event }) => event),
        ['signal', 'stopped'],
      );
      assert.equal(service.stderr().match(/^sync/m), null);
    });

    test('outlives a Redis that goes and comes back empty', async () => {
      await follow();
      await it.redis.kill9();
      it.write('users', users(5, 'two'));
      await logged('sync-failed');
      await it.redis.restart();
      await it.link.whenReady(30_000);
      await logged('synced', 2);
      await finds('u0', 'acme.com', 'two');
    });

    test('SIGTERM in the middle of a sync ends it, with nothing changed and nothing left', async () => {
      await follow();
      const before = await dumpRedis(it.link);
      service.kill('SIGTERM');
      await service.exited;
      // Minutes of hashing.
      it.configure({ argon2: { memory: '64MiB', time: 20 } }, { settle: '100ms' });
      it.write('users', users(5, 'one') + users(2_000, 'two'));
      service = await start(it.command('--watch'), { env: { TEAPOP_PROXY_RUNTIME: runtime } });
      await until('it is at work', async () => (await it.link.command('EXISTS', BEGUN)) === 1);
      service.kill('SIGTERM');
      const asked = performance.now();
      assert.deepEqual(await service.exited, { code: 0, signal: null });
      assert.ok(performance.now() - asked < 20_000);
      assert.equal(await dumpRedis(it.link), before);
      assert.equal(await it.link.command('EXISTS', CLAIM), 0);
    });
  });
}
