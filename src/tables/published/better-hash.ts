import { OctetReader } from '../teapop/octets.ts';
import { packSecret, unpackSecret } from './packed-secret.ts';
import { FINGERPRINT_OCTETS } from './redis-row.ts';

/**
 * Better hashes: Argon2id strings that stand beside crypt(3) rows, made by use. They are a hash of their own, beside
 * the table's, so that publishing and they do not touch each other. Each is bound to the fingerprint of its source
 * row: a row that has changed since has another, so that the changed source always wins.
 */

/** By the fingerprint of the row that each belongs to. */
export type BetterHashes = ReadonlyMap<string, string>;

/** What alone is taken for one, whatever stands in Redis. */
const ARGON2ID = '$argon2id$';

/** The value of a userid's field: each with its fingerprint before it. */
export function encodeBetter(hashes: BetterHashes): Buffer {
  const entries = Array.from(hashes, ([fingerprint, hash]) => {
    if (fingerprint.length !== FINGERPRINT_OCTETS) throw new RangeError('fingerprint of a wrong length');
    return fingerprint + packSecret(hash);
  });
  return Buffer.from(entries.join(''), 'latin1');
}

/** None where the value is damaged: the rows themselves decide then, and the next login makes it anew. */
export function decodeBetter(value: Buffer | null): BetterHashes {
  const hashes = new Map<string, string>();
  if (value === null) return hashes;
  const reader = new OctetReader(value.toString('latin1'));
  try {
    while (!reader.ended) {
      const fingerprint = reader.take(FINGERPRINT_OCTETS);
      const hash = unpackSecret(reader);
      if (hash.startsWith(ARGON2ID)) hashes.set(fingerprint, hash);
    }
  } catch {
    return new Map();
  }
  return hashes;
}
