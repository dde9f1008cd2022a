import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LIBCRYPT_NAMES, LibcryptMissing, openLibcrypt, PHRASE_SIZE } from '../../src/auth/libcrypt.ts';

const libcrypt = openLibcrypt();

/** DES and bcrypt from the tables that libxcrypt and its forerunners test with; MD5 and SHA agree with `openssl passwd`. */
const KNOWN: readonly [name: string, phrase: string, hash: string][] = [
  ['DES', 'U*U*U*U*', 'CCNf8Sbh3HDfQ'],
  ['DES, empty phrase', '', 'SDbsugeBiC58A'],
  ['BSDi DES', 'U*U*U*U*', '_J9..CCCCXBrJUJV154M'],
  ['MD5', '0.s0.l33t', '$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0'],
  ['SHA-256', 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  [
    'SHA-512',
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  ['bcrypt 2a', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt 2b', 'U*U', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  [
    'bcrypt 2y, octets above 127',
    '\xff\xff\xa3',
    '$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e',
  ],
];

describe('crypt(3)', () => {
  for (const [name, phrase, hash] of KNOWN) {
    test(`${name}: the known answer`, async () => {
      assert.equal(await libcrypt.crypt(phrase, hash), hash);
      assert.equal(await libcrypt.verify(phrase, hash), true);
      assert.equal(await libcrypt.verify(`x${phrase}`, hash), false);
    });
  }

  test('yescrypt: made and verified here, and refused with another phrase', async () => {
    const hash = await libcrypt.crypt('j04n4CmE', '$y$j75$abcdefgh$');
    assert.match(hash ?? '', /^\$y\$j75\$abcdefgh\$[./0-9A-Za-z]{43}$/);
    assert.equal(await libcrypt.verify('j04n4CmE', hash!), true);
    assert.equal(await libcrypt.verify('j04n4Cme', hash!), false);
  });

  test('octets pass as octets: latin1 and UTF-8 of the same letter are two phrases', async () => {
    const latin1 = await libcrypt.crypt('p\xe4ss', '$1$salt$');
    const utf8 = await libcrypt.crypt('p\xc3\xa4ss', '$1$salt$');
    // From perl -e 'print crypt("p\xe4ss", q($1$salt$))'.
    assert.equal(latin1, '$1$salt$PRB5IFneLmWPTiEKa3Xo21');
    assert.notEqual(utf8, latin1);
  });
});

describe('what libcrypt refuses', () => {
  for (const setting of [
    '',
    '*0',
    '*1',
    '*',
    '!',
    'a',
    '$',
    '$99$salt$',
    '$argon2id$v=19$',
    '$apr1$a$b',
    '{SHA}x',
  ]) {
    test(`setting ${JSON.stringify(setting)} gives no hash and verifies nothing`, async () => {
      assert.equal(await libcrypt.crypt('phrase', setting), null);
      for (const phrase of ['', 'phrase', '*0', '*1', setting]) {
        assert.equal(await libcrypt.verify(phrase, setting), false);
      }
    });
  }

  test('a phrase with a NUL is refused, not cut', async () => {
    const hash = await libcrypt.crypt('abc', 'ab');
    assert.equal(await libcrypt.verify('abc\0def', hash!), false);
    assert.equal(await libcrypt.verify('abc\0', hash!), false);
    assert.equal(await libcrypt.verify('abc', `${hash}\0`), false);
  });

  test('the longest phrase is hashed, a longer one refused', async () => {
    assert.notEqual(await libcrypt.crypt('x'.repeat(PHRASE_SIZE - 1), '$1$a$'), null);
    assert.equal(await libcrypt.crypt('x'.repeat(PHRASE_SIZE), '$1$a$'), null);
  });

  test('a setting as long as its limit is refused', async () => {
    assert.equal(await libcrypt.crypt('x', `$1$${'a'.repeat(381)}`), null);
  });

  test('a stored hash that is cut short or goes on does not verify', async () => {
    const hash = KNOWN[3]![2];
    assert.equal(await libcrypt.verify('0.s0.l33t', hash.slice(0, -1)), false);
    assert.equal(await libcrypt.verify('0.s0.l33t', `${hash}x`), false);
  });
});

describe('calls at once', () => {
  test('each has its own buffers: 40 phrases give 40 right hashes', async () => {
    const phrases = Array.from({ length: 40 }, (_, i) => `phrase ${i}`);
    const alone: (string | null)[] = [];
    for (const phrase of phrases) alone.push(await libcrypt.crypt(phrase, '$1$salt$'));
    const together = await Promise.all(phrases.map((phrase) => libcrypt.crypt(phrase, '$1$salt$')));
    assert.deepEqual(together, alone);
    assert.equal(new Set(together).size, phrases.length);
  });

  test('a long phrase leaves nothing behind for a short one', async () => {
    const short = await libcrypt.crypt('ab', '$1$salt$');
    await libcrypt.crypt('abcdefghijklmnop', '$1$saltsalt$');
    assert.equal(await libcrypt.crypt('ab', '$1$salt$'), short);
  });

  test('the event loop goes on while a slow hash is made', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await libcrypt.crypt('phrase', '$6$rounds=200000$saltsalt$');
    clearInterval(timer);
    assert.ok(turns >= 3, `${turns} turns`);
  });
});

describe('support', () => {
  test('tells known, legacy and unknown methods by their prefix', () => {
    assert.equal(libcrypt.support('$6$saltsalt$'), 'supported');
    assert.equal(libcrypt.support('$2y$05$abcdefghijklmnopqrstuu'), 'supported');
    assert.equal(libcrypt.support('$1$saltsalt$'), 'legacy');
    assert.equal(libcrypt.support('$apr1$saltsalt$'), 'unsupported');
    assert.equal(libcrypt.support('*'), 'unsupported');
    assert.equal(libcrypt.support(`$6$${'a'.repeat(400)}`), 'unsupported');
  });
});

describe('finding the library', () => {
  test('falls through to the second name', () => {
    const found = openLibcrypt(['libcrypt.so.none', ...LIBCRYPT_NAMES]);
    assert.match(found.library, /^libcrypt\.so\.[12]$/);
  });

  test('an error that names the package where there is none', () => {
    assert.throws(
      () => openLibcrypt(['libcrypt.so.none', 'libcrypt.so.neither']),
      (error) =>
        error instanceof LibcryptMissing &&
        error.message.includes('libcrypt1') &&
        error.message.includes('libxcrypt') &&
        error.message.includes('libcrypt.so.neither'),
    );
  });

  test('a library without crypt_rn is not taken', () => {
    assert.throws(() => openLibcrypt(['libm.so.6']), LibcryptMissing);
  });
});
