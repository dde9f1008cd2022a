import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alpnWire, contextsByName } from '../../src/transport/certificates.ts';
import type { Certificate } from '../../src/transport/transport.ts';
import { heapInUse } from '../support/heap.ts';
import { SERVER_TLS, temporaryCertificates } from '../support/tls.ts';

const { ecdsa, rsa } = temporaryCertificates();

/** Contexts that are the list of the certificates they were built of. */
function contexts(...certificates: [Certificate, ...Certificate[]]) {
  const built: string[] = [];
  const numberOf = ({ certificate }: Certificate) =>
    certificates.findIndex((one) => one.certificate === certificate) + 1;
  const build = (pairs: readonly Certificate[]) => {
    const name = pairs.map(numberOf).join('+');
    built.push(name);
    return name;
  };
  return { built, ...contextsByName({ ...SERVER_TLS, certificates }, build) };
}

test('a name has one context, found whatever its case, by a wildcard for one label alone', () => {
  const { built, first, byName } = contexts(ecdsa, rsa);
  assert.equal(first, '1');
  assert.deepEqual(built, ['1', '2']);
  const found = ['mail.test', 'LOCALHOST', 'pop.test', 'a.wild.test', 'A.Wild.Test'].map(byName);
  assert.deepEqual(found, ['1', '1', '2', '2', '2']);
  for (const name of [
    '',
    '.',
    'wild.test',
    'a.b.wild.test',
    '*.wild.test.',
    'x',
    'unknown.test',
    '127.0.0.1',
  ])
    assert.equal(byName(name), undefined, name);
});

/** CVE-2017-15130 of Dovecot: each name that a client made up took memory for good. */
test('names that clients make up leave nothing behind', () => {
  const { built, byName } = contexts(ecdsa, rsa);
  const label = 'x'.repeat(60);
  const madeUp = (index: number) => `${index}.${label}.${label}.${label}.test`;
  const before = heapInUse();
  // 200 octets each, 60 MB in all were they kept, a third of them below the wildcard.
  for (let index = 0; index < 300_000; index += 1)
    byName(index % 3 === 0 ? `${index}${label}.wild.test` : madeUp(index));
  const grown = heapInUse() - before;
  assert.deepEqual(built, ['1', '2']);
  assert.ok(grown < 30_000_000, `${grown} octets more on the heap`);
});

test('of two certificates with one kind of key the first serves a name', () => {
  const again = { ...ecdsa };
  assert.equal(contexts(ecdsa, again).byName('mail.test'), '1');
});

test("ALPN's wire format has each name behind its length", () => {
  assert.deepEqual(alpnWire(['pop3', 'x']), Buffer.from('\x04pop3\x01x', 'latin1'));
  assert.equal(alpnWire([]).length, 0);
});
