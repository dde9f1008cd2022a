import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printableOctets, printableText } from '../../src/ops/printable.ts';

const octets = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

test('names of visible characters stay as they are', () => {
  for (const name of ['john@acme.com', 'john smith%acme', 'jörg@acme.com', '山田@例.jp', '😀', '']) {
    assert.equal(printableOctets(octets(name)), name);
  }
});

const ESCAPED: [name: string, octets: string, shown: string][] = [
  ['a backslash', 'acme\\john', 'acme\\\\john'],
  ['a line end', 'john\r\n{"event":"session"}', 'john\\x0d\\x0a{"event":"session"}'],
  ['NUL and DEL', '\0\x7f', '\\x00\\x7f'],
  ['an escape sequence of a terminal', '\x1b[2Jjohn', '\\x1b[2Jjohn'],
  ['a lone octet above 127', 'j\xf6rg', 'j\\xf6rg'],
  ['an overlong form', '\xc0\xafetc', '\\xc0\\xafetc'],
  ['an overlong form of three octets', '\xe0\x80\xaf', '\\xe0\\x80\\xaf'],
  ['a surrogate in UTF-8', '\xed\xa0\x80', '\\xed\\xa0\\x80'],
  ['beyond the last code point', '\xf4\x90\x80\x80', '\\xf4\\x90\\x80\\x80'],
  ['a sequence cut short', 'a\xe2\x82', 'a\\xe2\\x82'],
  ['a C1 control', octets('\u0085'), '\\xc2\\x85'],
  ['a right-to-left override', octets('a\u202eb'), 'a\\xe2\\x80\\xaeb'],
  ['a line separator', octets('a\u2028b'), 'a\\xe2\\x80\\xa8b'],
  ['a no-break space', octets('a\u00a0b'), 'a\\xc2\\xa0b'],
  ['a byte order mark', octets('\ufeffa'), '\\xef\\xbb\\xbfa'],
  ['good and bad side by side', `${octets('é')}\xe9${octets('é')}`, 'é\\xe9é'],
];
for (const [name, given, shown] of ESCAPED) {
  test(`escaped: ${name}`, () => assert.equal(printableOctets(given), shown));
}

test('a long name is cut and marked', () => {
  assert.equal(printableOctets('a'.repeat(256)), 'a'.repeat(256));
  assert.equal(printableOctets('a'.repeat(257)), `${'a'.repeat(256)}…`);
  assert.ok(printableOctets('\x01'.repeat(100_000)).length <= 4 * 256 + 1);
});

/** The inverse of printableOctets for names of up to 256 octets. */
function read(shown: string): string {
  const parts = shown.match(/\\x[0-9a-f]{2}|\\\\|[^\\]/gu) ?? [];
  return parts
    .map((part) => (part.startsWith('\\x') ? hex(part) : octets(part.replace('\\\\', '\\'))))
    .join('');
}
const hex = (escaped: string) => String.fromCharCode(Number.parseInt(escaped.slice(2), 16));

test('what is shown tells every octet string from every other', () => {
  const anything = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 });
  fc.assert(
    fc.property(anything, (codes) => {
      const name = String.fromCharCode(...codes);
      const shown = printableOctets(name);
      assert.equal(read(shown), name);
      assert.doesNotMatch(shown, /[\p{C}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 2_000 },
  );
});

test('text of the system keeps its words and loses its controls', () => {
  assert.equal(printableText('no such file: /etc/tëapop.passwd'), 'no such file: /etc/tëapop.passwd');
  assert.equal(printableText('a\nb\u2028c\u{e0001}'), 'a\\u{a}b\\u{2028}c\\u{e0001}');
  assert.equal(printableText('x'.repeat(2_000)), `${'x'.repeat(1_024)}…`);
});
