import type { Soon } from '../tables/teapop/soon.ts';
import { parsePhc, verifyPhc } from './argon2.ts';
import { type CryptMethodName, cryptMethod } from './crypt-method.ts';
import { equalOctets } from './equal.ts';
import { type Libcrypt, openLibcrypt } from './libcrypt.ts';
import { parseKeys, SCRAM_PREFIX, verifyKeys } from './scram.ts';
import { SEALED_PREFIX, SealBroken, type SealContext, type Sealer } from './seal.ts';

/**
 * The stored forms of passwords. A textfile row holds `{PLAIN}…` (in a process's own memory alone), an Argon2id
 * PHC string, `{SEALED}…`, `{SCRAM-SHA-256}…` or, where a database had it among passwords, `{CRYPT}` and a crypt(3) string; an htpasswd
 * row holds a crypt(3) string and is never taken for anything else, so that a hash which happens to look like one of
 * our forms opens nothing that teapop kept shut.
 */

export const PLAIN_PREFIX = '{PLAIN}';
export const CRYPT_PREFIX = '{CRYPT}';
export const ARGON2ID_PREFIX = '$argon2id$';

/** Bounded, fit for a metric label. */
export type SchemeName = 'plain' | 'argon2id' | 'sealed' | 'scram-sha-256' | CryptMethodName;

/** The type of the table that a row stands in, with what a sealed password is bound to. */
export type SecretContext = SealContext & { type: SecretType };
export type SecretType = 'textfile' | 'htpasswd';

export type SecretInfo = {
  scheme: SchemeName;
  /**
   * 'none' is checked at once; 'light' and 'heavy' go to the thread pool and need the verifier's permit. A
   * 'heavy' one is at least about as slow as Argon2id with the usual parameters.
   */
  cost: 'none' | 'light' | 'heavy';
  /** Octets that it takes while it is computed, where they are more than a few KiB. */
  memory: number;
  /** Why no password can match, in words that hold no part of the secret; null where one can. */
  problem: string | null;
};

/** Thrown where a row cannot be checked at all. The fault is the installation's: it is no wrong password. */
export class SecretUnusable extends Error {
  override name = 'SecretUnusable';
}

export interface Passwords {
  /**
   * True when the password (an octet string) matches: at once where no hash is computed. False for a hash that
   * libcrypt does not know, as under teapop. Throws, or rejects with, SecretUnusable, SealBroken or LibcryptMissing
   * where the row cannot be checked.
   */
  verify(secret: string, password: string, context: SecretContext): Soon<boolean>;
  /** The password itself, an octet string; null where the row does not hold it. @throws SealBroken */
  reveal(secret: string, context: SecretContext): string | null;
}

export type PasswordsOptions = {
  /** Null where no key is configured: sealed rows cannot be checked then. */
  sealer: Sealer | null;
  /** Opened with the first crypt(3) row, so that a host without libcrypt can serve all other rows. */
  libcrypt?: () => Libcrypt;
};

export function createPasswords({ sealer, libcrypt = openLibcrypt }: PasswordsOptions): Passwords {
  let opened: Libcrypt | null = null;

  async function verifyCrypt(secret: string, password: string): Promise<boolean> {
    const { excess } = cryptMethod(secret);
    if (excess !== null) throw new SecretUnusable(`stored crypt string: ${excess}`);
    opened ??= libcrypt();
    return opened.verify(password, secret);
  }

  function openSealed(secret: string, context: SealContext): string {
    if (sealer === null) throw new SealBroken('sealed, but no seal key is configured');
    return sealer.open(secret, context);
  }

  function verify(secret: string, password: string, context: SecretContext): Soon<boolean> {
    if (context.type === 'htpasswd') return verifyCrypt(secret, password);
    if (secret.startsWith(PLAIN_PREFIX)) return equalOctets(secret.slice(PLAIN_PREFIX.length), password);
    if (secret.startsWith(CRYPT_PREFIX)) return verifyCrypt(secret.slice(CRYPT_PREFIX.length), password);
    if (secret.startsWith(SEALED_PREFIX)) return equalOctets(openSealed(secret, context), password);
    if (secret.startsWith(SCRAM_PREFIX)) return verifyScram(secret, password);
    const phc = parsePhc(secret);
    if (typeof phc === 'string') throw new SecretUnusable(`stored password: ${phc}`);
    return verifyPhc(phc, Buffer.from(password, 'latin1'));
  }

  function reveal(secret: string, context: SecretContext): string | null {
    if (context.type === 'htpasswd') return null;
    if (secret.startsWith(PLAIN_PREFIX)) return secret.slice(PLAIN_PREFIX.length);
    return secret.startsWith(SEALED_PREFIX) ? openSealed(secret, context) : null;
  }

  return { verify, reveal };
}

async function verifyScram(secret: string, password: string): Promise<boolean> {
  const keys = parseKeys(secret);
  if (typeof keys === 'string') throw new SecretUnusable(`stored SCRAM keys: ${keys}`);
  return verifyKeys(keys, password);
}

/** The crypt(3) string of a row; null where it holds none. */
export function cryptString(secret: string, type: SecretType): string | null {
  if (type === 'htpasswd') return secret;
  return secret.startsWith(CRYPT_PREFIX) ? secret.slice(CRYPT_PREFIX.length) : null;
}

/** Of what is compared as it is, or refused unasked. */
const FREE = { cost: 'none', memory: 0 } as const;
const PLAIN: SecretInfo = { ...FREE, scheme: 'plain', problem: null };
const SEALED: SecretInfo = { ...FREE, scheme: 'sealed', problem: null };

/** What a stored form is and costs, without checking it. Pure. */
export function inspectSecret(secret: string, type: SecretType): SecretInfo {
  if (type === 'htpasswd') return inspectCrypt(secret);
  if (secret.startsWith(PLAIN_PREFIX)) return PLAIN;
  if (secret.startsWith(CRYPT_PREFIX)) return inspectCrypt(secret.slice(CRYPT_PREFIX.length));
  if (secret.startsWith(SEALED_PREFIX)) return SEALED;
  if (secret.startsWith(SCRAM_PREFIX)) return inspectScram(secret);
  const phc = parsePhc(secret);
  if (typeof phc !== 'string')
    return { scheme: 'argon2id', cost: 'heavy', memory: phc.params.memory, problem: null };
  const scheme = secret.startsWith(ARGON2ID_PREFIX) ? 'argon2id' : 'unknown';
  return { ...FREE, scheme, problem: phc };
}

function inspectScram(secret: string): SecretInfo {
  const keys = parseKeys(secret);
  if (typeof keys === 'string') return { ...FREE, scheme: 'scram-sha-256', problem: keys };
  return { scheme: 'scram-sha-256', cost: 'heavy', memory: 0, problem: null };
}

function inspectCrypt(secret: string): SecretInfo {
  const { name, heavy, memory, excess, complete } = cryptMethod(secret);
  const problem = excess ?? (complete ? null : 'not a whole hash of any method of crypt(3)');
  // What is refused unasked costs nothing, and what is cut short may be refused at once.
  const cost = excess !== null ? 'none' : heavy && complete ? 'heavy' : 'light';
  return { scheme: name, cost, memory, problem };
}
