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
    hashProblem: (hash) => inspectSecret(hash, 'htpasswd').problem ?? methodProblem(hash, libcrypt),
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

/** A whole hash of a method that this host's libcrypt was built without. */
function methodProblem(hash: string, libcrypt: () => Libcrypt): string | null {
  try {
    const { library, support } = libcrypt();
    return support(hash) === 'unsupported' ? `a method of crypt(3) that ${library} does not know` : null;
  } catch (error) {
    // Nothing can be told here, and the proxies' hosts may well have one.
    if (error instanceof LibcryptMissing) return null;
    throw error;
  }
}
