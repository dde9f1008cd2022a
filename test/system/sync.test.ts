/** `sync` as an operator and a service manager run it: real processes, real files, a real Redis. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { connectRedis, type RedisLink } from '../../src/tables/redis-client.ts';
import { RedisStore } from '../../src/tables/redis-store.ts';
import { pause } from '../support/ports.ts';
import { type Outcome, type RunningProcess, run, start, until } from '../support/process.ts';
import { EXECUTABLE } from '../support/proxy-process.ts';
import { dumpRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { redisAt } from '../support/site.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temp.ts';

const CLAIM = 'teapop:{domains}:sync';
const BEGUN = 'teapop:{domains}:begun';

let redis: RedisServer;
let link: RedisLink;
let store: RedisStore;
let folder: TemporaryFolder;
let configFile: string;

before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());
beforeEach(async () => {
  folder = temporaryFolder('sync');
  link = connectRedis(redisAt(redis.port));
  await link.whenReady(5_000);
  await link.command('FLUSHALL');
  store = new RedisStore({ link, prefix: 'teapop' });
  configure();
});
afterEach(async () => {
  await store.close();
  folder.remove();
});

/** The least that is a config, with hashes that cost nothing unless a test wants them to. */
function configure(passwords: object = {}, sync: object = {}): void {
  const config = {
    listeners: [{ name: 'pop3', port: 0, address: '127.0.0.1', tls: 'off', plaintext_auth: 'always' }],
    upstreams: [{ name: 'mailstore', host: '127.0.0.1' }],
    tables: { domain_table: `${folder.path}/teapop.passwd` },
    redis: { port: redis.port },
    passwords: {
      fingerprint_key_file: `${folder.path}/fingerprint.key`,
      argon2: { memory: '7MiB', time: 1 },
      concurrency: 2,
      ...passwords,
    },
    sync,
  };
  configFile = folder.file('teapop-proxy.yaml', stringify(config));
}

const write = (name: string, text: string) => void folder.file(name, text);
const line = (domain: string, file: string, max = 100_000) =>
  `${domain}:*:textfile:/m:0:mail:mail:${folder.path}/${file}:${max}:\n`;
const users = (count: number, password: string) =>
  Array.from({ length: count }, (_, i) => `u${i}:${password}:${password}\n`).join('');

const command = (...args: string[]) => [EXECUTABLE, 'sync', '--config', configFile, ...args] as const;
const sync = (...args: string[]): Promise<Outcome> => run(command(...args));

/** The mailbox that a login finds; null for an unknown user or domain. */
async function mailboxOf(userid: string, domain: string): Promise<string | null> {
  const [entries] = await store.domainEntries([domain]);
  const entry = entries![0];
  if (entry === undefined) return null;
  const rows = await store.userRows(entry.table!, userid, entry.generation);
  return rows[0]?.mailbox ?? null;
}

describe('by hand', () => {
  beforeEach(() => {
    write('teapop.passwd', line('acme.com', 'users') + line('old.org', 'more'));
    write('users', users(5, 'one'));
    write('more', users(5, 'one'));
  });

  test('tries, publishes, and tells what changed', async () => {
    const dry = await sync('--dry-run');
    assert.equal(dry.code, 0, dry.output);
    assert.match(
      String(dry.stdout),
      /^dry run, would publish generation 1: .*\n.*\npasswords: 10 would be hashed/,
    );
    assert.equal(await link.command('DBSIZE'), 0);

    const first = JSON.parse(String((await sync('--json')).stdout));
    assert.deepEqual([first.status, first.generation, first.users.added], ['published', 1, 10]);
    write('users', users(6, 'one').replace('u0:one', 'u0:two'));
    const second = await sync('--verbose');
    assert.match(String(second.stdout), /^ {2}acme\.com: users: 1 added, 1 changed, 0 removed$/m);
    assert.match(String(second.stdout), /^ {4}added: u5\n {4}changed: u0$/m);
    assert.equal(second.stderr, '', 'no progress where nobody watches');
    assert.match(String((await sync()).stdout), /^nothing had changed: /);
  });

  test('refuses a loss with the worst domains and changes nothing, unless forced or allowed', async () => {
    await sync();
    const before = await dumpRedis(link);
    write('users', `${users(2, 'one')}\n${users(3, 'one')}`);
    assert.match(
      (await sync()).stderr,
      /users:3: error: a blank line ends the reading: 3 users .*^sync: refused, /ms,
    );
    const refused = await sync('--json');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^sync: refused, nothing was changed: 3 of 10 users \(30%\) .* 'acme\.com' loses 3 of 5 users; --force/m,
    );
    const { status, error } = JSON.parse(String(refused.stdout));
    assert.deepEqual([status, error], ['failed', 'SyncRefused']);
    assert.equal(await dumpRedis(link), before);
    const forced = await sync('--force');
    assert.equal(forced.code, 0);
    assert.match(String(forced.stdout), /^users: 0 added, 0 changed, 3 removed$/m);
    configure({}, { max_loss: '100%' });
    write('more', '');
    assert.equal((await sync()).code, 0);
  });

  test('goes back, once, and forth with the next sync', async () => {
    const none = await sync('--rollback');
    assert.deepEqual([none.code, none.stderr], [1, 'sync: no tables are published\n']);
    await sync();
    assert.match((await sync('--rollback')).stderr, /^sync: there is no generation before 1 to go back to$/m);
    write('users', users(5, 'two'));
    await sync();
    const back = await sync('--rollback');
    assert.equal(back.code, 0, back.output);
    assert.match(
      String(back.stdout),
      /^generation 3 is what was published before generation 2: 2 domains, 10 users;/,
    );
    assert.equal(await mailboxOf('u0', 'acme.com'), 'one');
    assert.match(String((await sync()).stdout), /^published generation 4: /);
    assert.equal(await mailboxOf('u0', 'acme.com'), 'two');
  });

  test('takes no options that contradict each other', async () => {
    for (const words of ['--watch --rollback', '--watch --json', '--rollback --force', '--json --verbose']) {
      const { code, stderr } = await sync(...words.split(' '));
      assert.deepEqual([code, stderr.split('\n')[0]], [2, 'sync: these options do not go together'], words);
    }
  });

  test('shows progress on a terminal, and leaves none of it', async () => {
    const inTerminal = ['python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])'] as const;
    const { stdout } = await run([...inTerminal, ...command()]);
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
    write('teapop.passwd', domains.map((domain) => line(domain, domain, 10 + version)).join(''));
    for (const domain of domains) write(domain, users(2, `v${version}`));
  }

  /** The one version that all logins find. */
  async function wholeVersion(): Promise<string | null> {
    const found = new Set<string | null>();
    for (let i = 0; i < DOMAINS; i++) {
      for (const user of ['u0', 'u1']) found.add(await mailboxOf(user, `d${i}.org`));
    }
    assert.equal(found.size, 1, `a mixture: ${[...found].join()}`);
    return [...found][0]!;
  }

  test('of several at once one wins, whole, and the others change nothing', async () => {
    configure({ argon2: { memory: '32MiB', time: 2 } });
    for (let round = 1; round <= 3; round++) {
      writeVersion(round);
      const outcomes = await Promise.all([sync(), sync(), sync()]);
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
    configure({ argon2: { memory: '8KiB', time: 1 } });
    writeVersion(0);
    assert.equal((await sync()).code, 0);
    const seen = new Set<string>();
    for (let version = 1; version <= 20; version++) {
      const before = await wholeVersion();
      writeVersion(version);
      const process = await start(command());
      await until(
        'the claim',
        async () => process.status() !== null || (await link.command('EXISTS', CLAIM)) === 1,
      );
      await pause(Math.random() * 60);
      process.kill('SIGKILL');
      const { signal } = await process.exited;
      const now = await wholeVersion();
      assert.ok([before, `v${version}`].includes(now), `${now} after ${before}`);
      if (signal !== null) seen.add(now === before ? 'before' : 'after');
      const kept = (await link.command('PTTL', CLAIM)) as number;
      assert.ok(kept <= 30_000);
      // As if the rest of its time had passed.
      if (kept > 0) await link.command('PEXPIRE', CLAIM, 1);
      await until('it has lapsed', async () => (await link.command('EXISTS', CLAIM)) === 0);
    }
    assert.ok(seen.has('before'), 'none was killed at work');
    await until('the next sync', async () => (await sync()).code === 0);
    assert.equal(await wholeVersion(), 'v20');
    const left = (await link.command('KEYS', '*:next:*')) as Buffer[];
    assert.deepEqual([left.length, await link.command('EXISTS', CLAIM, BEGUN)], [0, 0]);
  });

  test('a claim that nobody renews keeps the next sync out, and no longer than it says', async () => {
    writeVersion(1);
    configure({ argon2: { memory: '64MiB', time: 20 } });
    const process = await start(command());
    await until('the claim', async () => (await link.command('EXISTS', CLAIM)) === 1);
    process.kill('SIGKILL');
    await process.exited;
    configure();
    assert.match((await sync()).stderr, /its claim lapses within 30 s/);
    await link.command('PEXPIRE', CLAIM, 1);
    assert.equal((await sync()).code, 0);
  });
});

for (const runtime of ['bun', 'node'] as const) {
  describe(`as a service, on ${runtime}`, () => {
    let service: RunningProcess;

    const log = () => {
      const lines = String(service.stdout()).split('\n').slice(0, -1);
      return lines.map((text) => JSON.parse(text) as { event: string } & Record<string, unknown>);
    };
    const logged = (event: string, count = 1) =>
      until(
        `${count} × ${event}`,
        () => log().filter((each) => each.event === event).length >= count,
        20_000,
      );
    const finds = (userid: string, domain: string, mailbox: string | null) =>
      until(
        `${userid}@${domain} has ${mailbox}`,
        async () => (await mailboxOf(userid, domain)) === mailbox,
        10_000,
      );

    async function follow(): Promise<void> {
      service = await start(command('--watch'), { env: { TEAPOP_PROXY_RUNTIME: runtime } });
      await logged('synced');
    }

    beforeEach(() => {
      configure({}, { settle: '100ms' });
      write('teapop.passwd', line('acme.com', 'users'));
      write('users', users(5, 'one'));
    });
    afterEach(async () => {
      if (service.status() === null) await service.stop();
    });

    test('publishes changes as they come, refuses a loss, and leaves on SIGTERM', async () => {
      await follow();
      assert.equal(await mailboxOf('u0', 'acme.com'), 'one');
      write('users', users(5, 'two'));
      await finds('u0', 'acme.com', 'two');
      write('teapop.passwd', line('acme.com', 'users') + line('new.org', 'more'));
      write('more', users(1, 'three'));
      await finds('u0', 'new.org', 'three');

      write('users', users(1, 'two'));
      await logged('sync-refused');
      assert.equal(await mailboxOf('u4', 'acme.com'), 'two');
      write('users', users(5, 'four'));
      await finds('u4', 'acme.com', 'four');

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
      await redis.kill9();
      write('users', users(5, 'two'));
      await logged('sync-failed');
      await redis.restart();
      await link.whenReady(5_000);
      await logged('synced', 2);
      await finds('u0', 'acme.com', 'two');
    });

    test('SIGTERM in the middle of a sync ends it, with nothing changed and nothing left', async () => {
      await follow();
      const before = await dumpRedis(link);
      service.kill('SIGTERM');
      await service.exited;
      // Minutes of hashing.
      configure({ argon2: { memory: '64MiB', time: 20 } }, { settle: '100ms' });
      write('users', users(5, 'one') + users(2_000, 'two'));
      service = await start(command('--watch'), { env: { TEAPOP_PROXY_RUNTIME: runtime } });
      await until('it is at work', async () => (await link.command('EXISTS', BEGUN)) === 1, 10_000);
      service.kill('SIGTERM');
      const asked = performance.now();
      assert.deepEqual(await service.exited, { code: 0, signal: null });
      assert.ok(performance.now() - asked < 5_000);
      assert.equal(await dumpRedis(link), before);
      assert.equal(await link.command('EXISTS', CLAIM), 0);
    });
  });
}
