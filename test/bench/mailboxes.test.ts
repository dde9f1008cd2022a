import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyUser, mailboxOf, makeMessage, userName } from '../../bench/compare/mailboxes.ts';
import { Expected, steps } from '../../bench/compare/script.ts';

test('a message has the octets that LIST says, is dot-stuffed and ends once', () => {
  for (const octets of [1_024, 4_096, 4_097, 100_000]) {
    const wire = makeMessage(3, octets).toString('latin1');
    assert.ok(wire.endsWith('\r\n.\r\n'));
    assert.equal(wire.indexOf('\r\n.\r\n'), wire.length - 5);
    const lines = wire.slice(0, -3).split('\r\n');
    assert.ok(lines.some((line) => line.startsWith('..')));
    assert.equal(lines.map((line) => line.replace(/^\./, '')).join('\r\n').length, octets);
  }
});

test('a mailbox is known by its user', () => {
  for (const mailbox of ['small', 'large', 'many'] as const) {
    assert.equal(mailboxOf(userName(mailbox, 7)), mailbox);
  }
  assert.equal(new Set(everyUser(100)).size, 300);
  assert.equal(new Set(everyUser(1_000)).size, 1_200);
  assert.ok(everyUser(1_000).includes(userName('small', 999)));
});

test('every octet that comes back is compared, in whatever pieces', () => {
  const expected = () => new Expected([Buffer.from('+OK\r\n'), Buffer.from('one\r\n.\r\n')]);
  const right = '+OK\r\none\r\n.\r\n';
  const whole = expected();
  assert.ok(whole.take(Buffer.from(right)) && whole.done);
  const single = expected();
  for (const octet of right) {
    assert.ok(!single.done);
    assert.ok(single.take(Buffer.from(octet)));
  }
  assert.ok(single.done);
  assert.equal(single.take(Buffer.from('.')), false);
  assert.equal(expected().take(Buffer.from('+OK\r\nonE')), false);
  assert.equal(expected().take(Buffer.from(`${right}\r\n`)), false);
  const cut = expected();
  assert.ok(cut.take(Buffer.from(right.slice(0, -1))) && !cut.done);
});

test('another user’s mail is another answer', () => {
  const replies = (user: string) => Buffer.concat(steps('pipelined', user).flatMap((step) => step.replies));
  assert.notDeepEqual(replies(userName('many', 1)), replies(userName('many', 11)));
  assert.deepEqual(replies(userName('many', 1)), replies(userName('many', 1)));
});
