import { lowerCase } from './letter-case.ts';
import type { SqlSource, TableId } from './model.ts';

/**
 * SHA-256 (FIPS 180-4), so that the pure part names a table the same everywhere and needs no runtime's crypto.
 * Run once for each password file named, never for a login.
 */

/** 128 bits: no two tables of any site share an id, by accident or by a chosen path, and keys stay short. */
const ID_DIGITS = 32;
/** Behind the digest, so that a lookup knows from the id alone what else there is to read. */
const CRYPT_MARK = 'c';
/** The same for how the table calls a userid. */
const FOLD_MARK = 'i';

/** The id of a compiled password table: what decides its content, hashed. */
export function tableId(type: 'textfile' | 'htpasswd', path: string, max: number): TableId {
  // The path comes last, so that no path can stand for another type or max.
  const digest = sha256(`${type}:${max}:${path}`).slice(0, ID_DIGITS);
  return type === 'htpasswd' ? digest + CRYPT_MARK : digest;
}

/** The same for a database's table. Not of its password: a new one makes no other table. */
export function sqlTableId(sql: SqlSource): TableId {
  const { dialect, host, port, database, user, table, userColumn, passwordColumn, mailColumn } = sql;
  // No field of the domain table holds a colon.
  const parts = [dialect, host, port, database, user, table, userColumn, passwordColumn, mailColumn];
  const digest = sha256(parts.join(':')).slice(0, ID_DIGITS);
  return dialect === 'mysql' ? digest + FOLD_MARK : digest;
}

/**
 * What a table calls the userid of a login. teapop lets the database compare it, and MySQL's usual collations ignore
 * letter case and trailing spaces: so do its tables here, for ASCII letters.
 */
export function useridIn(id: TableId, userid: string): string {
  if (id.length === ID_DIGITS || !id.endsWith(FOLD_MARK)) return userid;
  let end = userid.length;
  while (end > 0 && userid[end - 1] === ' ') end--;
  return lowerCase(userid.slice(0, end));
}

/** Whether rows of a table may hold crypt(3) strings, so that they can have better hashes, see better-hash.ts. */
export function holdsCrypt(id: TableId): boolean {
  // A mysql table may hold both, see sql/rows.ts.
  return id.length > ID_DIGITS && (id.endsWith(CRYPT_MARK) || id.endsWith(FOLD_MARK));
}

const ROUND_CONSTANTS = fractions(64, 3);
const INITIAL_STATE = fractions(8, 2);

/** The digest of an octet string in hex. */
export function sha256(octets: string): string {
  const state = INITIAL_STATE.slice();
  const words = padded(octets);
  for (let block = 0; block < words.length; block += 16) {
    mix(state, words.subarray(block, block + 16));
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** The first 32 bits of the fractional parts of the n-th roots of the first primes. */
function fractions(count: number, root: 2 | 3): Int32Array {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (!isPrime(n)) continue;
    const value = root === 2 ? Math.sqrt(n) : Math.cbrt(n);
    found.push(Math.floor((value % 1) * 2 ** 32) | 0);
  }
  return Int32Array.from(found);
}

function isPrime(n: number): boolean {
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
}

/** The message in big-endian words, then a set bit, zeros and its length in bits. */
function padded(octets: string): Int32Array {
  const words = new Int32Array(Math.ceil((octets.length + 9) / 64) * 16);
  for (let i = 0; i < octets.length; i++) words[i >> 2]! |= octets.charCodeAt(i) << (24 - 8 * (i & 3));
  words[octets.length >> 2]! |= 0x80 << (24 - 8 * (octets.length & 3));
  words[words.length - 1] = octets.length * 8;
  return words;
}

type Eight = [number, number, number, number, number, number, number, number];

function mix(state: Int32Array, block: Int32Array): void {
  const w = schedule(block);
  let [a, b, c, d, e, f, g, h] = state as unknown as Eight;
  for (let i = 0; i < 64; i++) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const t1 = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + ROUND_CONSTANTS[i]! + w[i]!) | 0;
    const t2 = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + majority) | 0;
    // One by one: an array of all eight would be made and thrown away 64 times.
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  const mixed: Eight = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < mixed.length; i++) state[i]! += mixed[i]!;
}

function schedule(block: Int32Array): Int32Array {
  const w = new Int32Array(64);
  w.set(block);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    w[i] =
      w[i - 16]! +
      (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) +
      w[i - 7]! +
      (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
  }
  return w;
}

function turn(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
