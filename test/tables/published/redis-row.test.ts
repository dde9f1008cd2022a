import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packSecret, unpackSecret } from '../../../src/tables/published/packed-secret.ts';
import { decodeRows, encodeRows, FINGERPRINT_OCTETS } from '../../../src/tables/published/redis-row.ts';
import { MalformedOctets, OctetReader, sized, varint } from '../../../src/tables/teapop/octets.ts';

const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const octets = fc.string({ unit: octet, maxLength: 300 });
const base64 = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((raw) => Buffer.from(raw).toString('base64').replace(/=+$/, ''));
const argon2id = fc
  .tuple(fc.nat(), fc.nat(), fc.nat(), base64(16), base64(32))
  .map(([m, t, p, salt, hash]) => `$argon2id$v=19$m=${m},t=${t},p=${p}$${salt}$${hash}`);
const secret = fc.oneof(argon2id, octets);
const fingerprint = fc.string({ unit: octet, minLength: FINGERPRINT_OCTETS, maxLength: FINGERPRINT_OCTETS });
const row = fc.record({ secret, mailbox: octets, line: fc.nat(), fingerprint }, { noNullPrototype: true });

test('a varint comes back, whatever follows it', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 }), octets, (value, rest) => {
      const reader = new OctetReader(varint(value) + rest);
      assert.equal(reader.varint(), value);
      assert.equal(reader.take(rest.length), rest);
      assert.ok(reader.ended);
    }),
  );
});

test('a secret comes back octet by octet', () => {
  fc.assert(
    fc.property(secret, (text) => assert.equal(unpackSecret(new OctetReader(packSecret(text))), text)),
  );
});

test('an Argon2id string of the usual parameters takes 56 octets', () => {
  const text = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(21)}Q$${'B'.repeat(42)}A`;
  assert.equal(text.length, 97);
  assert.equal(packSecret(text).length, 56);
});

test('Argon2id strings that base64 would change stay as they are', () => {
  const salt = 'A'.repeat(22);
  for (const odd of [
    `$argon2id$v=19$m=019456,t=2,p=1$${salt}$${'B'.repeat(43)}`,
    // The last digit of 16 octets has four bits that mean nothing.
    `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(21)}B$${'A'.repeat(43)}`,
    `$argon2id$v=19$m=19456,t=2,p=1$A$${'A'.repeat(43)}`,
  ]) {
    assert.equal(unpackSecret(new OctetReader(packSecret(odd))), odd);
  }
});

test('rows of any octets come back in order', () => {
  fc.assert(
    fc.property(octets, fc.array(row, { maxLength: 4 }), fc.boolean(), (userid, rows, own) => {
      const stored = own ? rows.map((each) => ({ ...each, mailbox: userid })) : rows;
      assert.deepEqual(decodeRows(userid, encodeRows(userid, stored)), stored);
    }),
  );
});

test('a value cut short anywhere inside a row is malformed, not another row', () => {
  const whole = encodeRows('john', [
    { secret: `$1$salt$${'x'.repeat(22)}`, mailbox: 'box', line: 300, fingerprint: 'f'.repeat(12) },
  ]);
  for (let end = 1; end < whole.length; end++) {
    assert.throws(() => decodeRows('john', whole.subarray(0, end)), MalformedOctets, `cut at ${end}`);
  }
});

test('random octets give rows or MalformedOctets, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
      try {
        assert.ok(Array.isArray(decodeRows('john', Buffer.from(raw))));
      } catch (error) {
        assert.ok(error instanceof MalformedOctets);
      }
    }),
    { numRuns: 500 },
  );
});

test('a kind of secret that no version has written is malformed', () => {
  assert.throws(() => unpackSecret(new OctetReader(varint(9) + sized('x'))), MalformedOctets);
});
