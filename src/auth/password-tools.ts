import type { PasswordTools, ScramMaker } from '../tables/teapop/password-tools.ts';
import { type Argon2Params, hashPassword, needsRehash } from './argon2.ts';
import { type Libcrypt, LibcryptMissing, openLibcrypt } from './libcrypt.ts';
import { inspectSecret } from './scheme.ts';
import { formatKeys, makeKeys, parseKeys } from './scram.ts';
import type { ScramSalts } from './scram-salts.ts';
import type { Sealer } from './seal.ts';

/** The schemes, as publishing tables wants them. */
export function createPasswordTools(
  params: Argon2Params,
  sealer: Sealer | null,
  salts: ScramSalts | null = null,
  libcrypt: () => Libcrypt = openLibcrypt,
): PasswordTools {
  const { memory, time, parallelism } = params;
  return {
    hash: (password) => hashPassword(password, params),
    isCurrent: (stored) => !needsRehash(stored, params),
    hashSettings: `argon2id,m=${memory},t=${time},p=${parallelism}`,
    sealer,
    scram: salts && scramMaker(salts),
    hashProblem: hashProblems(libcrypt),
  };
}

function scramMaker({ keyId, iterations, saltOf }: ScramSalts): ScramMaker {
  return {
    settings: `i=${iterations},salts=${keyId}`,
    make: async (password, place) => formatKeys(await makeKeys(password, saltOf(place))),
    isCurrent(stored, place) {
      const keys = parseKeys(stored);
      return typeof keys !== 'string' && keys.iterations === iterations && keys.salt === saltOf(place).salt;
    },
  };
}

/** What tells a method of crypt(3), the traditional ones by having none. */
const METHOD_PREFIX = /^(?:\$[^$,]*[$,]|_|)/;

/** Asked for each of ten million rows: libcrypt is opened once, and asked once for each method. */
function hashProblems(openIt: () => Libcrypt): PasswordTools['hashProblem'] {
  let libcrypt: Libcrypt | null | undefined;
  const ofMethods = new Map<string, string | null>();

  function ofMethod(hash: string): string | null {
    if (libcrypt === undefined) libcrypt = openIfThere(openIt);
    // Nothing can be told here, and the proxies' hosts may well have one.
    if (libcrypt?.support(hash) !== 'unsupported') return null;
    return `a method of crypt(3) that ${libcrypt.library} does not know`;
  }

  return (hash) => {
    const { problem } = inspectSecret(hash, 'htpasswd');
    if (problem !== null) return problem;
    // Of a whole hash of a known method: these prefixes are few.
    const [prefix] = METHOD_PREFIX.exec(hash)!;
    let known = ofMethods.get(prefix);
    if (known === undefined) {
      known = ofMethod(hash);
      ofMethods.set(prefix, known);
    }
    return known;
  };
}

function openIfThere(openIt: () => Libcrypt): Libcrypt | null {
  try {
    return openIt();
  } catch (error) {
    if (error instanceof LibcryptMissing) return null;
    throw error;
  }
}
