import { createHmac } from 'node:crypto';
import type { ScramSalt } from '../pop3/credentials.ts';
import type { SealContext } from './seal.ts';

/**
 * The salts of SCRAM, of users who exist and of those who do not: an HMAC of the row's place under the site's key.
 * Who asks for a salt cannot tell the two apart, and as a password changes, or a user comes or goes, the salt stays.
 * It is another for each user of each table, and without the key nobody can tell it before he asks.
 */
export interface ScramSalts {
  /** Names the key without telling it. */
  readonly keyId: string;
  readonly iterations: number;
  saltOf(place: SealContext): ScramSalt;
}

/** RFC 7677 §4 has no length; 128 bits are what NIST SP 800-132 wants. */
const SALT_OCTETS = 16;
/** Separates this use of the key from any other. */
const PURPOSE = 'teapop-proxy SCRAM salt 1';

/** @param key 32 octets, those of seal.ts */
export function createScramSalts(key: Uint8Array, iterations: number): ScramSalts {
  const secret = Buffer.from(key);
  const digest = (text: string) =>
    createHmac('sha256', secret).update(`${PURPOSE}\0${text}`, 'latin1').digest();
  return {
    keyId: digest('').toString('hex').slice(0, 8),
    iterations,
    // A table's name holds no NUL, so no two places share these octets.
    saltOf: ({ table, userid }) => ({
      salt: digest(`${table}\0${userid}`).subarray(0, SALT_OCTETS).toString('latin1'),
      iterations,
    }),
  };
}
