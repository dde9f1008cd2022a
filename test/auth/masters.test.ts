/** Who may open the maildrop of somebody else: masters by an authzid, owners of certificates their own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthenticatorOptions } from '../../src/auth/attempt.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import type { Decision } from '../../src/auth/authenticator.ts';
import { createMasters, sameLogin } from '../../src/auth/masters.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { Credentials } from '../../src/pop3/credentials.ts';
import { memoryTables } from '../support/memory-tables.ts';

const TABLES = memoryTables({
  domainTable: `acme.com:*:textfile:/m:0:mail:mail:/acme:9:
example.org:*:textfile:/m:0:mail:mail:/example:9:
store.test:*:passwd:/m:0:
spam.test:*:reject:
`,
  passwordFiles: {
    '/acme': 'john:j04n:johnacme\ntwice:one:box1\ntwice:two:box2\nnobox:x:../..\n',
    '/example': 'help:desk:\nwide:open:widebox\n',
  },
});
const MASTERS = [
  { user: 'help@example.org', domains: ['acme.com', 'store.test'] },
  { user: 'wide@example.org', domains: null },
  { user: 'root@store.test', domains: null },
];

async function decide(credentials: Credentials, more: Partial<AuthenticatorOptions> = {}) {
  let dummies = 0;
  const authenticator = createAuthenticator({
    ...{ store: TABLES, dividers: '@%', passwords: createPasswords({ sealer: null }) },
    verifier: createVerifier({ concurrency: 1, queue: 9 }),
    dummy: async () => void dummies++,
    masters: createMasters(MASTERS, '@%'),
    localUserRule: () => 'mailbox',
    onError: ({ message }) => assert.fail(message),
    ...more,
  });
  const decision = authenticator.authenticate(credentials, '192.0.2.1', { lookup: 0, verify: 0 });
  return { made: await decision, dummies };
}

const plain = (user: string, password: string, authzid: string): Credentials => ({
  ...{ mechanism: 'PLAIN', user, password, authzid },
});
const vouched = (localUser: string, mailbox: string, domain: string): Decision => ({
  result: 'accepted',
  account: { localUser, mailbox, domain, upstreamChecks: false, vouched: true },
});

describe('a master', () => {
  const cases: [string, string, string, Decision | string][] = [
    ['help@example.org', 'desk', 'john@acme.com', vouched('johnacme', '/m/johnacme', 'acme.com')],
    ['help%EXAMPLE.org', 'desk', 'john%ACME.com', vouched('johnacme', '/m/johnacme', 'acme.com')],
    ['help@example.org', 'desk', 'twice@acme.com', vouched('box1', '/m/box1', 'acme.com')],
    ['wide@example.org', 'open', 'john@acme.com', vouched('johnacme', '/m/johnacme', 'acme.com')],
    // The mailstore checks its own password, which a master does not know: its own master stands for it.
    ['help@example.org', 'desk', 'joe@store.test', vouched('joe', '', 'store.test')],
    ['help@example.org', 'wrong', 'john@acme.com', 'wrong-password'],
    ['help@example.org', 'desk', 'wide@example.org', 'authzid-refused'],
    ['help@example.org', 'desk', 'nobody@acme.com', 'authzid-refused'],
    ['wide@example.org', 'open', 'x@spam.test', 'authzid-refused'],
    ['wide@example.org', 'open', 'x@nowhere.test', 'authzid-refused'],
    // Whether his password is right, the mailstore alone could tell.
    ['root@store.test', 'any', 'john@acme.com', 'authzid-refused'],
    ['john@acme.com', 'j04n', 'twice@acme.com', 'authzid-refused'],
    ['Help@example.org', 'desk', 'john@acme.com', 'authzid-refused'],
    ['help@example.org', 'desk', 'nobox@acme.com', 'no-local-user'],
    ['help@example.org', 'desk', 'john@acme.com\0', 'malformed'],
  ];
  for (const [user, password, authzid, expected] of cases) {
    const outcome = typeof expected === 'string' ? expected : expected.result;
    test(`${user} with ${password} for ${JSON.stringify(authzid)}: ${outcome}`, async () => {
      const { made, dummies } = await decide(plain(user, password, authzid));
      if (typeof expected !== 'string') assert.deepEqual(made, expected);
      else assert.equal(made.result === 'accepted' || made.reason, expected);
      assert.equal(dummies, made.result === 'rejected' ? 1 : 0, 'a refusal has its price, and one');
    });
  }

  test('logs in as himself without asking for more', async () => {
    const own = { localUser: 'widebox', mailbox: '/m/widebox', domain: 'example.org', upstreamChecks: false };
    for (const authzid of ['', 'wide@example.org', 'wide%EXAMPLE.ORG']) {
      const { made } = await decide(plain('wide@example.org', 'open', authzid));
      assert.deepEqual(made, { result: 'accepted', account: own });
    }
  });

  test('is nobody where the site has none', async () => {
    const { made } = await decide(plain('wide@example.org', 'open', 'john@acme.com'), { masters: undefined });
    assert.deepEqual(made, { result: 'rejected', reason: 'authzid-refused' });
  });
});

describe('a certificate', () => {
  const external = (user: string, authzid = ''): Credentials => ({ mechanism: 'EXTERNAL', user, authzid });

  test('opens the maildrop of whom it names', async () => {
    const { made, dummies } = await decide(external('john@acme.com'));
    assert.deepEqual([made, dummies], [vouched('johnacme', '/m/johnacme', 'acme.com'), 0]);
    assert.deepEqual((await decide(external('joe@store.test'))).made, vouched('joe', '', 'store.test'));
    assert.deepEqual(
      (await decide(external('john@acme.com', 'john%ACME.com'))).made,
      vouched('johnacme', '/m/johnacme', 'acme.com'),
    );
  });

  test('of nobody, or who is locked out, opens none, at the price of a wrong password', async () => {
    for (const [user, reason] of [
      ['nobody@acme.com', 'unknown-user'],
      ['john@nowhere.test', 'unknown-domain'],
      ['x@spam.test', 'domain-rejected'],
    ] as const) {
      assert.deepEqual(await decide(external(user)), { made: { result: 'rejected', reason }, dummies: 1 });
    }
  });

  test("of a domain that has no entry of its own opens nobody's there, whatever takes the other domains", async () => {
    const store = memoryTables({
      domainTable: 'acme.com:*:textfile:/m:0:mail:mail:/acme:9:\ndefault:*:textfile:/m:0:mail:mail:/all:9:\n',
      passwordFiles: { '/acme': 'john:j04n:johnacme\n', '/all': 'john:j0hn:johnall\n' },
    });
    const unknown = { made: { result: 'rejected', reason: 'unknown-domain' }, dummies: 1 };
    for (const user of ['john@evil.test', 'john%acme.com@evil.test', 'john@sub.acme.com', 'john@default'])
      assert.deepEqual(await decide(external(user), { store }), unknown, user);
    const { made } = await decide(external('john@ACME.com'), { store });
    assert.deepEqual(made, vouched('johnacme', '/m/johnacme', 'acme.com'));
    assert.deepEqual(
      (await decide(external('john'), { store })).made,
      vouched('johnall', '/m/johnall', 'default'),
    );
    // A password is the user's own, whatever domain he writes.
    assert.equal((await decide(plain('john@evil.test', 'j0hn', ''), { store })).made.result, 'accepted');
  });

  test('of a master acts like one, and no other does', async () => {
    const acting = (user: string) => decide(external(user, 'john@acme.com'));
    assert.deepEqual((await acting('help@example.org')).made, vouched('johnacme', '/m/johnacme', 'acme.com'));
    const refused = { result: 'rejected', reason: 'authzid-refused' };
    assert.deepEqual((await acting('twice@acme.com')).made, refused);
  });
});

test('one login has several spellings', () => {
  assert.ok(sameLogin('john@acme.com', 'john%ACME.COM', '@%'));
  assert.ok(sameLogin('john', 'john ', '@%'));
  assert.ok(!sameLogin('john@acme.com', 'John@acme.com', '@%'));
  assert.ok(!sameLogin('john@acme.com', 'john', '@%'));
  assert.ok(!sameLogin('john@acme.com', 'john%acme.com', '@'));
});
