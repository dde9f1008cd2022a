/** Logins that do not send the password: what is accepted, and that nothing else can be told from the refusals. */
import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, test } from 'node:test';
import { hashPassword } from '../../src/auth/argon2.ts';
import type { AuthenticatorOptions } from '../../src/auth/attempt.ts';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import type { Decision } from '../../src/auth/authenticator.ts';
import { preparePassword } from '../../src/auth/saslprep.ts';
import { createPasswords } from '../../src/auth/scheme.ts';
import { formatKeys, makeKeys } from '../../src/auth/scram.ts';
import { createScramSalts } from '../../src/auth/scram-salts.ts';
import { createSealer } from '../../src/auth/seal.ts';
import { createVerifier } from '../../src/auth/verifier.ts';
import type { Credentials, ScramSalt } from '../../src/pop3/credentials.ts';
import type { DomainEntry, UserRow } from '../../src/tables/teapop/model.ts';
import { type TableStore, TablesUnavailable } from '../../src/tables/teapop/store.ts';

const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };
const key = Buffer.alloc(32, 1);
const sealer = createSealer(key);
const scram = createScramSalts(key, 4096);
const keysOf = async (userid: string, password: string, salted = scram.saltOf({ table: 'text', userid })) =>
  formatKeys(await makeKeys(password, salted));

function entry(domain: string, more: Partial<DomainEntry> = {}): DomainEntry {
  const place = { ordinal: 0, line: 1, domain, localAddress: '*', maildir: '/mail', hashLevels: 0 } as const;
  const rest = { type: 'textfile', uid: 'mail', gid: 'mail', table: 'text', lockedOut: null } as const;
  return { ...place, ...rest, ...more };
}

const ENTRIES: Record<string, DomainEntry[]> = {
  'acme.com': [entry('acme.com')],
  'plain-only.com': [entry('plain-only.com')],
  'crypt.com': [entry('crypt.com', { type: 'htpasswd', table: 'crypt' })],
  'shell.com': [entry('shell.com', { type: 'passwd', table: null })],
  'spam.com': [entry('spam.com', { type: 'reject', table: null })],
};

const row = (secret: string, mailbox: string, line = 1): UserRow => ({ secret, mailbox, line });
const seal = (userid: string, password: string) => sealer.seal(password, { table: 'text', userid });

const ROWS: Record<string, UserRow[]> = {
  'text/plain': [row('{PLAIN}tanstaaf', 'plainbox')],
  'text/sealed': [row(seal('sealed', 'tanstaaf'), 'sealedbox')],
  'text/keys': [row(await keysOf('keys', 'tanstaaf'), 'keysbox')],
  'text/hashed': [row(await hashPassword('tanstaaf', CHEAP), 'hashedbox')],
  'text/umlaut': [row('{PLAIN}p\xc3\xa4ss\xc2\xa0w', 'umlautbox')],
  'text/latin': [row('{PLAIN}p\xe4ss', 'latinbox')],
  'text/twice': [
    row(await keysOf('twice', 'one'), 'box1'),
    row(await keysOf('twice', 'tanstaaf'), 'box2', 2),
  ],
  'text/moved': [row(seal('sealed', 'tanstaaf'), 'x', 7)],
  'text/old': [row(await keysOf('old', 'tanstaaf', { salt: 'another salt', iterations: 5000 }), 'oldbox')],
  'crypt/otto': [row('$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0', 'otto')],
  'crypt/odd': [row('{PLAIN}tanstaaf', 'odd')],
};

function authenticator(more: Partial<AuthenticatorOptions> = {}) {
  const seen = { dummies: [] as (string | null)[], errors: [] as string[] };
  const store: TableStore = {
    domainEntries: async (domains) => domains.map((domain) => ENTRIES[domain] ?? []),
    userRows: async (table, userid) => ROWS[`${table}/${userid}`] ?? [],
    status: () => ({ usable: true, detail: '', publishedAt: null, domains: null, users: null }),
    close: async () => {},
  };
  const made = createAuthenticator({
    ...{ store, dividers: '@%', passwords: createPasswords({ sealer }), scram },
    verifier: createVerifier({ concurrency: 2, queue: 10 }),
    dummy: async (_password, domain) => void seen.dummies.push(domain),
    offers: (domain) => domain !== 'plain-only.com',
    localUserRule: () => 'mailbox',
    onError: ({ message }) => seen.errors.push(message),
    ...more,
  });
  const timings = () => ({ lookup: 0, verify: 0 });
  const salt = (user: string) => made.salt(user, '127.0.0.1', timings());
  async function login(mechanism: Mechanism, user: string, password: string): Promise<Decision> {
    const salted = mechanism === 'SCRAM-SHA-256' ? await salt(user) : null;
    const told = salted?.result === 'salted' ? salted.salted : NO_SALT;
    return made.authenticate(credentials(mechanism, user, password, told), '127.0.0.1', timings());
  }
  return { login, salt, seen, made };
}

type Mechanism = 'APOP' | 'CRAM-MD5' | 'SCRAM-SHA-256';
const MECHANISMS: Mechanism[] = ['APOP', 'CRAM-MD5', 'SCRAM-SHA-256'];
const NO_SALT: ScramSalt = { salt: '', iterations: 1 };
const CHALLENGE = '<1896.697170952@dbc.mtview.ca.us>';

/** What a client that knows the password sends, made here from the RFCs alone. */
function credentials(mechanism: Mechanism, user: string, password: string, salted: ScramSalt): Credentials {
  const names = { user, authzid: '' };
  const octets = Buffer.from(password, 'latin1');
  if (mechanism === 'APOP') {
    const digest = createHash('md5').update(CHALLENGE, 'latin1').update(octets).digest('hex');
    return { mechanism, ...names, challenge: CHALLENGE, digest };
  }
  if (mechanism === 'CRAM-MD5') {
    const digest = createHmac('md5', octets).update(CHALLENGE).digest('hex');
    return { mechanism, ...names, challenge: CHALLENGE, digest };
  }
  const authMessage = 'n=,r=,r=,s=,i=,c=biws,r=';
  const salt = Buffer.from(salted.salt, 'latin1');
  const saltedPassword = pbkdf2Sync(preparePassword(password), salt, salted.iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', saltedPassword).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest();
  const signature = createHmac('sha256', storedKey).update(authMessage).digest();
  const proof = Buffer.from(clientKey.map((octet, at) => octet ^ signature[at]!)).toString('latin1');
  return { mechanism, ...names, salted, authMessage, proof };
}

function localUserOf(decision: Decision): string {
  return decision.result === 'accepted' ? decision.account.localUser : decision.reason;
}

describe('a login that does not send the password', () => {
  test("RFC 1939's and RFC 2195's examples", async () => {
    const { made } = authenticator();
    const apop = { mechanism: 'APOP', user: 'plain@acme.com', authzid: '', challenge: CHALLENGE } as const;
    const times = { lookup: 0, verify: 0 };
    const digest = 'c4c9334bac560ecc979e58001b3e22fb';
    const decision = await made.authenticate({ ...apop, digest }, '127.0.0.1', times);
    assert.equal(localUserOf(decision), 'plainbox');
    const challenge = '<1896.697170952@postoffice.reston.mci.net>';
    const key = Buffer.from('tanstaaftanstaaf');
    const known = createHmac('md5', key).update(challenge).digest('hex');
    assert.equal(
      known,
      'b913a602c7eda7a495b4e6e7334d3890',
      'the digest that the test makes is that of RFC 2195',
    );
  });

  /** By what a row holds: whom each mechanism lets in, or why not. */
  const cases: [string, string, string[]][] = [
    ['plain@acme.com', 'tanstaaf', ['plainbox', 'plainbox', 'plainbox']],
    ['plain%ACME.com', 'tanstaaf', ['plainbox', 'plainbox', 'plainbox']],
    ['sealed@acme.com', 'tanstaaf', ['sealedbox', 'sealedbox', 'sealedbox']],
    ['umlaut@acme.com', 'p\xc3\xa4ss\xc2\xa0w', ['umlautbox', 'umlautbox', 'umlautbox']],
    ['latin@acme.com', 'p\xe4ss', ['latinbox', 'latinbox', 'latinbox']],
    ['keys@acme.com', 'tanstaaf', ['mechanism-unavailable', 'mechanism-unavailable', 'keysbox']],
    ['twice@acme.com', 'tanstaaf', ['mechanism-unavailable', 'mechanism-unavailable', 'box2']],
    ['old@acme.com', 'tanstaaf', ['mechanism-unavailable', 'mechanism-unavailable', 'oldbox']],
    ['hashed@acme.com', 'tanstaaf', Array(3).fill('mechanism-unavailable')],
    ['otto@crypt.com', '0.s0.l33t', Array(3).fill('mechanism-unavailable')],
    ['odd@crypt.com', 'tanstaaf', Array(3).fill('mechanism-unavailable')],
    ['joe@shell.com', 'any', Array(3).fill('mechanism-unavailable')],
    ['plain@plain-only.com', 'tanstaaf', Array(3).fill('mechanism-unavailable')],
    ['plain@acme.com', 'wrong', Array(3).fill('wrong-password')],
    ['sealed@acme.com', '', Array(3).fill('wrong-password')],
    ['keys@acme.com', 'wrong', ['mechanism-unavailable', 'mechanism-unavailable', 'wrong-password']],
    ['nobody@acme.com', 'tanstaaf', Array(3).fill('unknown-user')],
    ['plain@nowhere.com', 'tanstaaf', Array(3).fill('unknown-domain')],
    ['plain@spam.com', 'tanstaaf', Array(3).fill('domain-rejected')],
  ];
  for (const [user, password, expected] of cases) {
    for (const [i, mechanism] of MECHANISMS.entries()) {
      test(`${mechanism}, ${user} with ${JSON.stringify(password)}: ${expected[i]}`, async () => {
        const { login, seen } = authenticator();
        const decision = await login(mechanism, user, password);
        assert.equal(localUserOf(decision), expected[i]);
        // Each refusal has its price, and nothing but the operator's log tells one from another.
        assert.equal(seen.dummies.length, decision.result === 'accepted' ? 0 : 1);
        assert.deepEqual(seen.errors, []);
        const signed = 'serverSignature' in decision;
        assert.equal(signed, decision.result === 'accepted' && mechanism === 'SCRAM-SHA-256');
      });
    }
  }

  test('a password of another spelling is the same to SCRAM alone', async () => {
    const { login } = authenticator();
    assert.equal(localUserOf(await login('SCRAM-SHA-256', 'umlaut@acme.com', 'pa\xcc\x88ss w')), 'umlautbox');
    assert.equal(localUserOf(await login('CRAM-MD5', 'umlaut@acme.com', 'pa\xcc\x88ss w')), 'wrong-password');
  });

  test("a row that cannot be opened is the site's fault, told by its line", async () => {
    const { login, seen } = authenticator();
    for (const mechanism of MECHANISMS) {
      assert.deepEqual(await login(mechanism, 'moved@acme.com', 'tanstaaf'), {
        result: 'unavailable',
        reason: 'internal',
      });
    }
    assert.match(seen.errors.join(), /line 7: sealed value damaged, or of another user/);
    assert.equal(seen.dummies.length, 3);
  });

  test('a salt that changed between the two halves is no wrong password', async () => {
    const { made, seen } = authenticator();
    const before = credentials('SCRAM-SHA-256', 'keys@acme.com', 'tanstaaf', {
      salt: 'before',
      iterations: 4096,
    });
    const decision = await made.authenticate(before, '127.0.0.1', { lookup: 0, verify: 0 });
    assert.deepEqual(decision, { result: 'unavailable', reason: 'internal' });
    assert.match(seen.errors.join(), /line 1: its SCRAM salt has changed during the login/);
  });

  test("the price is the domain's own", async () => {
    const { login, seen } = authenticator();
    await login('APOP', 'nobody@acme.com', 'x');
    await login('SCRAM-SHA-256', 'x@nowhere.com', 'x');
    await login('SCRAM-SHA-256', 'keys@acme.com', 'x');
    await login('CRAM-MD5', 'joe@shell.com', 'x');
    assert.deepEqual(seen.dummies, ['acme.com', null, 'acme.com', 'shell.com']);
  });

  test('the queue is full: a proof that costs nothing is let in, a refusal waits like any other', async () => {
    const verifier = createVerifier({ concurrency: 1, queue: 0 });
    let release = () => {};
    const busy = verifier.run(() => new Promise<void>((resolve) => (release = resolve)));
    const { login } = authenticator({ verifier });
    assert.equal(localUserOf(await login('APOP', 'plain@acme.com', 'tanstaaf')), 'plainbox');
    assert.equal(localUserOf(await login('SCRAM-SHA-256', 'keys@acme.com', 'tanstaaf')), 'keysbox');
    for (const mechanism of MECHANISMS) {
      for (const user of ['keys@acme.com', 'nobody@acme.com', 'x@nowhere.com', 'joe@shell.com']) {
        assert.equal(localUserOf(await login(mechanism, user, 'x')), 'verify-queue-full');
      }
    }
    release();
    await busy;
  });
});

describe('what SCRAM asks the client to salt with', () => {
  const { salt } = authenticator();
  const saltOf = async (user: string) => {
    const salting = await salt(user);
    assert.equal(salting.result, 'salted');
    return JSON.stringify(salting);
  };

  test('is the same each time, for those who are there and those who are not', async () => {
    for (const user of [
      'keys@acme.com',
      'plain@acme.com',
      'nobody@acme.com',
      'x@nowhere.com',
      'joe@shell.com',
      'x',
    ]) {
      assert.equal(await saltOf(user), await saltOf(user));
    }
  });

  test('is that of the row, and where there is none that which a row would have', async () => {
    const expected = (userid: string) =>
      JSON.stringify({ result: 'salted', salted: scram.saltOf({ table: 'text', userid }) });
    for (const userid of ['keys', 'plain', 'sealed', 'hashed', 'nobody']) {
      assert.equal(await saltOf(`${userid}@acme.com`), expected(userid), 'also as users come and go');
      assert.equal(await saltOf(`${userid}%ACME.com`), expected(userid));
      assert.equal(await saltOf(`${userid}@plain-only.com`), expected(userid), 'one table, one salt');
    }
    assert.match(await saltOf('old@acme.com'), /"another salt","iterations":5000/);
  });

  test('is another for each user, domain without a table, and unknown domain', async () => {
    const users = [
      'a@acme.com',
      'b@acme.com',
      'a@nowhere.com',
      'b@nowhere.com',
      'a@elsewhere.com',
      'a@shell.com',
    ];
    const salts = await Promise.all([...users, 'a@spam.com', 'a@crypt.com', 'a'].map(saltOf));
    assert.equal(new Set(salts).size, users.length + 3);
    assert.equal(
      await saltOf('a@NOWHERE.com'),
      await saltOf('a@nowhere.com'),
      'as with domains that there are',
    );
  });

  test('cannot be had while the tables are away', async () => {
    const down = () => Promise.reject(new TablesUnavailable('redis is down'));
    const store = { domainEntries: down, userRows: down, status: () => ({}) as never, close: async () => {} };
    const { salt } = authenticator({ store });
    assert.deepEqual(await salt('keys@acme.com'), { result: 'unavailable', reason: 'tables-unavailable' });
  });
});
