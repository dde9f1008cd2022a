import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64, encodeBase64 } from '../pop3/base64.ts';
import type { ScramSalt } from '../pop3/credentials.ts';
import { preparePassword } from './saslprep.ts';

/**
 * What SCRAM-SHA-256 (RFC 5802 §3, RFC 7677) makes of a password. From the keys nobody gets in, and the password can
 * only be guessed, each guess for the price of the iterations. They are stored as `{SCRAM-SHA-256}` and, with commas
 * between, iterations, salt, StoredKey and ServerKey, the last three in base64: Dovecot has the same form.
 */

export const SCRAM_PREFIX = '{SCRAM-SHA-256}';

export type ScramKeys = ScramSalt & { storedKey: Buffer; serverKey: Buffer };

/** What a stored row may ask for: some 100 ms of one core. */
const MOST_ITERATIONS = 1_000_000;
const KEY_OCTETS = 32;
const SALT_MOST = 64;
const STORED = /^\{SCRAM-SHA-256\}([1-9]\d{0,6}),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+)$/;

/** Runs PBKDF2 in the runtime's thread pool. @param password octet string */
export async function makeKeys(password: string, { salt, iterations }: ScramSalt): Promise<ScramKeys> {
  const saltOctets = Buffer.from(salt, 'latin1');
  const salted = await derive(preparePassword(password), saltOctets, iterations, KEY_OCTETS, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  return { salt, iterations, storedKey, serverKey: hmac(salted, 'Server Key') };
}

const derive = promisify(pbkdf2);

/**
 * True when the password makes the same keys. One with a NUL is never right: HMAC fills a short key up with zeros
 * (RFC 2104 §2), so that its keys are those of the password without it.
 */
export async function verifyKeys(keys: ScramKeys, password: string): Promise<boolean> {
  const { storedKey } = await makeKeys(password, keys);
  return timingSafeEqual(storedKey, keys.storedKey) && !password.includes('\0');
}

/**
 * RFC 5802 §3: the server's signature where the proof is right, else null. Constant-time compare.
 * @param proof octet string
 */
export function checkProof(keys: ScramKeys, authMessage: string, proof: string): string | null {
  const signature = hmac(keys.storedKey, authMessage);
  const clientKey = Buffer.from(proof, 'latin1');
  if (clientKey.length !== KEY_OCTETS) return null;
  for (let i = 0; i < KEY_OCTETS; i++) clientKey[i]! ^= signature[i]!;
  const storedKey = createHash('sha256').update(clientKey).digest();
  if (!timingSafeEqual(storedKey, keys.storedKey)) return null;
  return hmac(keys.serverKey, authMessage).toString('latin1');
}

export function formatKeys({ salt, iterations, storedKey, serverKey }: ScramKeys): string {
  const keys = [storedKey, serverKey].map((key) => key.toString('base64'));
  return `${SCRAM_PREFIX}${[iterations, encodeBase64(salt), ...keys].join(',')}`;
}

/** A string says what is wrong with it, in words that hold no part of it. */
export function parseKeys(stored: string): ScramKeys | string {
  const match = STORED.exec(stored);
  if (match === null) return 'not iterations, salt, StoredKey and ServerKey';
  const [salt, storedKey, serverKey] = match.slice(2).map(decodeBase64);
  const iterations = Number(match[1]);
  if (iterations > MOST_ITERATIONS) return `more than ${MOST_ITERATIONS} iterations`;
  if (!salt || salt.length > SALT_MOST) return 'a bad salt';
  if (storedKey?.length !== KEY_OCTETS || serverKey?.length !== KEY_OCTETS) return 'a bad key';
  const octets = (text: string) => Buffer.from(text, 'latin1');
  return { salt, iterations, storedKey: octets(storedKey), serverKey: octets(serverKey) };
}

/** Spends the time of a verification where there is nothing to verify. */
export function scramDummy(iterations: number): (password: string) => Promise<boolean> {
  const nobodys = Buffer.alloc(KEY_OCTETS, 1);
  const keys = { salt: 'nobody', iterations, storedKey: nobodys, serverKey: nobodys };
  return (password) => verifyKeys(keys, password);
}

/** @param message octet string */
function hmac(key: Buffer, message: string): Buffer {
  return createHmac('sha256', key).update(message, 'latin1').digest();
}
