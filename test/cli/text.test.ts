import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ago, columns, octetsOf, shownName, shownTime } from '../../src/cli/text.ts';
import { printableOctets } from '../../src/ops/printable.ts';

test('columns stand below each other, the last one runs free', () => {
  assert.equal(columns([['a', 'bb', 'ccc'], ['dddd', 'e', 'f'], ['é']]), 'a     bb  ccc\ndddd  e   f\né\n');
  assert.equal(columns([]), '');
});

test('a name is taken from the command line as the log shows it', () => {
  assert.equal(octetsOf('john@acme.com'), 'john@acme.com');
  assert.equal(octetsOf('j\\xf6hn\\x00\\\\x41\\q'), 'j\xf6hn\0\\x41\\q');
  assert.equal(octetsOf('jöhn'), 'j\xc3\xb6hn');
  const octets = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 60,
  });
  fc.assert(fc.property(octets, (name) => assert.equal(octetsOf(printableOctets(name)), name)));
});

test('names are seen, even blank ones', () => {
  assert.deepEqual(['', 'john', 'a\nb'].map(shownName), ["''", 'john', 'a\\x0ab']);
});

test('times are told to the second, ages in one unit', () => {
  assert.equal(shownTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), '2026-01-02 03:04:05 UTC');
  const ages = [-5, 0, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000, 864_000_000];
  assert.deepEqual(
    ages.map((age) => ago(1e12 - age, 1e12)),
    [
      ...['just now', 'just now', 'just now', '1 s ago', '59 s ago'],
      ...['1 min ago', '59 min ago', '1 h ago', '1 d ago', '10 d ago'],
    ],
  );
});
