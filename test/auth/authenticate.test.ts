import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import type { AuthenticatorOptions } from '../../src/auth/attempt.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import type { Decision } from '../../src/auth/authenticator.ts';
import { MAX_SLOW_ROWS } from '../../src/auth/rows.ts';
import { createPasswords, type Passwords } from '../../src/auth/scheme.ts';
import { createSealer } from '../../src/auth/seal.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';
import { type TableStore, TablesUnavailable } from '../../src/tables/teapop/store.ts';

const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };
const sealer = createSealer(Buffer.alloc(32, 1));
const argon = await hashPassword('j04n4CmE', CHEAP);
const MD5 = '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
const BCRYPT = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

function entry(domain: string, more: Partial<DomainEntry>): DomainEntry {
  const base = {
    ordinal: 0,
    line: 1,
    domain,
    localAddress: '*',
    type: 'textfile',
    maildir: '/var/spool/mail',
  };
  const rest = { hashLevels: 0, uid: 'johnacme', gid: 'mail', table: 'text', lockedOut: null };
  return { ...base, ...rest, ...more } as DomainEntry;
}

const ENTRIES: Record<string, DomainEntry[]> = {
  'acme.com': [entry('acme.com', {})],
  'crypt.com': [entry('crypt.com', { type: 'htpasswd', table: 'crypt' })],
  'shell.com': [entry('shell.com', { type: 'passwd', table: null })],
  'spam.com': [entry('spam.com', { type: 'reject', table: null })],
  'locked.com': [entry('locked.com', { lockedOut: 'a blank uid' })],
};

function row(secret: string, mailbox: string, line = 1): UserRow {
  return { secret, mailbox, line };
}

const ROWS: Record<string, UserRow[]> = {
  'text/john': [row(argon, 'johnacme')],
  'text/plain': [row('{PLAIN}open', 'plainbox')],
  'text/empty': [row('{PLAIN}', 'emptybox')],
  'text/sealed': [row(sealer.seal('open', { table: 'text', userid: 'sealed' }), 'sealedbox')],
  'text/moved': [row(sealer.seal('open', { table: 'text', userid: 'sealed' }), 'x', 7)],
  'text/half': [row('broken', 'x', 8), row('{PLAIN}open', 'halfbox')],
  'text/twice': [row('{PLAIN}one', 'box1'), row('{PLAIN}two', 'box2'), row('{PLAIN}two', 'box3')],
  'text/nowhere': [row('{PLAIN}open', '../..')],
  'text/many': Array.from({ length: 40 }, (_, i) => row(argon, 'x', i + 1)),
  'crypt/md5': [row(MD5, 'md5')],
  'crypt/blow': [row(BCRYPT, 'blow')],
  'crypt/three': [row(MD5, 'a'), row(BCRYPT, 'b'), row(MD5, 'c')],
};

const STORE: TableStore = {
  domainEntries: async (domains) => domains.map((domain) => ENTRIES[domain] ?? []),
  userRows: async (table, userid) => ROWS[`${table}/${userid}`] ?? [],
  status: () => ({ usable: true, detail: '', publishedAt: null, domains: null, users: null }),
  close: async () => {},
};

/** An authenticator whose computations are counted: those of rows by their secret, and those of the dummy. */
function counted(more: Partial<AuthenticatorOptions> = {}) {
  const real = createPasswords({ sealer });
  const seen = { rows: [] as string[], dummies: 0, errors: [] as string[] };
  const passwords: Passwords = {
    reveal: real.reveal,
    verify: (secret, password, context) => {
      seen.rows.push(secret);
      return real.verify(secret, password, context);
    },
  };
  const verifier = createVerifier({ concurrency: 2, queue: 100 });
  const authenticator = createAuthenticator({
    store: STORE,
    dividers: '@%',
    passwords,
    verifier,
    dummy: async () => void seen.dummies++,
    localUserRule: (domain) => (domain === 'crypt.com' ? '{userid}-{domain}' : 'mailbox'),
    onError: (error) => seen.errors.push(error.message),
    ...more,
  });
  const login = async (
    user: string,
    password: string,
    authzid = '',
    gone?: AbortSignal,
  ): Promise<Decision> => {
    const credentials = { mechanism: 'PLAIN', user, password, authzid } as const;
    return authenticator.authenticate(
      credentials,
      '127.0.0.1',
      { lookup: 0, verify: 0 },
      { address: '192.0.2.7', gone },
    );
  };
  return { login, seen, verifier, authenticator };
}

function accepted(localUser: string, mailbox: string, domain: string, upstreamChecks = false): Decision {
  return { result: 'accepted', account: { localUser, mailbox, domain, upstreamChecks } };
}
const rejected = (reason: string) => ({ result: 'rejected', reason });
const unavailable = (reason: string) => ({ result: 'unavailable', reason });

describe('accepted', () => {
  const cases: [string, string, Decision][] = [
    ['john@acme.com', 'j04n4CmE', accepted('johnacme', '/var/spool/mail/johnacme', 'acme.com')],
    ['john%ACME.com', 'j04n4CmE', accepted('johnacme', '/var/spool/mail/johnacme', 'acme.com')],
    ['plain@acme.com', 'open', accepted('plainbox', '/var/spool/mail/plainbox', 'acme.com')],
    ['empty@acme.com', '', accepted('emptybox', '/var/spool/mail/emptybox', 'acme.com')],
    ['sealed@acme.com', 'open', accepted('sealedbox', '/var/spool/mail/sealedbox', 'acme.com')],
    ['md5@crypt.com', '0.s0.l33t', accepted('md5-crypt.com', '/var/spool/mail/md5', 'crypt.com')],
    ['blow@crypt.com', 'U*U', accepted('blow-crypt.com', '/var/spool/mail/blow', 'crypt.com')],
  ];
  for (const [user, password, decision] of cases) {
    test(user, async () => {
      const { login, seen } = counted();
      assert.deepEqual(await login(user, password), decision);
      assert.deepEqual([seen.rows.length, seen.dummies, seen.errors.length], [1, 0, 0]);
    });
  }

  test('of a userid that stands twice the first row that the password matches', async () => {
    const { login, seen } = counted();
    assert.deepEqual(
      await login('twice@acme.com', 'two'),
      accepted('box2', '/var/spool/mail/box2', 'acme.com'),
    );
    assert.equal(seen.rows.length, 2);
    assert.deepEqual(
      await login('twice@acme.com', 'one'),
      accepted('box1', '/var/spool/mail/box1', 'acme.com'),
    );
  });

  test('passwd: left to the mailstore, under the userid', async () => {
    const { login, seen } = counted();
    assert.deepEqual(await login('joe@shell.com', 'any'), accepted('joe', '', 'shell.com', true));
    assert.deepEqual([seen.rows.length, seen.dummies], [0, 0]);
  });

  test('an authzid that names the user', async () => {
    const { login } = counted();
    const decision = await login('plain@acme.com', 'open', 'plain@acme.com');
    assert.equal(decision.result, 'accepted');
  });
});

describe('rejected, each at the price of one dear hash', () => {
  /** Login, password, reason, hashes of rows, dummies. */
  const cases: [string, string, string, number, number][] = [
    ['john@acme.com', 'wrong', 'wrong-password', 1, 0],
    ['john@acme.com', '', 'wrong-password', 1, 0],
    ['nobody@acme.com', 'x', 'unknown-user', 0, 1],
    ['john@nowhere.com', 'x', 'unknown-domain', 0, 1],
    ['john', 'x', 'unknown-domain', 0, 1],
    ['john@spam.com', 'x', 'domain-rejected', 0, 1],
    ['john@locked.com', 'x', 'locked-out', 0, 1],
    ['plain@acme.com', 'wrong', 'wrong-password', 1, 1],
    ['empty@acme.com', 'x', 'wrong-password', 1, 1],
    ['sealed@acme.com', 'wrong', 'wrong-password', 1, 1],
    ['twice@acme.com', 'three', 'wrong-password', 3, 1],
    ['md5@crypt.com', 'wrong', 'wrong-password', 1, 1],
    ['blow@crypt.com', 'wrong', 'wrong-password', 1, 0],
    ['three@crypt.com', 'wrong', 'wrong-password', 3, 0],
    ['a/b@shell.com', 'x', 'unknown-user', 0, 1],
    ['..@shell.com', 'x', 'unknown-user', 0, 1],
    ['jo\0hn@acme.com', 'j04n4CmE', 'malformed', 0, 1],
    ['john@acme.com\r\nDELE 1', 'j04n4CmE', 'malformed', 0, 1],
    ['john@acme.com', 'j04n4CmE\0', 'malformed', 0, 1],
    ['john@acme.com', 'j04n4CmE\n', 'malformed', 0, 1],
    ['md5@crypt.com', '0.s0.l33t\0tail', 'malformed', 0, 1],
    ['j\u{1f600}@acme.com', 'x', 'malformed', 0, 1],
  ];
  for (const [user, password, reason, rows, dummies] of cases) {
    test(`${JSON.stringify(user)} with ${JSON.stringify(password)}: ${reason}`, async () => {
      const { login, seen } = counted();
      assert.deepEqual(await login(user, password), rejected(reason));
      assert.deepEqual([seen.rows.length, seen.dummies, seen.errors.length], [rows, dummies, 0]);
    });
  }

  test('an authzid of somebody else, the right password notwithstanding', async () => {
    const { login, seen } = counted();
    for (const authzid of ['jane@acme.com', 'PLAIN@acme.com', ' ', 'plain@acme.org']) {
      assert.deepEqual(await login('plain@acme.com', 'open', authzid), rejected('authzid-refused'));
    }
    assert.deepEqual([seen.rows.length, seen.dummies], [0, 4]);
  });
});

describe('unavailable', () => {
  test('the tables cannot be asked', async () => {
    const down = () => Promise.reject(new TablesUnavailable('redis is down'));
    const { login, seen } = counted({ store: { ...STORE, userRows: down } });
    assert.deepEqual(await login('john@acme.com', 'j04n4CmE'), unavailable('tables-unavailable'));
    assert.deepEqual([seen.dummies, seen.errors.length], [0, 0]);
  });

  test('a store that throws something else: reported', async () => {
    const odd = () => Promise.reject(new TypeError('odd'));
    const { login, seen } = counted({ store: { ...STORE, domainEntries: odd } });
    assert.deepEqual(await login('john@acme.com', 'x'), unavailable('internal'));
    assert.deepEqual(seen.errors, ['odd']);
    const bare = counted({ store: { ...STORE, domainEntries: () => Promise.reject('text') } });
    assert.deepEqual(await bare.login('john@acme.com', 'x'), unavailable('internal'));
    assert.equal(bare.seen.errors.length, 1);
  });

  test('a row that cannot be checked, at the price of a refusal, reported by its line', async () => {
    const { login, seen } = counted();
    assert.deepEqual(await login('moved@acme.com', 'open'), unavailable('internal'));
    assert.equal(seen.dummies, 1);
    assert.match(seen.errors.join(), /line 7: sealed/);
  });

  test('such a row does not stand before one that matches, but is no wrong password', async () => {
    const { login, seen } = counted();
    assert.equal((await login('half@acme.com', 'open')).result, 'accepted');
    assert.deepEqual(await login('half@acme.com', 'wrong'), unavailable('internal'));
    assert.match(seen.errors.join(), /line 8/);
    assert.ok(!seen.errors.join().includes('broken'));
  });

  test('no local user in the mailbox', async () => {
    const { login } = counted();
    assert.deepEqual(await login('nowhere@acme.com', 'open'), unavailable('no-local-user'));
    assert.deepEqual(await login('nowhere@acme.com', 'wrong'), rejected('wrong-password'));
  });

  test('a userid that stands forty times ends after a bounded number of hashes', async () => {
    const { login, seen } = counted();
    assert.deepEqual(await login('many@acme.com', 'wrong'), unavailable('internal'));
    assert.equal(seen.rows.length, MAX_SLOW_ROWS);
    assert.match(seen.errors.join(), /line 17/);
  });

  test('the queue is full, for known and unknown users alike; those that cost nothing pass', async () => {
    const verifier = createVerifier({ concurrency: 1, queue: 0 });
    let release = () => {};
    const busy = verifier.run(() => new Promise<void>((resolve) => (release = resolve)));
    const { login } = counted({ verifier });
    for (const user of ['john@acme.com', 'nobody@acme.com', 'x@spam.com', 'a\0', 'md5@crypt.com']) {
      assert.deepEqual(await login(user, 'x'), unavailable('verify-queue-full'));
    }
    assert.deepEqual(await login('plain@acme.com', 'wrong'), unavailable('verify-queue-full'));
    assert.equal((await login('plain@acme.com', 'open')).result, 'accepted');
    release();
    await busy;
  });

  test('the client has gone while it waited: nothing is computed', async () => {
    const verifier = createVerifier({ concurrency: 1, queue: 5 });
    let release = () => {};
    const busy = verifier.run(() => new Promise<void>((resolve) => (release = resolve)));
    const { login, seen } = counted({ verifier });
    const gone = new AbortController();
    const waiting = login('john@acme.com', 'j04n4CmE', '', gone.signal);
    setImmediate(() => gone.abort());
    assert.deepEqual(await waiting, unavailable('client-gone'));
    release();
    await busy;
    assert.deepEqual([seen.rows.length, seen.dummies, verifier.state.waiting.clean], [0, 0, 0]);
  });
});

describe('one login', () => {
  test('holds one permit, however many rows it tries', async () => {
    const verifier = createVerifier({ concurrency: 1, queue: 0 });
    const { login, seen } = counted({ verifier });
    assert.deepEqual(await login('three@crypt.com', 'wrong'), rejected('wrong-password'));
    assert.equal(seen.rows.length, 3);
    assert.equal(verifier.state.running, 0);
  });

  test('fills in the time of its parts, in milliseconds', async () => {
    let clock = 0;
    const { authenticator } = counted({ now: () => (clock += 10) });
    const timings = { lookup: 0, verify: 0 };
    const credentials = { mechanism: 'PLAIN', user: 'john@acme.com', password: 'x', authzid: '' } as const;
    await authenticator.authenticate(credentials, '127.0.0.1', timings);
    assert.deepEqual(timings, { lookup: 10, verify: 10 });
  });

  test('decides by the address that the client connected to', async () => {
    const here = entry('acme.com', { localAddress: '192.0.2.1' });
    const store = {
      ...STORE,
      domainEntries: async (domains: readonly string[]) => domains.map(() => [here]),
    };
    const { authenticator } = counted({ store });
    const credentials = { mechanism: 'USER', user: 'plain@acme.com', password: 'open', authzid: '' } as const;
    const at = (address: string) =>
      authenticator.authenticate(credentials, address, { lookup: 0, verify: 0 });
    assert.equal((await at('192.0.2.1')).result, 'accepted');
    assert.deepEqual(await at('192.0.2.2'), rejected('unknown-domain'));
  });
});
