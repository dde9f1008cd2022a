/** `sync` as an operator runs it: real processes, real files, a real Redis. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { pause } from '../support/ports.ts';
import { run, start, until } from '../support/process.ts';
import { dumpRedis } from '../support/redis.ts';
import { BEGUN, CLAIM, syncHost, users } from '../support/sync-host.ts';

const it = syncHost();

describe('by hand', () => {
  beforeEach(() => {
    it.write('teapop.passwd', it.line('acme.com', 'users') + it.line('old.org', 'more'));
    it.write('users', users(5, 'one'));
    it.write('more', users(5, 'one'));
  });

  test('tries, publishes, and tells what changed', async () => {
    const dry = await it.sync('--dry-run');
    assert.equal(dry.code, 0, dry.output);
    assert.match(
      String(dry.stdout),
      /^dry run, would publish generation 1: .*\n.*\npasswords: 10 would be hashed/,
    );
    assert.equal(await it.link.command('DBSIZE'), 0);

    const first = JSON.parse(String((await it.sync('--json')).stdout));
    assert.deepEqual([first.status, first.generation, first.users.added], ['published', 1, 10]);
    it.write('users', users(6, 'one').replace('u0:one', 'u0:two'));
    const second = await it.sync('--verbose');
    assert.match(String(second.stdout), /^ {2}acme\.com: users: 1 added, 1 changed, 0 removed$/m);
    assert.match(String(second.stdout), /^ {4}added: u5\n {4}changed: u0$/m);
    assert.equal(second.stderr, '', 'no progress where nobody watches');
    assert.match(String((await it.sync()).stdout), /^nothing had changed: /);
  });

  test('refuses a loss with the worst domains and changes nothing, unless forced or allowed', async () => {
    await it.sync();
    const before = await dumpRedis(it.link);
    it.write('users', `${users(2, 'one')}\n${users(3, 'one')}`);
    assert.match(
      (await it.sync()).stderr,
      /users:3: error: a blank line ends the reading: 3 users .*^sync: refused, /ms,
    );
    const refused = await it.sync('--json');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^sync: refused, nothing was changed: 3 of 10 users \(30%\) .* 'acme\.com' loses 3 of 5 users; --force/m,
    );
    const { status, error } = JSON.parse(String(refused.stdout));
    assert.deepEqual([status, error], ['failed', 'SyncRefused']);
    assert.equal(await dumpRedis(it.link), before);
    const forced = await it.sync('--force');
    assert.equal(forced.code, 0);
    assert.match(String(forced.stdout), /^users: 0 added, 0 changed, 3 removed$/m);
    it.configure({}, { max_loss: '100%' });
    it.write('more', '');
    assert.equal((await it.sync()).code, 0);
  });

  test('goes back, once, and forth with the next sync', async () => {
    const none = await it.sync('--rollback');
    assert.deepEqual([none.code, none.stderr], [1, 'sync: no tables are published\n']);
    await it.sync();
    assert.match(
      (await it.sync('--rollback')).stderr,
      /^sync: there is no generation before 1 to go back to$/m,
    );
    it.write('users', users(5, 'two'));
    await it.sync();
    const back = await it.sync('--rollback');
    assert.equal(back.code, 0, back.output);
    assert.match(
      String(back.stdout),
      /^generation 3 is what was published before generation 2: 2 domains, 10 users;/,
    );
    assert.equal(await it.mailboxOf('u0', 'acme.com'), 'one');
    assert.match(String((await it.sync()).stdout), /^published generation 4: /);
    assert.equal(await it.mailboxOf('u0', 'acme.com'), 'two');
  });

  test('takes no options that contradict each other', async () => {
    for (const words of ['--watch --rollback', '--watch --json', '--rollback --force', '--json --verbose']) {
      const { code, stderr } = await it.sync(...words.split(' '));
      assert.deepEqual([code, stderr.split('\n')[0]], [2, 'sync: these options do not go together'], words);
    }
  });

  test('shows progress on a terminal, and leaves none of it', async () => {
    const inTerminal = ['python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])'] as const;
    const { stdout } = await run([...inTerminal, ...it.command()]);
    const drawn = String(stdout);
    assert.match(drawn, /\r\x1b\[K\[[#.]{24}\] \d+% \d\/2 files, \d+ rows, \d+ hashed\/s, ETA [\d:?]+/);
    assert.match(drawn, /\r\x1b\[Kpublished generation 1: /);
  });
});

describe('several processes', () => {
  /** Each domain in a file of its own, all of one version. */
  const DOMAINS = 8;

  function writeVersion(version: number): void {
    const domains = Array.from({ length: DOMAINS }, (_, i) => `d${i}.org`);
    it.write('teapop.passwd', domains.map((domain) => it.line(domain, domain, 10 + version)).join(''));
    for (const domain of domains) it.write(domain, users(2, `v${version}`));
  }

  /** The one version that all logins find. */
  async function wholeVersion(): Promise<string | null> {
    const found = new Set<string | null>();
    for (let i = 0; i < DOMAINS; i++) {
      for (const user of ['u0', 'u1']) found.add(await it.mailboxOf(user, `d${i}.org`));
    }
    assert.equal(found.size, 1, `a mixture: ${[...found].join()}`);
    return [...found][0]!;
  }

  test('of several at once one wins, whole, and the others change nothing', async () => {
    it.configure({ argon2: { memory: '32MiB', time: 2 } });
    for (let round = 1; round <= 3; round++) {
      writeVersion(round);
      const outcomes = await Promise.all([it.sync(), it.sync(), it.sync()]);
      const winners = outcomes.filter(({ code }) => code === 0);
      const published = winners.filter(({ stdout }) => String(stdout).startsWith('published'));
      assert.equal(published.length, 1, outcomes.map(({ output }) => output).join('\n'));
      for (const { code, stderr } of outcomes) {
        if (code !== 0)
          assert.match(stderr, /^sync: another sync is at work \(.* process \d+\); if it was killed/m);
      }
      assert.equal(await wholeVersion(), `v${round}`);
    }
  });

  test('one that is killed leaves the tables whole at any moment, and the next works when its claim lapses', async () => {
    it.configure({ argon2: { memory: '8KiB', time: 1 } });
    writeVersion(0);
    assert.equal((await it.sync()).code, 0);
    const seen = new Set<string>();
    for (let version = 1; version <= 20; version++) {
      const before = await wholeVersion();
      writeVersion(version);
      const process = await start(it.command());
      await until(
        'the claim',
        async () => process.status() !== null || (await it.link.command('EXISTS', CLAIM)) === 1,
      );
      await pause(Math.random() * 60);
      process.kill('SIGKILL');
      const { signal } = await process.exited;
      const now = await wholeVersion();
      assert.ok([before, `v${version}`].includes(now), `${now} after ${before}`);
      if (signal !== null) seen.add(now === before ? 'before' : 'after');
      const kept = (await it.link.command('PTTL', CLAIM)) as number;
      assert.ok(kept <= 30_000);
      // As if the rest of its time had passed.
      if (kept > 0) await it.link.command('PEXPIRE', CLAIM, 1);
      await until('it has lapsed', async () => (await it.link.command('EXISTS', CLAIM)) === 0);
    }
    assert.ok(seen.has('before'), 'none was killed at work');
    await until('the next sync', async () => (await it.sync()).code === 0);
    assert.equal(await wholeVersion(), 'v20');
    const left = (await it.link.command('KEYS', '*:next:*')) as Buffer[];
    assert.deepEqual([left.length, await it.link.command('EXISTS', CLAIM, BEGUN)], [0, 0]);
  });

  test('a claim that nobody renews keeps the next sync out, and no longer than it says', async () => {
    writeVersion(1);
    it.configure({ argon2: { memory: '64MiB', time: 20 } });
    const process = await start(it.command());
    await until('the claim', async () => (await it.link.command('EXISTS', CLAIM)) === 1);
    process.kill('SIGKILL');
    await process.exited;
    it.configure();
    assert.match((await it.sync()).stderr, /its claim lapses within 30 s/);
    await it.link.command('PEXPIRE', CLAIM, 1);
    assert.equal((await it.sync()).code, 0);
  });
});
