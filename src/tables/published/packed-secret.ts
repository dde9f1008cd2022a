import { MalformedOctets, type OctetReader, sized, varint } from '../teapop/octets.ts';

/**
 * Stored passwords as Redis keeps them. An Argon2id string is mostly base64 and constant text: packed, its 97
 * octets are 56, which over a million users is the difference of a memory class each. Others stay verbatim.
 */

const VERBATIM = 0;
const ARGON2ID = 1;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

export function packSecret(secret: string): string {
  return packArgon2id(secret) ?? varint(VERBATIM) + sized(secret);
}

/** @throws MalformedOctets */
export function unpackSecret(reader: OctetReader): string {
  const kind = reader.varint();
  if (kind === VERBATIM) return reader.sized();
  if (kind === ARGON2ID) return unpackArgon2id(reader);
  throw new MalformedOctets('stored password of an unknown kind');
}

/** Null where the string would not come back octet by octet (leading zeros, stray bits in base64). */
function packArgon2id(secret: string): string | null {
  const match = PHC.exec(secret);
  if (match === null) return null;
  const [memory, time, parallelism] = match.slice(1, 4).map(Number) as [number, number, number];
  const salt = fromBase64(match[4]!);
  const hash = fromBase64(match[5]!);
  if (phc(memory, time, parallelism, salt, hash) !== secret) return null;
  return varint(ARGON2ID) + varint(memory) + varint(time) + varint(parallelism) + sized(salt) + sized(hash);
}

function unpackArgon2id(reader: OctetReader): string {
  const memory = reader.varint();
  const time = reader.varint();
  const parallelism = reader.varint();
  const salt = reader.sized();
  return phc(memory, time, parallelism, salt, reader.sized());
}

function phc(memory: number, time: number, parallelism: number, salt: string, hash: string): string {
  return `$argon2id$v=19$m=${memory},t=${time},p=${parallelism}$${toBase64(salt)}$${toBase64(hash)}`;
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1');
}

/** The PHC string format leaves the padding out. */
function toBase64(octets: string): string {
  return Buffer.from(octets, 'latin1').toString('base64').replace(/=+$/, '');
}
