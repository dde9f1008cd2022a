import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { createLoginCache } from '../../src/auth/login-cache.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createStandings } from '../../src/auth/standings.ts';
import { type Claim, createVerifier, type Verifier } from '../../src/auth/verifier.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';

const KIB = 1024;
const hashOf = (password: string, kib: number) =>
  hashPassword(password, { memory: kib * KIB, time: 1, parallelism: 1 });

const ENTRY: DomainEntry = {
  ...{ ordinal: 0, line: 1, domain: 'acme.com', localAddress: '*', type: 'textfile' },
  ...{ maildir: '/m', hashLevels: 0, uid: 'mail', gid: 'mail', table: 'text', lockedOut: null },
};
const ENTRIES = [ENTRY, { ...ENTRY, domain: 'default' }];
const row = (secret: string, line = 1): UserRow => ({ secret, mailbox: 'box', line });
const ROWS: Record<string, UserRow[]> = {
  john: [row(await hashOf('right', 64))],
  jane: [row(await hashOf('right', 16))],
  dear: [row(await hashOf('one', 16)), row(await hashOf('right', 256), 2)],
  plain: [row('{PLAIN}right')],
  broken: [row('nonsense')],
};
const STORE: TableStore = {
  domainEntries: async (domains) =>
    domains.map((domain) => ENTRIES.filter((entry) => entry.domain === domain)),
  userRows: async (_table, userid) => ROWS[userid] ?? [],
  status: () => ({ usable: true, detail: '', publishedAt: null, domains: null, users: null }),
  close: async () => {},
};
const DUMMY = 32 * KIB;
const HOME = '192.0.2.1';

/** A site that tells what each login claims of the verifier; null where it needs no turn. */
function site(remember = false) {
  let claim: Partial<Claim> | null = null;
  const verifier = createVerifier({ concurrency: 1, queue: 0 });
  const watched: Verifier = {
    runSpare: (...spare) => verifier.runSpare(...spare),
    run: (task, wanted = {}) => {
      claim = wanted;
      return verifier.run(task, wanted);
    },
    get state() {
      return verifier.state;
    },
  };
  const options = { accepted: 100, rejected: 100, idle: 600_000, lifetime: 600_000 };
  const authenticator = createAuthenticator({
    ...{ store: STORE, dividers: '@', passwords: createPasswords({ sealer: null }), verifier: watched },
    standings: createStandings({ users: 3 }),
    ...{ dummy: async () => {}, dummyMemory: DUMMY, cache: createLoginCache(remember ? options : null) },
    localUserRule: () => 'mailbox',
    onError: () => {},
  });
  const claimOf = async (user: string, password: string, address = HOME) => {
    claim = null;
    const credentials = { mechanism: 'USER', user, password, authzid: '' } as const;
    const client = { address, gone: undefined };
    await authenticator.authenticate(credentials, '127.0.0.1', { lookup: 0, verify: 0 }, client);
    return claim as Partial<Claim> | null;
  };
  const memoryOf = async (user: string) => (await claimOf(user, 'wrong'))?.memory;
  const rankOf = async (user: string, password: string, address = HOME) =>
    (await claimOf(user, password, address))?.standing?.rank;
  return { claimOf, memoryOf, rankOf };
}

test('a login claims the memory of its dearest row, and no less than the dummy may take', async () => {
  const { memoryOf } = site();
  assert.equal(await memoryOf('john@acme.com'), 64 * KIB);
  assert.equal(await memoryOf('dear@acme.com'), 256 * KIB);
  for (const user of [
    'jane@acme.com',
    'plain@acme.com',
    'nobody@acme.com',
    'x@nowhere.com',
    'broken@acme.com',
  ])
    assert.equal(await memoryOf(user), DUMMY, user);
});

test('a user who has logged in is known from that address, whatever his row costs', async () => {
  const { rankOf } = site();
  assert.equal(await rankOf('john@acme.com', 'right'), 'clean');
  assert.equal(await rankOf('john@acme.com', 'right'), 'known');
  assert.equal(await rankOf('john@acme.com', 'right', '192.0.2.2'), 'familiar');
  assert.equal(await rankOf('plain@acme.com', 'right'), undefined, 'needs no turn');
  assert.equal(await rankOf('plain@acme.com', 'wrong'), 'known');
});

test('a user is one, in whatever spelling: nobody pushes out the others by names of his own making', async () => {
  const { rankOf } = site();
  await rankOf('jane@acme.com', 'right');
  await rankOf('john@acme.com', 'right');
  assert.equal(await rankOf('john@ACME.com', 'right'), 'known');
  assert.equal(await rankOf('john@elsewhere.test', 'right'), 'clean', "the default's own john");
  for (const domain of ['a.test', 'b.test', 'x'.repeat(9000)])
    assert.equal(await rankOf(`john@${domain}`, 'right'), 'known');
  assert.equal(await rankOf('jane@acme.com', 'right'), 'known');
});

test('wrong passwords make an address doubtful, whatever was wrong with them', async () => {
  const { rankOf } = site();
  await rankOf('john@acme.com', 'wrong');
  await rankOf('nobody@acme.com', 'x');
  await rankOf('jo\0hn@acme.com', 'x');
  assert.equal(await rankOf('john@acme.com', 'right'), 'doubtful');
  assert.equal(await rankOf('john@acme.com', 'right', '192.0.2.2'), 'familiar');
});

test("a wrong password that is remembered speaks against nobody, nor does what is not the user's fault", async () => {
  const { rankOf } = site(true);
  for (let i = 0; i < 10; i++) await rankOf('john@acme.com', 'last-years');
  for (let i = 0; i < 10; i++) await rankOf('broken@acme.com', 'x');
  assert.equal(await rankOf('john@acme.com', 'right'), 'clean');
});

test('a right password that is remembered keeps a user known', async () => {
  const { claimOf, rankOf } = site(true);
  await rankOf('john@acme.com', 'right');
  assert.equal(await claimOf('john@acme.com', 'right', '192.0.2.9'), null, 'needs no turn');
  assert.equal(await rankOf('john@acme.com', 'wrong', '192.0.2.9'), 'known');
});
