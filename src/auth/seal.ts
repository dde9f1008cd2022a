import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/**
 * Sealed passwords: `{SEALED}<key id>$<base64 of nonce, ciphertext and tag>`, AES-256-GCM. A sealed password
 * can be opened again, which APOP (RFC 1939 §7) needs; it is for the domains that ask for that alone. The
 * userid and its table are bound in as associated data, so a value copied to another row does not open.
 */

export const SEALED_PREFIX = '{SEALED}';
const ALGORITHM = 'aes-256-gcm';
export const SEAL_KEY_OCTETS = 32;
/** NIST SP 800-38D §8.2: 96 bits, drawn anew for each value. */
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;
/** Separates this use of the key from any other. */
const PURPOSE = 'teapop-proxy sealed password 1';
/** Octets of the key's name: enough to tell a handful of keys apart. */
const KEY_ID_OCTETS = 4;

/** The row that a sealed password belongs to. */
export type SealContext = { table: string; userid: string };

/** Thrown where a sealed password cannot be opened: another key, another row, a damaged value. Holds no part of it. */
export class SealBroken extends Error {
  override name = 'SealBroken';
}

export interface Sealer {
  /** Names the key without telling it. */
  readonly keyId: string;
  /** @param password octet string */
  seal(password: string, context: SealContext): string;
  /** The password as an octet string. @throws SealBroken */
  open(sealed: string, context: SealContext): string;
  /** False where another key sealed it, or where it is no sealed value. */
  isOwn(sealed: string): boolean;
}

/** @param key 32 octets; @throws RangeError for any other number */
export function createSealer(key: Uint8Array): Sealer {
  if (key.length !== SEAL_KEY_OCTETS) throw new RangeError(`a seal key has ${SEAL_KEY_OCTETS} octets`);
  const secret = Buffer.from(key);
  const keyId = createHmac('sha256', secret)
    .update(PURPOSE)
    .digest('hex')
    .slice(0, KEY_ID_OCTETS * 2);
  const prefix = `${SEALED_PREFIX}${keyId}$`;
  const isOwn = (sealed: string) => sealed.startsWith(prefix);

  function seal(password: string, context: SealContext): string {
    const nonce = randomBytes(NONCE_OCTETS);
    const cipher = createCipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_OCTETS });
    cipher.setAAD(associatedData(context));
    const octets = [nonce, cipher.update(password, 'latin1'), cipher.final(), cipher.getAuthTag()];
    return prefix + Buffer.concat(octets).toString('base64');
  }

  function open(sealed: string, context: SealContext): string {
    if (!isOwn(sealed)) throw new SealBroken('sealed with another key');
    const octets = Buffer.from(sealed.slice(prefix.length), 'base64');
    const end = octets.length - TAG_OCTETS;
    if (end < NONCE_OCTETS) throw new SealBroken('sealed value cut short');
    const nonce = octets.subarray(0, NONCE_OCTETS);
    const decipher = createDecipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_OCTETS });
    decipher.setAAD(associatedData(context)).setAuthTag(octets.subarray(end));
    const text = decipher.update(octets.subarray(NONCE_OCTETS, end));
    try {
      return Buffer.concat([text, decipher.final()]).toString('latin1');
    } catch {
      throw new SealBroken('sealed value damaged, or of another user');
    }
  }

  return { keyId, seal, open, isOwn };
}

/** A table's name holds no NUL, so no two rows share these octets. */
function associatedData({ table, userid }: SealContext): Buffer {
  return Buffer.from(`${PURPOSE}\0${table}\0${userid}`, 'latin1');
}

/**
 * Reads a seal key: 32 octets as they are, or as base64 in a line of text.
 * @throws Error that names the file and what to do, never the content
 */
export async function readSealKey(path: string): Promise<Buffer> {
  const content = await readFile(path);
  if (content.length === SEAL_KEY_OCTETS) return content;
  const text = content.toString('latin1').trim();
  const key = Buffer.from(text, 'base64');
  const exact = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  if (exact && key.length === SEAL_KEY_OCTETS) return key;
  throw new Error(
    `${path}: a seal key is ${SEAL_KEY_OCTETS} octets, raw or in base64 ` +
      `(make one: openssl rand -base64 ${SEAL_KEY_OCTETS})`,
  );
}
