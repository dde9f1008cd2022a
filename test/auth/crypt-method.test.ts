import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CRYPT_MAXIMA, cryptMethod } from '../../src/auth/crypt-method.ts';
import { openLibcrypt } from '../../src/auth/libcrypt.ts';

const libcrypt = openLibcrypt();

/** A setting of each method, and whether it is slow by design. */
const SETTINGS: readonly [name: string, setting: string, heavy: boolean][] = [
  ['des', 'ab', false],
  ['bsdi-des', '_J9..abcd', false],
  ['md5', '$1$abcdefgh$', false],
  ['nt', '$3$', false],
  ['sha256', '$5$saltsalt$', false],
  ['sha256', '$5$rounds=1234$saltsaltsaltsalt$', false],
  ['sha512', '$6$saltsalt$', false],
  ['sha512', '$6$$', false],
  ['bcrypt', '$2a$04$abcdefghijklmnopqrstuu', true],
  ['bcrypt', '$2b$04$abcdefghijklmnopqrstuu', true],
  ['bcrypt', '$2y$04$abcdefghijklmnopqrstuu', true],
  ['scrypt', '$7$6U..../....abcdefgh$', true],
  ['yescrypt', '$y$j75$abcdefgh$', true],
  ['gost-yescrypt', '$gy$j75$abcdefgh$', true],
  ['sha1', '$sha1$100$abc$', false],
  ['sun-md5', '$md5$abcdefgh$', false],
  ['sun-md5', '$md5,rounds=10$abcdefgh$', false],
];

describe('methods of crypt(3), on hashes that libcrypt made', () => {
  for (const [name, setting, heavy] of SETTINGS) {
    test(`${name}: ${setting}`, async () => {
      const hash = await libcrypt.crypt('phrase', setting);
      assert.ok(hash !== null);
      const { memory, ...method } = cryptMethod(hash);
      assert.deepEqual(method, { name, heavy, excess: null, complete: true });
      assert.equal(memory > 0, /scrypt/.test(name));
      assert.equal(cryptMethod(hash.slice(0, -1)).complete, false);
      assert.equal(cryptMethod(setting).complete, false);
    });
  }

  test('a DES hash of a long phrase, made from a setting as long', async () => {
    const hash = await libcrypt.crypt('a phrase of many octets', `ab${'.'.repeat(22)}`);
    assert.equal(hash?.length, 35);
    assert.equal(cryptMethod(hash).name, 'des');
    assert.equal(await libcrypt.verify('a phrase of many octets', hash), true);
    assert.equal(await libcrypt.verify('a phrase of many', hash), false);
  });

  test('what no password can match', () => {
    for (const stored of ['', '*', '!', 'x', 'secret', '{PLAIN}secret', '{SHA}abc', '$apr1$ab$cd', '$9$x']) {
      assert.deepEqual(cryptMethod(stored), {
        ...{ name: 'unknown', heavy: false, memory: 0, excess: null, complete: false },
      });
    }
  });
});

describe('the cost of a stored hash', () => {
  const tail = 'abcdefgh$abc';
  const dear: Record<string, string> = {
    'SHA-512 rounds': `$6$rounds=${CRYPT_MAXIMA.shaRounds + 1}$${tail}`,
    'SHA-256 rounds without end': `$5$rounds=${'9'.repeat(300)}$${tail}`,
    'SHA-1 rounds': `$sha1$4294967295$${tail}`,
    'Sun MD5 rounds': `$md5,rounds=4294967295$${tail}`,
    'bcrypt 17': '$2b$17$abcdefghijklmnopqrstuu',
    'bcrypt 31': '$2y$31$abcdefghijklmnopqrstuu',
    'yescrypt of 512 MiB': `$y$jET$${tail}`,
    'yescrypt of 1 GiB': `$y$jFT$${tail}`,
    'yescrypt with parameters of its own': `$y$jDT./$${tail}`,
    'gost-yescrypt of 1 GiB': `$gy$jFT$${tail}`,
    'scrypt of 4 GiB': `$7$IU..../....${tail}`,
    'scrypt with huge r': `$7$CUzzzz/....${tail}`,
    'scrypt with many lanes': `$7$CU....zz...${tail}`,
    'scrypt with lanes of more than its memory': `$7$.U....zzzk.${tail}`,
  };
  for (const [name, stored] of Object.entries(dear)) {
    test(`${name}: too dear`, () => assert.equal(typeof cryptMethod(stored).excess, 'string'));
  }

  test('the most that is allowed', () => {
    const allowed = ['$6$rounds=10000000$', '$2b$16$', '$y$jDT$', '$7$CU..../....', '$sha1$10000000$'];
    for (const start of allowed) assert.equal(cryptMethod(`${start}${tail}`).excess, null, start);
  });

  test('the memory that it takes: 128 × r × (N + p) octets', () => {
    const KIB = 1024;
    const memory = (stored: string) => cryptMethod(`${stored}${tail}`).memory;
    // What Debian's passwd makes: N of 4,096 and r of 32.
    assert.equal(memory('$y$j9T$'), 128 * 32 * (4_096 + 1));
    assert.equal(memory('$gy$j75$'), 128 * 8 * (1_024 + 1));
    // N of 2 ** 14, r of 8, p of 2.
    assert.equal(memory('$7$C6....0....'), 128 * 8 * (16_384 + 2));
    assert.ok(memory('$y$jDT$') >= 256 * KIB * KIB);
    assert.equal(memory('$y$jFT$'), 0, 'what is refused is not computed');
  });
});
