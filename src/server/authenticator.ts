import { argon2Dummy } from '../auth/argon2.ts';
import { createAuthenticator } from '../auth/authenticate.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { createPasswords } from '../auth/scheme.ts';
import { createSealer, readSealKey, type Sealer } from '../auth/seal.ts';
import type { Verifier } from '../auth/verifier.ts';
import type { Config } from '../config/schema.ts';
import type { Log } from '../ops/log.ts';
import { readAccounts } from '../tables/accounts.ts';
import type { TableStore } from '../tables/store.ts';

/** Rejects with an Error that names the file that cannot be read. */
export async function openAuthenticator(
  config: Config,
  store: TableStore,
  verifier: Verifier,
  log: Log,
): Promise<Authenticator> {
  const { dividers, accounts, domains, localUser } = config.tables;
  return createAuthenticator({
    store,
    dividers,
    accounts: accounts === 'any' ? undefined : await readAccounts(accounts),
    passwords: createPasswords({ sealer: await openSealer(config) }),
    verifier,
    dummy: argon2Dummy(config.passwords.argon2),
    localUserRule: (domain) => domains.get(domain)?.localUser ?? localUser,
    onError: (error) => log.event('error', 'login-error', { detail: error.message }),
  });
}

/** Null where no key is configured. */
export async function openSealer({ passwords }: Config): Promise<Sealer | null> {
  return passwords.sealKeyFile === null ? null : createSealer(await readSealKey(passwords.sealKeyFile));
}
