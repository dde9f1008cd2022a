import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { createLoginCache, type LoginCacheOptions } from '../../src/auth/login-cache.ts';
import { createPasswords, type Passwords } from '../../src/auth/scheme.ts';
import { createUpgrader } from '../../src/auth/upgrade.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { Credentials } from '../../src/pop3/credentials.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { until } from '../support/process.ts';

const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };
const MD5 = '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
const MD5_PASSWORD = '0.s0.l33t';
const [ONE, TWO] = await Promise.all(['one', 'two'].map((password) => hashPassword(password, CHEAP)));

function entry(more: Partial<DomainEntry>): DomainEntry {
  const base = { ordinal: 0, line: 1, domain: 'acme.com', localAddress: '*', type: 'textfile' as const };
  const rest = { maildir: '/m', hashLevels: 0, uid: 'mail', gid: 'mail', table: 'text', lockedOut: null };
  return { ...base, ...rest, ...more };
}

const ENTRIES: Record<string, DomainEntry[]> = {
  'acme.com': [entry({})],
  'crypt.com': [entry({ domain: 'crypt.com', type: 'htpasswd', table: 'crypt' })],
  'spam.com': [entry({ domain: 'spam.com', type: 'reject', table: null })],
  'shell.com': [entry({ domain: 'shell.com', type: 'passwd', table: null })],
};

const row = (secret: string, mailbox = 'box', line = 1): UserRow => ({ secret, mailbox, line });

/** A site whose rows can be changed, and that counts its hashes: of rows, and the dummy's. */
function site(more: Partial<LoginCacheOptions> = {}, concurrency = 2) {
  const rows: Record<string, UserRow[]> = {
    'text/john': [row(ONE!)],
    'text/twice': [row(ONE!, 'box1', 1), row(TWO!, 'box2', 2)],
    'text/plain': [row('{PLAIN}open')],
    'text/half': [row('broken'), row(ONE!, 'box', 2)],
    'crypt/md5': [row(MD5)],
  };
  const seen = { hashes: 0, dummies: 0, errors: 0 };
  const store: TableStore = {
    domainEntries: async (domains) => domains.map((domain) => ENTRIES[domain] ?? []),
    userRows: async (table, userid) => rows[`${table}/${userid}`] ?? [],
    keepBetter: async (table, userid, before, better) => {
      const key = `${table}/${userid}`;
      rows[key] = rows[key]!.map((each) => (each.line === before.line ? { ...each, better } : each));
      return true;
    },
    status: () => ({ usable: true, detail: '', publishedAt: null, domains: null, users: null }),
    close: async () => {},
  };
  const real = createPasswords({ sealer: null });
  const passwords: Passwords = {
    ...real,
    verify: (...call) => {
      seen.hashes++;
      return real.verify(...call);
    },
  };
  const clock = { now: 0 };
  const cache = createLoginCache({
    ...{ accepted: 100, rejected: 100, idle: 600_000, lifetime: 86_400_000, now: () => clock.now },
    ...more,
  });
  const verifier = createVerifier({ concurrency, queue: 100 });
  const upgrader = createUpgrader({ store, verifier, params: CHEAP, methods: ['md5'], delay: 0 });
  const authenticator = createAuthenticator({
    ...{ store, dividers: '@', passwords, verifier, cache, upgrader },
    dummy: async () => void seen.dummies++,
    offers: () => true,
    localUserRule: () => 'mailbox',
    onError: () => void seen.errors++,
  });
  const login = (user: string, password: string, authzid = '') =>
    loginBy({ mechanism: 'PLAIN', user, password, authzid });
  const loginBy = async (credentials: Credentials) => {
    const timings = { lookup: 0, verify: 0 };
    const decision = await authenticator.authenticate(credentials, '127.0.0.1', timings);
    return decision.result === 'accepted' ? decision.account.localUser : decision.reason;
  };
  /** What is computed for a login. */
  const cost = async (user: string, password: string, authzid = '') => {
    const before = { ...seen };
    const answer = await login(user, password, authzid);
    return [answer, seen.hashes - before.hashes, seen.dummies - before.dummies];
  };
  return { rows, seen, cache, clock, verifier, login, loginBy, cost };
}

describe('the same login again', () => {
  test('is let in without a hash, by the row that it matched', async () => {
    const { cost } = site();
    assert.deepEqual(await cost('twice@acme.com', 'two'), ['box2', 2, 0]);
    assert.deepEqual(await cost('twice@acme.com', 'two'), ['box2', 0, 0]);
    assert.deepEqual(await cost('twice@acme.com', 'one'), ['box1', 1, 0]);
    assert.deepEqual(await cost('twice@acme.com', 'one'), ['box1', 0, 0]);
    assert.deepEqual(await cost('md5@crypt.com', MD5_PASSWORD), ['box', 1, 0]);
    assert.deepEqual(await cost('md5@crypt.com', MD5_PASSWORD), ['box', 0, 0]);
  });

  const refused: [string, string, string][] = [
    ['john@acme.com', 'last-years', 'wrong-password'],
    ['nobody@acme.com', 'x', 'unknown-user'],
    ['john@nowhere.com', 'x', 'unknown-domain'],
    ['john@spam.com', 'x', 'domain-rejected'],
    ['..@shell.com', 'x', 'unknown-user'],
    ['jo\0hn@acme.com', 'x', 'malformed'],
    ['md5@crypt.com', 'wrong', 'wrong-password'],
  ];
  for (const [user, password, reason] of refused) {
    test(`is refused for nothing, whatever was wrong: ${reason} of ${JSON.stringify(user)}`, async () => {
      const { cost, cache } = site();
      const [answer, hashes, dummies] = await cost(user, password);
      assert.equal(answer, reason);
      assert.ok((hashes as number) + (dummies as number) > 0);
      assert.deepEqual(await cost(user, password), [reason, 0, 0]);
      assert.notDeepEqual(
        (await cost(user, `${password}!`)).slice(1),
        [0, 0],
        'another wrong one has its price',
      );
      assert.deepEqual(cache.state.hits, { accepted: 0, rejected: 1 });
    });
  }

  test('with an authzid of somebody else does not borrow what the password alone came out as', async () => {
    const { cost } = site();
    await cost('john@acme.com', 'one');
    assert.deepEqual(await cost('john@acme.com', 'one', 'jane@acme.com'), ['authzid-refused', 0, 1]);
    assert.deepEqual(await cost('john@acme.com', 'one'), ['box', 0, 0]);
  });

  test('of a row that costs nothing is not remembered when right, and is when wrong', async () => {
    const { cost, cache } = site();
    await cost('plain@acme.com', 'open');
    assert.equal(cache.state.entries.accepted, 0);
    assert.deepEqual(await cost('plain@acme.com', 'wrong'), ['wrong-password', 1, 1]);
    assert.deepEqual(await cost('plain@acme.com', 'wrong'), ['wrong-password', 1, 0]);
  });

  test('by a digest is not remembered: whoever is there costs no more than whoever is not', async () => {
    const { loginBy, seen, cache } = site();
    const by = (user: string) =>
      loginBy({ mechanism: 'CRAM-MD5', user, authzid: '', challenge: '<1@x>', digest: 'wrong' });
    for (const user of ['plain@acme.com', 'john@acme.com', 'nobody@acme.com', 'x@nowhere.com'])
      for (let i = 1; i <= 3; i++) {
        const { dummies } = seen;
        await by(user);
        assert.equal(seen.dummies, dummies + 1, user);
      }
    assert.deepEqual(cache.state.entries, { accepted: 0, rejected: 0 });
  });

  test('where a row could not be checked is told of each time', async () => {
    const { cost, seen } = site();
    for (let i = 0; i < 2; i++) assert.deepEqual(await cost('half@acme.com', 'wrong'), ['internal', 2, 0]);
    for (let i = 0; i < 2; i++) assert.deepEqual(await cost('half@acme.com', 'one'), ['box', 2, 0]);
    assert.equal(seen.errors, 4);
  });

  test('is hashed again when it was not used for long, and once a day in any case', async () => {
    const { cost, clock } = site();
    await cost('john@acme.com', 'one');
    for (let minute = 9; minute < 24 * 60; minute += 9) {
      clock.now = minute * 60_000;
      assert.deepEqual(await cost('john@acme.com', 'one'), ['box', 0, 0]);
    }
    clock.now = 24 * 60 * 60_000;
    assert.deepEqual(await cost('john@acme.com', 'one'), ['box', 1, 0]);
    clock.now += 600_000;
    assert.deepEqual(await cost('john@acme.com', 'one'), ['box', 1, 0]);
  });

  test('waits behind its like and is then not hashed', async () => {
    const { login, seen, cache } = site({}, 1);
    const answers = await Promise.all(Array.from({ length: 20 }, () => login('john@acme.com', 'one')));
    assert.deepEqual(new Set(answers), new Set(['box']));
    const wrong = Array.from({ length: 20 }, () => login('nobody@acme.com', 'one'));
    assert.deepEqual(new Set(await Promise.all(wrong)), new Set(['unknown-user']));
    assert.deepEqual([seen.hashes, seen.dummies, cache.state.misses], [1, 1, 2]);
  });
});

describe('a change of the tables ends at once what is remembered', () => {
  test('a new password: the old one is wrong, the new one right', async () => {
    const { rows, cost } = site();
    await cost('john@acme.com', 'one');
    await cost('john@acme.com', 'two');
    rows['text/john'] = [row(TWO!)];
    assert.deepEqual(await cost('john@acme.com', 'one'), ['wrong-password', 1, 0]);
    assert.deepEqual(await cost('john@acme.com', 'two'), ['box', 1, 0]);
  });

  test('a user removed, and one added whose password was tried before', async () => {
    const { rows, cost } = site();
    await cost('john@acme.com', 'one');
    await cost('jane@acme.com', 'two');
    rows['text/jane'] = [row(TWO!, 'jane')];
    delete rows['text/john'];
    assert.deepEqual(await cost('john@acme.com', 'one'), ['unknown-user', 0, 1]);
    assert.deepEqual(await cost('jane@acme.com', 'two'), ['jane', 1, 0]);
  });

  test('another mailbox, or a row before it', async () => {
    const { rows, cost } = site();
    await cost('john@acme.com', 'one');
    rows['text/john'] = [row(ONE!, 'moved')];
    assert.deepEqual(await cost('john@acme.com', 'one'), ['moved', 1, 0]);
    rows['text/john'] = [row(TWO!, 'first'), row(ONE!, 'moved', 2)];
    assert.deepEqual(await cost('john@acme.com', 'one'), ['moved', 2, 0]);
  });

  test('the same password of the same hash, but of another user or domain, is hashed for itself', async () => {
    const { rows, cost } = site();
    await cost('john@acme.com', 'one');
    rows['text/jane'] = [row(ONE!)];
    assert.deepEqual(await cost('jane@acme.com', 'one'), ['box', 1, 0]);
  });
});

describe('hashes made better by use', () => {
  test('a remembered login makes what the first one could not', async () => {
    const { rows, login, cost, verifier } = site();
    let release = () => {};
    const busy = verifier.run(() => new Promise<void>((resolve) => (release = resolve)));
    assert.equal(await login('md5@crypt.com', MD5_PASSWORD), 'box');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(rows['crypt/md5']![0]!.better, undefined, 'logins had the verifier');
    release();
    await busy;
    assert.deepEqual(await cost('md5@crypt.com', MD5_PASSWORD), ['box', 0, 0]);
    await until('it is made', () => rows['crypt/md5']![0]!.better !== undefined);
    // By the better hash, once.
    assert.deepEqual(await cost('md5@crypt.com', MD5_PASSWORD), ['box', 1, 0]);
    assert.deepEqual(await cost('md5@crypt.com', MD5_PASSWORD), ['box', 0, 0]);
  });
});
