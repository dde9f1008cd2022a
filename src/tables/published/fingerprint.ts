import { createHmac, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sized } from '../teapop/octets.ts';
import { FINGERPRINT_OCTETS } from './redis-row.ts';

/**
 * How a sync knows again what it has published, without a fast hash of a password in Redis: HMAC-SHA-256 under
 * a key that stays on the host that syncs. With another key everything looks new: it is hashed again, and
 * nothing is wrong.
 */
export interface Fingerprints {
  /** Of a row and what becomes of it; FINGERPRINT_OCTETS octets. */
  row(become: string, userid: string, password: string, mailbox: string): string;
  /** Of a whole source under the settings it is published with. */
  source(settings: string): SourceFingerprint;
}

export interface SourceFingerprint {
  add(octets: Uint8Array): void;
  /** Once, at the end: base64. */
  value(): string;
}

const KEY_OCTETS = 32;
/** Told apart by what goes first, so that no row has the fingerprint of a source. */
const OF_ROW = 'row 1';
const OF_SOURCE = 'source 1';

/** @param key KEY_OCTETS octets */
export function createFingerprints(key: Uint8Array): Fingerprints {
  if (key.length !== KEY_OCTETS) throw new RangeError(`a fingerprint key has ${KEY_OCTETS} octets`);
  return {
    row: (become, userid, password, mailbox) => {
      // Each with its length: no octet moves from one to the next unnoticed.
      const parts = [OF_ROW, become, userid, password, mailbox].map(sized).join('');
      const digest = createHmac('sha256', key).update(Buffer.from(parts, 'latin1')).digest('latin1');
      return digest.slice(0, FINGERPRINT_OCTETS);
    },
    source: (settings) => {
      const hmac = createHmac('sha256', key);
      hmac.update(Buffer.from(sized(OF_SOURCE) + sized(settings), 'latin1'));
      return { add: (octets) => void hmac.update(octets), value: () => hmac.digest('base64') };
    },
  };
}

/**
 * Reads the key, or makes it, with its folder, readable by its owner alone.
 * @param keep false leaves no file behind: a key that is not there is made up for this once
 * @throws Error that names the file
 */
export async function loadFingerprintKey(path: string, keep = true): Promise<Buffer> {
  const key = (await readIfThere(path)) ?? (keep ? await makeKey(path) : randomBytes(KEY_OCTETS));
  if (key.length === KEY_OCTETS) return key;
  throw new Error(
    `${path}: a fingerprint key has ${KEY_OCTETS} octets; remove it, and the next sync makes a new one`,
  );
}

async function makeKey(path: string): Promise<Buffer> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const key = randomBytes(KEY_OCTETS);
  await writeFile(beside, key, { mode: 0o600, flag: 'wx' });
  try {
    // A link appears whole and never replaces: of two first syncs the one that is later takes the other's key.
    await link(beside, path);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return await readFile(path);
  } finally {
    await unlink(beside);
  }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
