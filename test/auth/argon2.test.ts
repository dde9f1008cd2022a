import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ARGON2_DEFAULT,
  ARGON2_MAXIMA,
  argon2Dummy,
  hashPassword,
  needsRehash,
  parsePhc,
  problemOfParams,
  verifyPhc,
} from '../../src/auth/argon2.ts';

const MIB = 1024 * 1024;
/** As little as there is, for tests that are not about the cost. */
const CHEAP = { memory: 64 * 1024, time: 1, parallelism: 1 };

async function verify(text: string, password: string): Promise<boolean> {
  const phc = parsePhc(text);
  assert.ok(typeof phc !== 'string', String(phc));
  return verifyPhc(phc, Buffer.from(password, 'latin1'));
}

/** From the test suite of the reference implementation. */
const KNOWN = [
  '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
  '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc',
  '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
];

describe('Argon2id', () => {
  for (const text of KNOWN) {
    test(`the known answer for ${text.slice(15, 32)}`, async () => {
      assert.equal(await verify(text, 'password'), true);
      assert.equal(await verify(text, 'passwore'), false);
      assert.equal(await verify(text, ''), false);
    });
  }

  test('hashes so that it verifies, with a salt of its own each time', async () => {
    const [one, two] = [await hashPassword('j04n4CmE', CHEAP), await hashPassword('j04n4CmE', CHEAP)];
    assert.notEqual(one, two);
    assert.match(one, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.equal(await verify(one, 'j04n4CmE'), true);
    assert.equal(await verify(one, 'j04n4CmE '), false);
  });

  test('an empty password is one like others', async () => {
    const text = await hashPassword('', CHEAP);
    assert.equal(await verify(text, ''), true);
    assert.equal(await verify(text, ' '), false);
  });

  test('octets pass as octets', async () => {
    const text = await hashPassword('p\xe4ss', CHEAP);
    assert.equal(await verify(text, 'p\xe4ss'), true);
    assert.equal(await verify(text, 'p\xc3\xa4ss'), false);
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet));
    assert.equal(await verify(await hashPassword(all, CHEAP), all), true);
  });

  test('a long password counts to its last octet', async () => {
    const text = await hashPassword('x'.repeat(5000), CHEAP);
    assert.equal(await verify(text, 'x'.repeat(5000)), true);
    assert.equal(await verify(text, 'x'.repeat(4999)), false);
  });

  test('the parameters arrive in the hash: the default is 19 MiB, 2 passes, 1 lane', async () => {
    const phc = parsePhc(await hashPassword('x', ARGON2_DEFAULT));
    assert.ok(typeof phc !== 'string');
    assert.deepEqual(phc.params, { memory: 19 * MIB, time: 2, parallelism: 1 });
  });

  test('refuses to hash beyond the maxima', async () => {
    await assert.rejects(hashPassword('x', { ...CHEAP, memory: ARGON2_MAXIMA.memory + 1024 }), RangeError);
    assert.throws(() => argon2Dummy({ ...CHEAP, parallelism: 0 }), RangeError);
  });

  test('the dummy matches nothing', async () => {
    assert.equal(await argon2Dummy(CHEAP)('password'), false);
  });
});

describe('PHC strings that are refused', () => {
  const salt = 'c29tZXNhbHQ';
  const hash = 'nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  const phc = (params: string, s = salt, h = hash) => `$argon2id$v=19$${params}$${s}$${h}`;
  const hostile: Record<string, string> = {
    empty: '',
    'another variant': `$argon2i$v=19$m=256,t=2,p=1$${salt}$${hash}`,
    'the old version': `$argon2id$v=16$m=256,t=2,p=1$${salt}$${hash}`,
    'without a version': `$argon2id$m=256,t=2,p=1$${salt}$${hash}`,
    '100 GiB': phc('m=104857600,t=1,p=1'),
    'a KiB too much': phc(`m=${ARGON2_MAXIMA.memory / 1024 + 1},t=1,p=1`),
    'too many passes': phc('m=65536,t=33,p=1'),
    '4 thousand million passes': phc('m=8,t=4294967295,p=1'),
    'too many lanes': phc('m=65536,t=1,p=17'),
    'less than 8 KiB a lane': phc('m=15,t=1,p=2'),
    'no memory': phc('m=0,t=1,p=1'),
    'no pass': phc('m=256,t=0,p=1'),
    'no lane': phc('m=256,t=1,p=0'),
    negative: phc('m=-256,t=1,p=1'),
    'digits without end': phc(`m=${'9'.repeat(100)},t=1,p=1`),
    exponent: phc('m=1e9,t=1,p=1'),
    'a parameter more': phc('m=256,t=2,p=1,x=1'),
    'a parameter less': phc('m=256,t=2'),
    'short salt': phc('m=256,t=2,p=1', 'c29t'),
    'short hash': phc('m=256,t=2,p=1', salt, 'nf65'),
    'hash of 65 octets': phc('m=256,t=2,p=1', salt, Buffer.alloc(65).toString('base64').slice(0, 87)),
    'stray bits in the last digit': phc('m=256,t=2,p=1', salt, `${hash.slice(0, -1)}5`),
    padding: phc('m=256,t=2,p=1', salt, `${hash}=`),
    'no hash': phc('m=256,t=2,p=1', salt, ''),
    'a line more': `${phc('m=256,t=2,p=1')}\n`,
    long: phc('m=256,t=2,p=1', salt, 'A'.repeat(100_000)),
  };
  for (const [name, text] of Object.entries(hostile)) {
    test(name, () => {
      const problem = parsePhc(text);
      assert.equal(typeof problem, 'string');
      assert.ok(!String(problem).includes('nf65') && !String(problem).includes('c29t'));
    });
  }

  test('the dearest that is allowed is read', () => {
    const { memory, work } = ARGON2_MAXIMA;
    assert.equal(problemOfParams({ memory, time: work / memory, parallelism: 1 }), null);
    assert.notEqual(typeof parsePhc(phc(`m=${memory / 1024},t=${work / memory},p=1`)), 'string');
  });
});

describe('needsRehash', () => {
  test('says so of other parameters, and of what is no hash of this kind', async () => {
    const text = await hashPassword('x', CHEAP);
    assert.equal(needsRehash(text, CHEAP), false);
    assert.equal(needsRehash(text, { ...CHEAP, memory: 128 * 1024 }), true);
    assert.equal(needsRehash(text, { ...CHEAP, time: 2 }), true);
    assert.equal(needsRehash(KNOWN[1]!, { memory: 256 * 1024, time: 2, parallelism: 1 }), true);
    for (const other of ['', '{PLAIN}x', '$1$abc$def', text.slice(0, -1), `${text}A`]) {
      assert.equal(needsRehash(other, CHEAP), true, other);
    }
  });
});
