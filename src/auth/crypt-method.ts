/**
 * What a crypt(3) string says of itself: method, cost, completeness. Pure. libcrypt decides whether a password
 * matches; this keeps a broken or hostile row from asking for hours or gigabytes, and tells the operator of
 * strings that no password can match.
 */

export type CryptMethodName =
  | 'des'
  | 'bsdi-des'
  | 'md5'
  | 'sun-md5'
  | 'sha1'
  | 'nt'
  | 'sha256'
  | 'sha512'
  | 'bcrypt'
  | 'scrypt'
  | 'yescrypt'
  | 'gost-yescrypt'
  | 'unknown';

export type CryptMethod = {
  name: CryptMethodName;
  /** Made to be slow: costs about as much as an Argon2id hash, or more. */
  heavy: boolean;
  /** Octets that it takes while it is computed, where they are more than a few KiB. */
  memory: number;
  /** Why libcrypt must not be asked; null where it may. */
  excess: string | null;
  /** False where the string is not a whole hash of its method, so that no password can match. */
  complete: boolean;
};

/** What a stored hash may cost. Far above what any tool sets unless told to, and up to a few seconds of one core. */
export const CRYPT_MAXIMA = {
  /** Of SHA-256, SHA-512 and SHA-1; the default is 5,000. */
  shaRounds: 10_000_000,
  sunMd5Rounds: 1_000_000,
  /** Base-2 logarithm; tools set 5 to 12. */
  bcryptCost: 16,
  /** Octets, for scrypt and yescrypt; the default is 16 MiB. */
  memory: 256 * 1024 * 1024,
  /** Octets over all lanes of scrypt. */
  work: 2 * 1024 * 1024 * 1024,
} as const;

/** crypt(3)'s digits, not base64's. */
const DIGITS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const C = '[./0-9A-Za-z]';

type Row = {
  name: CryptMethodName;
  prefix: string;
  complete: RegExp;
  cost?: (setting: string) => string | null;
  memory?: (setting: string) => number;
};

/** By prefix; the traditional ones, which have none, come last. */
const METHODS: readonly Row[] = [
  { name: 'md5', prefix: '$1$', complete: pattern(`\\$1\\$[^$]{0,8}\\$${C}{22}`) },
  { name: 'nt', prefix: '$3$', complete: pattern('\\$3\\$\\$[0-9a-f]{32}') },
  { name: 'sha256', prefix: '$5$', complete: sha('5', 43), cost: shaCost },
  { name: 'sha512', prefix: '$6$', complete: sha('6', 86), cost: shaCost },
  {
    name: 'scrypt',
    prefix: '$7$',
    complete: pattern(`\\$7\\$${C}{11}[^$]*\\$${C}{43}`),
    cost: scryptCost,
    memory: (stored) => octetsOf(scryptNumbers(stored)),
  },
  { name: 'bcrypt', prefix: '$2', complete: pattern(`\\$2[abxy]\\$\\d\\d\\$${C}{53}`), cost: bcryptCost },
  { name: 'yescrypt', prefix: '$y$', complete: yescrypt('y'), cost: yescryptCost, memory: yescryptMemory },
  {
    name: 'gost-yescrypt',
    prefix: '$gy$',
    complete: yescrypt('gy'),
    cost: yescryptCost,
    memory: yescryptMemory,
  },
  { name: 'sha1', prefix: '$sha1$', complete: pattern(`\\$sha1\\$\\d+\\$[^$]+\\$${C}{28}`), cost: sha1Cost },
  { name: 'sun-md5', prefix: '$md5', complete: pattern(`\\$md5[$,].+\\$${C}{22}`), cost: sunMd5Cost },
  { name: 'bsdi-des', prefix: '_', complete: pattern(`_${C}{19}`) },
];

const HEAVY = new Set<CryptMethodName>(['bcrypt', 'scrypt', 'yescrypt', 'gost-yescrypt']);

/** 13 characters; longer ones hash 8 octets of the phrase with each 11 more (bigcrypt). */
const DES = pattern(`${C}{2}(?:${C}{11})+`);

export function cryptMethod(stored: string): CryptMethod {
  const row = METHODS.find(({ prefix }) => stored.startsWith(prefix));
  if (row !== undefined) {
    const excess = row.cost?.(stored) ?? null;
    const memory = excess === null ? (row.memory?.(stored) ?? 0) : 0;
    return {
      name: row.name,
      heavy: HEAVY.has(row.name),
      memory,
      excess,
      complete: row.complete.test(stored),
    };
  }
  // libcrypt takes any two salt characters for DES; without a whole hash behind them it is no hash of any kind.
  const isDes = DES.test(stored);
  return { name: isDes ? 'des' : 'unknown', heavy: false, memory: 0, excess: null, complete: isDes };
}

function pattern(source: string): RegExp {
  return new RegExp(`^${source}$`);
}

function sha(digit: string, length: number): RegExp {
  return pattern(`\\$${digit}\\$(?:rounds=\\d+\\$)?[^$]{0,16}\\$${C}{${length}}`);
}

function yescrypt(prefix: string): RegExp {
  return pattern(`\\$${prefix}\\$${C}+\\$${C}*\\$${C}{43}`);
}

function shaCost(stored: string): string | null {
  return above('rounds', /^\$[56]\$rounds=(\d+)/.exec(stored)?.[1], CRYPT_MAXIMA.shaRounds);
}

function sha1Cost(stored: string): string | null {
  return above('rounds', /^\$sha1\$(\d+)/.exec(stored)?.[1], CRYPT_MAXIMA.shaRounds);
}

function sunMd5Cost(stored: string): string | null {
  return above('rounds', /^\$md5,rounds=(\d+)/.exec(stored)?.[1], CRYPT_MAXIMA.sunMd5Rounds);
}

function bcryptCost(stored: string): string | null {
  return above('cost', /^\$2[a-z]?\$(\d+)/.exec(stored)?.[1], CRYPT_MAXIMA.bcryptCost);
}

function above(what: string, digits: string | undefined, most: number): string | null {
  return digits !== undefined && Number(digits) > most ? `${what} above ${most}` : null;
}

/** What both are told of: log2 of N, r and p. */
type Numbers = { log2n: number; r: number; p: number };

function scryptCost(stored: string): string | null {
  return memoryCost(scryptNumbers(stored));
}

/** One digit for log2 N, five each for r and p, the lowest first. */
function scryptNumbers(stored: string): Numbers {
  const number = (from: number, to: number) =>
    Array.from(stored.slice(from, to)).reduceRight((sum, digit) => sum * 64 + DIGITS.indexOf(digit), 0);
  return { log2n: number(3, 4), r: number(4, 9), p: number(9, 14) };
}

function yescryptCost(stored: string): string | null {
  const numbers = yescryptNumbers(stored);
  return numbers === null ? 'parameters of an unusual form' : memoryCost(numbers);
}

function yescryptMemory(stored: string): number {
  const numbers = yescryptNumbers(stored);
  return numbers === null ? 0 : octetsOf(numbers);
}

/** Flavour, log2 N and r, each one digit that counts from 1, as every tool writes them; other spellings are not read. */
function yescryptNumbers(stored: string): Numbers | null {
  const [n, r] = /^\$g?y\$[./0-9A-Za-j]([./0-9A-Za-j])([./0-9A-Za-j])\$/.exec(stored)?.slice(1) ?? [];
  if (n === undefined || r === undefined) return null;
  return { log2n: DIGITS.indexOf(n) + 1, r: DIGITS.indexOf(r) + 1, p: 1 };
}

function octetsOf({ log2n, r, p }: Numbers): number {
  return 128 * r * (2 ** log2n + p);
}

function memoryCost({ log2n, r, p }: Numbers): string | null {
  const [memory, lanes] = [128 * r * 2 ** log2n, 128 * r * p];
  if (Math.max(memory, lanes) > CRYPT_MAXIMA.memory)
    return `memory above ${CRYPT_MAXIMA.memory / 1024 / 1024} MiB`;
  if (memory * p > CRYPT_MAXIMA.work) return `memory × p above ${CRYPT_MAXIMA.work / 1024 / 1024} MiB`;
  return null;
}
