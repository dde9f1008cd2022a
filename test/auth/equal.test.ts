import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalOctets } from '../../src/auth/equal.ts';

const LONG = 'x'.repeat(256);

/** Around the length up to which octets are compared as they are, and with octets that could be filling. */
const TEXTS = [
  '',
  '\0',
  'a',
  'a\0',
  'a\0\0',
  'b',
  '\xe4',
  LONG,
  LONG.slice(1),
  `${LONG}x`,
  `${LONG}\0`,
  `${LONG}xx`,
];

test('octet strings are equal to themselves alone', () => {
  for (const left of TEXTS) {
    for (const right of TEXTS) {
      assert.equal(equalOctets(left, right), left === right, JSON.stringify([left, right]));
      // What was compared before does not count.
      assert.equal(equalOctets(right, right), true);
    }
  }
});
