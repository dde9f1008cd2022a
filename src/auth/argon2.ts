import { randomBytes, timingSafeEqual } from 'node:crypto';
import argon2 from 'argon2';

/**
 * Argon2id (RFC 9106) as PHC strings, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. One file alone imports argon2,
 * and this is it. The package hashes in the runtime's thread pool: libuv's on Node (UV_THREADPOOL_SIZE, 4
 * unless set), Bun's own with a thread for each CPU. A hash holds its thread and all of `memory` while it
 * runs, and with a parallelism above 1 it starts that many threads besides.
 */

/** `memory` in octets (whole KiB count), `time` in passes, `parallelism` in lanes. */
export type Argon2Params = { memory: number; time: number; parallelism: number };

/** OWASP's recommendation: 19 MiB, two passes, one lane. */
export const ARGON2_DEFAULT: Argon2Params = { memory: 19 * 1024 * 1024, time: 2, parallelism: 1 };

/** What a stored row may ask for. A broken or hostile one must neither exhaust the memory nor hold a thread for long. */
export const ARGON2_MAXIMA = {
  /** Octets. Four times RFC 9106's second recommendation (64 MiB). */
  memory: 256 * 1024 * 1024,
  /** Octets written over all passes, memory × time: about two seconds of one core. */
  work: 2 * 1024 * 1024 * 1024,
  /** Lanes, each a thread of its own. */
  parallelism: 16,
  /** Octets of a salt and of a hash. */
  salt: 64,
  hash: 64,
} as const;

/** RFC 9106 §3.1: at least 8 KiB for each lane. */
const LANE_MEMORY = 8 * 1024;
/** libargon2's own least salt. */
const SALT_LEAST = 8;
/** A shorter hash could be met by chance. */
const HASH_LEAST = 16;
/** RFC 9106 §4: 128 bits of salt, 256 bits of tag. */
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;
/** Version 1.3, the only one of RFC 9106. */
const VERSION = 0x13;

/** The longest PHC string within the maxima is far shorter; a longer one is not even looked at. */
const PHC_LENGTH = 256;
const PHC =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,7})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

export type Phc = { params: Argon2Params; salt: Buffer; hash: Buffer };

/** Takes a PHC string apart; a string says what is wrong with it, in words that hold no part of it but numbers. */
export function parsePhc(text: string): Phc | string {
  const match = text.length > PHC_LENGTH ? null : PHC.exec(text);
  if (match === null) return 'not an argon2id string of version 19 with m, t and p';
  const [memory, time, parallelism] = [Number(match[1]) * 1024, Number(match[2]), Number(match[3])];
  const params = { memory, time, parallelism };
  const problem = problemOfParams(params);
  if (problem !== null) return problem;
  const [salt, hash] = [unpadded(match[4]!), unpadded(match[5]!)];
  if (salt === null || salt.length < SALT_LEAST || salt.length > ARGON2_MAXIMA.salt) return 'a bad salt';
  if (hash === null || hash.length < HASH_LEAST || hash.length > ARGON2_MAXIMA.hash) return 'a bad hash';
  return { params, salt, hash };
}

/** Why parameters cannot be used; null where they can. For stored rows and for the configuration alike. */
export function problemOfParams({ memory, time, parallelism }: Argon2Params): string | null {
  const { memory: most, work, parallelism: lanes } = ARGON2_MAXIMA;
  if (time < 1 || parallelism < 1) return 'time and parallelism must be at least 1';
  if (parallelism > lanes) return `parallelism ${parallelism} is above ${lanes}`;
  if (memory > most) return `memory of ${memory / 1024} KiB is above ${most / 1024} KiB`;
  if (memory < LANE_MEMORY * parallelism) return 'memory is below 8 KiB a lane';
  if (memory * time > work) return `memory × time is above ${work / 1024 / 1024} MiB`;
  return null;
}

/** Hashes under what a PHC string says; true when the result is the same. Constant-time compare. */
export async function verifyPhc(phc: Phc, password: Buffer): Promise<boolean> {
  const hash = await rawHash(phc.params, password, phc.salt, phc.hash.length);
  return hash.length === phc.hash.length && timingSafeEqual(hash, phc.hash);
}

/**
 * A new PHC string with a random salt.
 * @param password octet string; may be empty
 * @throws RangeError for parameters outside of the maxima
 */
export async function hashPassword(password: string, params: Argon2Params): Promise<string> {
  const problem = problemOfParams(params);
  if (problem !== null) throw new RangeError(`argon2: ${problem}`);
  const salt = randomBytes(SALT_OCTETS);
  const hash = await rawHash(params, Buffer.from(password, 'latin1'), salt, HASH_OCTETS);
  const { time, parallelism } = params;
  // The order of the PHC specification; the package itself writes m,p,t.
  return `$argon2id$v=19$m=${kib(params)},t=${time},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

/**
 * Spends the time of a verification where there is nothing to verify, on a hash that no password has.
 * @throws RangeError for parameters outside of the maxima
 */
export function argon2Dummy(params: Argon2Params): (password: string) => Promise<boolean> {
  const problem = problemOfParams(params);
  if (problem !== null) throw new RangeError(`argon2: ${problem}`);
  const phc = { params, salt: randomBytes(SALT_OCTETS), hash: randomBytes(HASH_OCTETS) };
  return (password) => verifyPhc(phc, Buffer.from(password, 'latin1'));
}

/** True when a stored string was not made with these parameters, or is no PHC string of Argon2id at all. */
export function needsRehash(stored: string, params: Argon2Params): boolean {
  const phc = parsePhc(stored);
  if (typeof phc === 'string') return true;
  const { time, parallelism } = phc.params;
  const same = kib(phc.params) === kib(params) && time === params.time && parallelism === params.parallelism;
  return !same || phc.hash.length !== HASH_OCTETS;
}

function rawHash(params: Argon2Params, password: Buffer, salt: Buffer, hashLength: number): Promise<Buffer> {
  return argon2.hash(password, {
    raw: true,
    type: argon2.argon2id,
    version: VERSION,
    memoryCost: kib(params),
    timeCost: params.time,
    parallelism: params.parallelism,
    salt,
    hashLength,
  });
}

function kib(params: Argon2Params): number {
  return Math.floor(params.memory / 1024);
}

function base64(octets: Buffer): string {
  return octets.toString('base64').replace(/=+$/, '');
}

/** Null where the text is not what its own octets are written as: one hash has one spelling. */
function unpadded(text: string): Buffer | null {
  const octets = Buffer.from(text, 'base64');
  return base64(octets) === text ? octets : null;
}
