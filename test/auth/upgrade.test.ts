import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashPassword, parsePhc } from '../../src/auth/argon2.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import type { Decision } from '../../src/auth/authenticator.ts';
import { createPasswords, type Passwords } from '../../src/auth/scheme.ts';
import {
  createUpgrader,
  type UpgradeMethod,
  type UpgradeOutcome,
  type UpgraderOptions,
  upgradeMethod,
} from '../../src/auth/upgrade.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';
import { type TableStore, TablesUnavailable } from '../../src/tables/teapop/store.ts';
import { until } from '../support/process.ts';

const CHEAP = { memory: 8 * 1024, time: 1, parallelism: 1 };
const DEARER = { memory: 16 * 1024, time: 1, parallelism: 1 };

/** Of 'sixteen chars ok!': DES looks at the first eight. */
const DES = 'absA8pA3VMtHY';
const DES_PASSWORD = 'sixteen chars ok!';
const MD5 = '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0';
const MD5_PASSWORD = '0.s0.l33t';
const BCRYPT = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

const ENTRY: DomainEntry = {
  ...{ ordinal: 0, line: 1, domain: 'old.org', localAddress: '*', type: 'htpasswd' },
  ...{ maildir: '/m', hashLevels: 0, uid: 'mail', gid: 'mail', table: 'crypt', lockedOut: null },
};

type Setup = { rows: UserRow[]; type?: 'textfile' } & Partial<Omit<UpgraderOptions, 'store'>>;

/** A site of one user with these rows; its store keeps better hashes as Redis does. */
function site({ rows, type, ...options }: Setup) {
  const computed: string[] = [];
  const outcomes: UpgradeOutcome[] = [];
  const site = { rows, computed, outcomes, dummies: 0, kept: 0, refuse: null as Error | null, known: true };
  const store: TableStore = {
    domainEntries: async (domains) =>
      domains.map((domain) => (domain === 'old.org' ? [type ? { ...ENTRY, type } : ENTRY] : [])),
    userRows: async () => site.rows,
    keepBetter: async (_table, _userid, row, better) => {
      if (site.refuse !== null) throw site.refuse;
      if (!site.known) return false;
      site.kept++;
      site.rows = site.rows.map((each) => (each.line === row.line ? { ...each, better } : each));
      return true;
    },
    status: () => ({ usable: true, detail: '', publishedAt: null, domains: null, users: null }),
    close: async () => {},
  };
  const real = createPasswords({ sealer: null });
  const passwords: Passwords = {
    reveal: real.reveal,
    verify: (secret, ...rest) => {
      computed.push(secret);
      return real.verify(secret, ...rest);
    },
  };
  const verifier = options.verifier ?? createVerifier({ concurrency: 2, queue: 10 });
  const upgrader = createUpgrader({
    ...{ store, verifier, params: CHEAP, methods: ['des', 'md5'], delay: 0 },
    ...options,
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  const authenticator = createAuthenticator({
    ...{ store, dividers: '@%', passwords, verifier, upgrader },
    dummy: async () => void site.dummies++,
    localUserRule: () => 'mailbox',
    onError: () => {},
  });
  const login = async (password: string): Promise<Decision> => {
    const credentials = { mechanism: 'PLAIN', user: 'john@old.org', password, authzid: '' } as const;
    return authenticator.authenticate(credentials, '127.0.0.1', { lookup: 0, verify: 0 });
  };
  const settled = (count = 1) => until(`${count} outcomes`, () => outcomes.length >= count);
  return Object.assign(site, { login, settled, store, verifier, upgrader });
}

const row = (secret: string, line = 1): UserRow => ({ secret, mailbox: 'john', line });

/** Time for what must not happen. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 30));

describe('a login that succeeds by an old hash', () => {
  test('leaves a better one, which from then on is all that is computed', async () => {
    const it = site({ rows: [row(MD5)] });
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    assert.deepEqual([it.computed, it.kept], [[MD5], 0], 'nothing of it happens in the login');
    await it.settled();
    assert.deepEqual(it.outcomes, [{ result: 'stored', userid: 'john', method: 'md5', detail: '' }]);
    const { better } = it.rows[0]!;
    assert.ok(typeof parsePhc(better!) !== 'string');

    it.computed.length = 0;
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    assert.deepEqual(await it.login('wrong'), { result: 'rejected', reason: 'wrong-password' });
    assert.deepEqual(it.computed, [better, better]);
    assert.equal(it.dummies, 0, 'a wrong password has cost one Argon2id');
    await aWhile();
    assert.equal(it.outcomes.length, 1, 'and it is not made again');
  });

  test('lets in by it whom the old one lets in: with DES, whoever knows eight characters', async () => {
    const accepted = [DES_PASSWORD, 'sixteen ', 'sixteen and more', '\xf3ixteen '];
    const old = site({ rows: [row(DES)], methods: [] });
    for (const password of accepted) assert.equal((await old.login(password)).result, 'accepted');
    const it = site({ rows: [row(DES)] });
    await it.login(DES_PASSWORD);
    await it.settled();
    it.computed.length = 0;
    for (const password of accepted) assert.equal((await it.login(password)).result, 'accepted', password);
    for (const password of ['sixteen', 'Sixteen ', '', `sixteen ${'x'.repeat(600)}`])
      assert.equal((await it.login(password)).result, 'rejected', password);
    const { better } = it.rows[0]!;
    assert.deepEqual(it.computed.slice(0, -1), Array(7).fill(better));
    assert.equal(it.computed.at(-1), DES, 'what libcrypt refuses is refused by it');
    assert.equal(it.dummies, 1);
  });

  test('makes it for the row that let in', async () => {
    const it = site({ rows: [row(DES, 3), row(MD5, 4)] });
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    await it.settled();
    assert.deepEqual(
      it.rows.map(({ better }) => better !== undefined),
      [false, true],
    );
    assert.equal((await it.login(DES_PASSWORD)).result, 'accepted');
    await it.settled(2);
    for (const password of [MD5_PASSWORD, DES_PASSWORD])
      assert.equal((await it.login(password)).result, 'accepted');
  });

  test('makes it anew where its parameters are no longer the ones in use', async () => {
    const better = await hashPassword(MD5_PASSWORD, CHEAP);
    const it = site({ rows: [{ ...row(MD5), better }], params: DEARER });
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    await it.settled();
    assert.match(it.rows[0]!.better!, /m=16,/);
  });

  test('makes it for a crypt(3) string that a database has among passwords, too', async () => {
    const it = site({ rows: [row(`{CRYPT}${MD5}`)], type: 'textfile' });
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    await it.settled();
    it.computed.length = 0;
    assert.equal((await it.login('wrong')).result, 'rejected');
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    assert.deepEqual(it.computed, [it.rows[0]!.better, it.rows[0]!.better]);
  });

  test('of several sessions at once, makes it once', async () => {
    const it = site({ rows: [row(MD5)], delay: 100 });
    await Promise.all(Array.from({ length: 5 }, () => it.login(MD5_PASSWORD)));
    await it.settled();
    await aWhile();
    assert.deepEqual([it.kept, it.outcomes.length], [1, 1]);
  });
});

describe('none is made', () => {
  const cases: [string, Setup, string][] = [
    ['of a wrong password', { rows: [row(MD5)] }, 'wrong'],
    ['of a method that is not named', { rows: [row(BCRYPT)] }, 'U*U'],
    ['of MD5 where DES alone is named', { rows: [row(MD5)], methods: ['des'] }, MD5_PASSWORD],
    ['of a textfile row', { rows: [row('{PLAIN}open')], type: 'textfile' }, 'open'],
  ];
  for (const [what, setup, password] of cases) {
    test(what, async () => {
      const it = site(setup);
      await it.login(password);
      await aWhile();
      assert.deepEqual([it.kept, it.outcomes], [0, []]);
    });
  }

  test('with no method named, or where nothing can be kept', () => {
    const { store, verifier } = site({ rows: [] });
    assert.equal(createUpgrader({ store, verifier, params: CHEAP, methods: [] }), null);
    const { keepBetter, ...files } = store;
    assert.equal(createUpgrader({ store: files, verifier, params: CHEAP, methods: ['des'] }), null);
  });

  test('while logins have the verifier: the next login tries again', async () => {
    const verifier = createVerifier({ concurrency: 2, queue: 10 });
    const it = site({ rows: [row(MD5)], verifier });
    let release = () => {};
    const busy = verifier.run(() => new Promise<void>((resolve) => (release = resolve)));
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    await it.settled();
    assert.deepEqual([it.outcomes[0]!.result, it.kept], ['skipped', 0]);
    release();
    await busy;
    await it.login(MD5_PASSWORD);
    await it.settled(2);
    assert.equal(it.kept, 1);
  });

  test('for a minute after a failure', async () => {
    const it = site({ rows: [row(MD5)] });
    it.refuse = new TablesUnavailable('no permission');
    await it.login(MD5_PASSWORD);
    await it.settled();
    it.refuse = null;
    await it.login(MD5_PASSWORD);
    await aWhile();
    assert.deepEqual([it.outcomes.length, it.kept], [1, 0]);
  });

  test('and a store that refuses or is gone is told of, and hurts nobody', async () => {
    const it = site({ rows: [row(MD5)], pause: 0 });
    it.refuse = new TablesUnavailable('no permission');
    assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
    await it.settled();
    assert.deepEqual(it.outcomes[0], {
      ...{ result: 'failed', userid: 'john', method: 'md5', detail: 'no permission' },
    });
    it.refuse = null;
    it.known = false;
    await it.login(MD5_PASSWORD);
    await it.settled(2);
    assert.equal(it.outcomes[1]!.result, 'skipped', 'the source has changed');
  });

  test('for more users at once than a bound', async () => {
    const { store, verifier } = site({ rows: [] });
    const kept: string[] = [];
    const upgrader = createUpgrader({
      ...{ store, verifier, params: CHEAP, methods: ['md5'], delay: 10 },
      onOutcome: ({ userid }) => kept.push(userid),
    })!;
    for (let i = 0; i < 1_000; i++) {
      const login = { userid: `u${i}`, domain: 'old.org' };
      upgrader.accepted({ result: 'rows', login, entry: ENTRY, rows: [] }, row(MD5), MD5_PASSWORD);
    }
    await until('the first is done', () => kept.length > 0);
    await aWhile();
    assert.ok(kept.length <= 64, `${kept.length}`);
    assert.equal(kept[0], 'u0');
  });
});

describe('a better hash that cannot be checked', () => {
  for (const [what, better] of [
    ['is none', 'nonsense'],
    ['asks for too much', `$argon2id$v=19$m=99999999,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
    ['is of a form that a textfile row has', '{PLAIN}open'],
  ] as const) {
    test(`${what}: the row itself decides`, async () => {
      const it = site({ rows: [{ ...row(MD5), better }] });
      assert.equal((await it.login('open')).result, 'rejected');
      assert.equal((await it.login(MD5_PASSWORD)).result, 'accepted');
      assert.deepEqual(it.computed, [MD5, MD5]);
    });
  }

  test('beside a textfile row counts for nothing', async () => {
    const better = await hashPassword('other', CHEAP);
    const it = site({ rows: [{ ...row('{PLAIN}open'), better }], type: 'textfile' });
    assert.equal((await it.login('other')).result, 'rejected');
    assert.equal((await it.login('open')).result, 'accepted');
  });
});

test('which hashes can be replaced', () => {
  const cases: [string, UpgradeMethod | null][] = [
    [DES, 'des'],
    [`${DES}${'x'.repeat(11)}`, 'des'],
    ['_J9..rasmBYk8r9AiWNc', 'des'],
    [MD5, 'md5'],
    [BCRYPT, 'bcrypt'],
    [BCRYPT.replace('$2b$', '$2x$'), null],
    [MD5.slice(0, -1), null],
    ['*', null],
    ['', null],
    ['$6$rounds=99999999$salt$'.padEnd(110, 'x'), null],
    [`$y$j9T$salt$${'a'.repeat(43)}`, null],
  ];
  for (const [stored, method] of cases) assert.equal(upgradeMethod(stored), method, stored);
});
