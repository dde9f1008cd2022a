import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import { type Explanation, explain, type Verdict } from '../../src/auth/explain.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { memoryTables } from '../support/memory-tables.ts';

const CHEAP = { memory: 8 * 1024, time: 1, parallelism: 1 };
const DOMAINS = `acme.com:192.0.2.1:reject
acme.com:*:textfile:/m:1:mail:mail:/users:10:
old.org:*:htpasswd:/h:0:mail:mail:/htpasswd:10:
store.test:*:passwd:/var/mail:0:
locked.test:*:textfile:/m:0::mail:/users:10:
default:*:reject
`;
const USERS = 'john:secret-1:johnacme\njohn:secret-2:boxes/other/Maildir/\ntop:secret-3:..\n';
const HTPASSWD = 'otto:absA8pA3VMtHY\noff:*\n';

const tables = memoryTables({
  domainTable: DOMAINS,
  passwordFiles: { '/users': USERS, '/htpasswd': HTPASSWD },
});

function ask(user: string, password: string | null = null, store: TableStore = tables): Promise<Explanation> {
  const passwords = createPasswords({ sealer: null });
  const localUserRule = (domain: string) => (domain === 'old.org' ? '{userid}.{domain}' : 'mailbox');
  const question = { user, password, localAddress: '192.0.2.9' };
  const offers = (_domain: string, mechanism: string) => mechanism !== 'SCRAM-SHA-256';
  return explain({ store, dividers: '@%', passwords, localUserRule, offers }, question);
}

const verdictOf = async (user: string, password: string | null = null) => (await ask(user, password)).verdict;
const account = (localUser: string, mailbox: string, domain: string, upstreamChecks = false) => ({
  ...{ localUser, mailbox, domain, upstreamChecks },
});

test('each entry that was considered, the one that decides, and each row with where it leads', async () => {
  const { login, asked, considered, entry, rows, reason, asking } = await ask('john@ACME.com ');
  assert.deepEqual(login, { userid: 'john', domain: 'ACME.com' });
  assert.deepEqual(asked, ['acme.com', 'default']);
  assert.deepEqual(
    considered.map(({ entry: { line }, as, matches }) => [line, as, matches]),
    [
      [1, 'domain', false],
      [2, 'domain', true],
    ],
  );
  assert.deepEqual([entry?.line, reason, asking?.userid], [2, null, 'john']);
  const plain = {
    server: null,
    scheme: 'plain',
    better: false,
    mechanisms: ['APOP', 'CRAM-MD5'],
    problem: null,
  };
  assert.deepEqual(rows, [
    { line: 1, mailbox: 'johnacme', path: '/m/j/johnacme', localUser: 'johnacme', ...plain },
    {
      line: 2,
      mailbox: 'boxes/other/Maildir/',
      path: '/m/b/boxes/other/Maildir/',
      localUser: 'other',
      ...plain,
    },
  ]);
  const other = await ask('x@nowhere');
  assert.deepEqual(
    other.considered.map(({ entry: { line }, as, matches }) => [line, as, matches]),
    [[6, 'default', true]],
  );
});

describe('the verdict', () => {
  const cases: [string, string | null, Verdict][] = [
    ['john@acme.com', null, { result: 'found', upstreamChecks: false, localUser: null }],
    ['otto@old.org', null, { result: 'found', upstreamChecks: false, localUser: 'otto.old.org' }],
    ['off@old.org', null, { result: 'rejected', reason: 'wrong-password' }],
    ['joe@store.test', null, { result: 'found', upstreamChecks: true, localUser: 'joe' }],
    ['a/b@store.test', null, { result: 'rejected', reason: 'unknown-user' }],
    ['jane@acme.com', null, { result: 'rejected', reason: 'unknown-user' }],
    ['top@acme.com', null, { result: 'unavailable', reason: 'no-local-user', problems: [] }],
    ['john@locked.test', null, { result: 'rejected', reason: 'locked-out' }],
    ['john@nowhere', null, { result: 'rejected', reason: 'domain-rejected' }],
    ['jo\nhn@acme.com', null, { result: 'rejected', reason: 'malformed' }],
    [
      'john@acme.com',
      'secret-2',
      { result: 'accepted', account: account('other', '/m/b/boxes/other/Maildir/', 'acme.com'), row: 1 },
    ],
    ['john@acme.com', 'wrong', { result: 'rejected', reason: 'wrong-password' }],
    [
      'otto@old.org',
      'sixteen ',
      { result: 'accepted', account: account('otto.old.org', '/h/otto', 'old.org'), row: 0 },
    ],
    [
      'joe@store.test',
      'x',
      { result: 'accepted', account: account('joe', '', 'store.test', true), row: null },
    ],
    ['jo\nhn@acme.com', 'x', { result: 'rejected', reason: 'malformed' }],
  ];
  for (const [user, password, verdict] of cases) {
    test(`${JSON.stringify(user)} ${password === null ? 'without a password' : `with ${password}`}`, async () => {
      assert.deepEqual(await verdictOf(user, password), verdict);
    });
  }
});

test('a row that cannot be checked is told with its problem', async () => {
  const broken = { secret: '$argon2id$nonsense', mailbox: 'box', line: 7 };
  const { rows, verdict } = await ask('john@acme.com', 'x', { ...tables, userRows: async () => [broken] });
  assert.match(rows[0]!.problem ?? '', /not an argon2id string/);
  assert.deepEqual([verdict.result, 'reason' in verdict && verdict.reason], ['unavailable', 'internal']);
  assert.match(('problems' in verdict && verdict.problems.join()) || '', /line 7/);
});

test('an upgraded row is named as such, and its better hash decides', async () => {
  const better = await hashPassword('better\0\0', CHEAP);
  const row = { secret: 'absA8pA3VMtHY', mailbox: 'otto', line: 1, better };
  const store = { ...tables, userRows: async () => [row] };
  const { rows, verdict } = await ask('otto@old.org', 'better', store);
  assert.deepEqual([rows[0]!.scheme, rows[0]!.better, verdict.result], ['des', true, 'accepted']);
  assert.equal((await ask('otto@old.org', 'sixteen ', store)).verdict.result, 'rejected');
});

test('no password and no hash is part of it', async () => {
  for (const [user, password] of [
    ['john@acme.com', 'secret-1'],
    ['john@acme.com', null],
    ['otto@old.org', 'sixteen '],
    ['otto@old.org', 'a-wrong-one'],
  ] as const) {
    const text = JSON.stringify(await ask(user, password));
    for (const secret of ['secret', 'absA8', 'sixteen', 'a-wrong-one'])
      assert.ok(!text.includes(secret), secret);
  }
});
