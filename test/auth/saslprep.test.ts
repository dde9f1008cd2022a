import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preparePassword } from '../../src/auth/saslprep.ts';

const octets = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
const prepared = (text: string) => preparePassword(octets(text)).toString('utf8');

test("RFC 4013's examples", () => {
  assert.equal(prepared('I\u00adX'), 'IX');
  assert.equal(prepared('user'), 'user');
  assert.equal(prepared('USER'), 'USER');
  assert.equal(prepared('\u00aa'), 'a');
  assert.equal(prepared('\u2168'), 'IX');
});

test('spaces become the one of ASCII, and one password has one spelling', () => {
  assert.equal(prepared('a\u00a0b\u3000c'), 'a b c');
  assert.equal(prepared('a\u0308'), '\u00e4');
  assert.equal(prepared('p\u00e4ss\u200d w\u00f6rd'), 'p\u00e4ss w\u00f6rd');
});

test('ASCII stays as it is, and so do octets that are no UTF-8', () => {
  for (const password of ['', ' two  words ', 'j04n4CmE', '~!"#']) {
    assert.deepEqual(preparePassword(password), Buffer.from(password));
  }
  for (const password of ['p\xe4ss', '\xff', '\xc3', '\xed\xa0\x80']) {
    assert.deepEqual(preparePassword(password), Buffer.from(password, 'latin1'));
  }
});

test('what SASLprep forbids stays as it is: its owner chose it', () => {
  for (const password of [
    'a\u0007',
    '\u0007\u00e4',
    '\u200e\u00a0x',
    '\ue000',
    '\ufffd',
    '\u{e0041}x',
    '\u2028',
  ]) {
    assert.equal(prepared(password), password, JSON.stringify(password));
  }
});
