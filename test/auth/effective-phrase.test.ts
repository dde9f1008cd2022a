import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { effectivePhrase } from '../../src/auth/effective-phrase.ts';
import { openLibcrypt, PHRASE_SIZE } from '../../src/auth/libcrypt.ts';
import { upgradeMethod } from '../../src/auth/upgrade.ts';

const libcrypt = openLibcrypt();
const RUNS = 60;

/** A setting for each kind of hash that can be replaced, as cheap as the method allows. */
const SETTINGS: readonly [string, string][] = [
  ['des', 'ab'],
  ['bigcrypt', `ab${'.'.repeat(33)}`],
  ['bsdi-des', '_/...salt'],
  ['md5', '$1$salt$'],
  ['nt', '$3$'],
  ['sun-md5', '$md5$saltsalt$'],
  ['sha1', '$sha1$4$saltsalt$'],
  ['sha256', '$5$rounds=1000$salt$'],
  ['sha512', '$6$rounds=1000$salt$'],
  ['bcrypt 2a', '$2a$04$CCCCCCCCCCCCCCCCCCCCC.'],
  ['bcrypt 2b', '$2b$04$CCCCCCCCCCCCCCCCCCCCC.'],
  ['bcrypt 2y', '$2y$04$CCCCCCCCCCCCCCCCCCCCC.'],
];

const octet = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
const phrases = fc
  .array(fc.oneof(octet, fc.constantFrom('a', 'b', '\x80')), { maxLength: 150 })
  .map((octets) => octets.join(''));

/** Phrases that a method with limits may take for the same. */
const pairs = fc
  .tuple(phrases, fc.nat(150), octet, fc.constantFrom('cut', 'high-bit', 'append', 'replace', 'zero'))
  .map(([phrase, at, other, how]): [string, string] => {
    const i = phrase === '' ? 0 : at % phrase.length;
    const put = (text: string) => phrase.slice(0, i) + text + phrase.slice(i + 1);
    const flipped = String.fromCharCode((phrase.charCodeAt(i) || 0x41) ^ 0x80);
    switch (how) {
      case 'cut':
        return [phrase, phrase.slice(0, i)];
      case 'high-bit':
        return [phrase, put(flipped === '\0' ? 'x' : flipped)];
      case 'append':
        return [phrase, phrase + other];
      case 'zero':
        return [phrase, `${phrase}\x80`];
      default:
        return [phrase, put(other)];
    }
  });

for (const [name, setting] of SETTINGS) {
  test(`${name}: the same of two phrases where, and only where, they match the same hash`, async () => {
    let same = 0;
    await fc.assert(
      fc.asyncProperty(pairs, async ([one, other]) => {
        const stored = (await libcrypt.crypt(one, setting))!;
        assert.notEqual(upgradeMethod(stored), null, stored);
        const matches = await libcrypt.verify(other, stored);
        assert.equal(effectivePhrase(stored, one) === effectivePhrase(stored, other), matches);
        if (matches) same++;
      }),
      { numRuns: RUNS, examples: EXAMPLES.map((pair) => [pair]) },
    );
    assert.ok(same > 0);
  });
}

const LONG = 'x'.repeat(300);
/** What random phrases seldom are: around the octets that each method ends at. */
const EXAMPLES: [string, string][] = [
  ['password', 'password-tail'],
  ['password', 'passwor'],
  ['password', 'password\x80'],
  ['passwor', 'passwor\x80\x80'],
  ['', '\x80'],
  ['same', 'same'],
  [LONG.slice(0, 16), LONG.slice(0, 17)],
  [LONG.slice(0, 72), LONG.slice(0, 73)],
  [LONG.slice(0, 71), LONG.slice(0, 72)],
  [LONG.slice(0, 128), LONG.slice(0, 129)],
  [LONG.slice(0, 127), LONG.slice(0, 128)],
  [LONG.slice(0, 255), LONG.slice(0, 256)],
];

test('a phrase that libcrypt refuses has none', async () => {
  const fits = 'x'.repeat(PHRASE_SIZE - 1);
  assert.equal(effectivePhrase('$1$salt$x', fits), fits);
  assert.equal(effectivePhrase('$1$salt$x', `${fits}x`), null);
  assert.equal(effectivePhrase('abrVGN.c35n9U', `${fits}x`), null);
  assert.notEqual(await libcrypt.crypt(fits, '$1$salt$'), null);
  assert.equal(await libcrypt.crypt(`${fits}x`, 'ab'), null);
});
