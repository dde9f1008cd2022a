/** What a row tells besides whether the password is right: the server that has the maildrop, and the password for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthenticatorOptions } from '../../src/auth/attempt.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { explain } from '../../src/auth/explain.ts';
import { createMasters } from '../../src/auth/masters.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { createSealer, SEALED_PREFIX } from '../../src/auth/seal.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { Credentials } from '../../src/pop3/credentials.ts';
import type { UserRow } from '../../src/tables/teapop/model.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import { memoryTables } from '../support/memory-tables.ts';

const TABLES = memoryTables({
  domainTable: `acme.com:*:textfile:/m:0:mail:mail:/acme:9:
old.org:*:htpasswd:/m:0:mail:mail:/old:9:
store.test:*:passwd:/m:0:
`,
  passwordFiles: {
    '/acme': [
      'john:j04n:johnacme:store2',
      'jane:j4ne:sub/janeacme:mail1.example.com:110',
      'bare:b4re:bareacme',
      'open:0pen:openacme:',
      'twice:one:box1:store1',
      'twice:two:box2:store2',
      'root:r00t:root\n',
    ].join('\n'),
    '/old': 'otto:absA8pA3VMtHY\n',
  },
});

const authenticator = (more: Partial<AuthenticatorOptions> = {}) =>
  createAuthenticator({
    ...{ store: TABLES, dividers: '@%', passwords: createPasswords({ sealer: null }) },
    verifier: createVerifier({ concurrency: 1, queue: 9 }),
    dummy: async () => {},
    masters: createMasters([{ user: 'root@acme.com', domains: null }], '@%'),
    localUserRule: () => 'mailbox',
    onError: ({ message }) => assert.fail(message),
    ...more,
  });

async function accepted(more: Partial<AuthenticatorOptions>, user: string, password: string, authzid = '') {
  const credentials: Credentials = { mechanism: 'PLAIN', user, password, authzid };
  const decision = await authenticator(more).authenticate(credentials, '', { lookup: 0, verify: 0 });
  assert.equal(decision.result, 'accepted');
  return decision as Extract<typeof decision, { result: 'accepted' }>;
}

describe('the server that a row names', () => {
  const cases: [
    user: string,
    password: string,
    localUser: string,
    path: string,
    server: string | undefined,
  ][] = [
    ['john@acme.com', 'j04n', 'johnacme', '/m/johnacme', 'store2'],
    ['jane@acme.com', 'j4ne', 'janeacme', '/m/sub/janeacme', 'mail1.example.com:110'],
    ['bare@acme.com', 'b4re', 'bareacme', '/m/bareacme', undefined],
    ['open@acme.com', '0pen', 'openacme', '/m/openacme', undefined],
    ['twice@acme.com', 'one', 'box1', '/m/box1', 'store1'],
    ['twice@acme.com', 'two', 'box2', '/m/box2', 'store2'],
    ['otto@old.org', 'sixteen ', 'otto', '/m/otto', undefined],
    ['joe@store.test', 'x', 'joe', '', undefined],
  ];
  for (const [user, password, localUser, path, server] of cases) {
    test(`${user} with ${password}`, async () => {
      const { account } = await accepted({ serverField: true }, user, password);
      assert.deepEqual([account.localUser, account.mailbox, account.server], [localUser, path, server]);
    });
  }

  test('is that of the account that a master opens', async () => {
    const { account } = await accepted({ serverField: true }, 'root@acme.com', 'r00t', 'john@acme.com');
    assert.deepEqual([account.localUser, account.server, account.vouched], ['johnacme', 'store2', true]);
  });

  test('is part of the mailbox where there is to be none, as under teapop', async () => {
    const { account } = await accepted({}, 'john@acme.com', 'j04n');
    assert.deepEqual([account.mailbox, account.server], ['/m/johnacme:store2', undefined]);
  });

  test('is explained', async () => {
    const options = { store: TABLES, dividers: '@%', passwords: createPasswords({ sealer: null }) };
    const rules = { ...options, localUserRule: () => 'mailbox' as const, serverField: true };
    const { rows } = await explain(rules, { user: 'twice@acme.com', password: null, localAddress: '' });
    assert.deepEqual(
      rows.map(({ mailbox, server, localUser }) => [mailbox, server, localUser]),
      [
        ['box1', 'store1', 'box1'],
        ['box2', 'store2', 'box2'],
      ],
    );
  });
});

describe('the password that a row holds', () => {
  const sendsRow = (domain: string) => domain !== 'spare.test';
  const sealer = createSealer(Buffer.alloc(32, 7));
  const context = { table: '', userid: 'john' };

  /** One row for everybody, sealed for john. */
  const holding = (secret: string): TableStore => ({
    ...TABLES,
    userRows: async (): Promise<UserRow[]> => [{ secret, mailbox: 'johnacme', line: 1 }],
  });
  const sealed = async () => {
    const [entry] = (await TABLES.domainEntries(['acme.com']))[0]!;
    return sealer.seal('j04n', { ...context, table: entry!.table! });
  };

  test('comes along where the mailstore of the domain is to have it, and nowhere else', async () => {
    assert.equal((await accepted({ sendsRow }, 'john@acme.com', 'j04n')).rowPassword, 'j04n');
    assert.equal((await accepted({}, 'john@acme.com', 'j04n')).rowPassword, undefined);
    const none = { sendsRow: () => false };
    assert.equal((await accepted(none, 'john@acme.com', 'j04n')).rowPassword, undefined);
  });

  test('is opened where it was sealed', async () => {
    const secret = await sealed();
    assert.ok(secret.startsWith(SEALED_PREFIX));
    const more = { sendsRow, store: holding(secret), passwords: createPasswords({ sealer }) };
    assert.equal((await accepted(more, 'john@acme.com', 'j04n')).rowPassword, 'j04n');
  });

  test("is not the client's: a hash tells none", async () => {
    assert.equal((await accepted({ sendsRow }, 'otto@old.org', 'sixteen ')).rowPassword, undefined);
    assert.equal((await accepted({ sendsRow }, 'joe@store.test', 'x')).rowPassword, undefined);
  });

  test('is that of the account that a master opens, not his own', async () => {
    const { rowPassword } = await accepted({ sendsRow }, 'root@acme.com', 'r00t', 'john@acme.com');
    assert.equal(rowPassword, 'j04n');
  });
});
