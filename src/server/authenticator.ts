import { argon2Dummy } from '../auth/argon2.ts';
import type { AuthenticatorOptions } from '../auth/attempt.ts';
import { createAuthenticator } from '../auth/authenticate.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { ExplainOptions } from '../auth/explain.ts';
import { createLoginCache, type LoginCache } from '../auth/login-cache.ts';
import { createMasters } from '../auth/masters.ts';
import { createPasswords } from '../auth/scheme.ts';
import { scramDummy } from '../auth/scram.ts';
import { createScramSalts, type ScramSalts } from '../auth/scram-salts.ts';
import { createSealer, readSealKey, type Sealer } from '../auth/seal.ts';
import { createUpgrader, type UpgradeOutcome } from '../auth/upgrade.ts';
import { createVerifier, type Verifier } from '../auth/verifier.ts';
import { keepingOf, offersOf, serves } from '../config/mechanisms.ts';
import { sendsRow } from '../config/routing.ts';
import type { Config } from '../config/schema.ts';
import type { Log } from '../ops/log.ts';
import { printableOctets } from '../ops/printable.ts';
import { readAccounts } from '../tables/sources/accounts.ts';
import type { TableStore } from '../tables/teapop/store.ts';

/** Where hashes are computed, and what spares them. */
export type Hashing = { verifier: Verifier; cache: LoginCache };

/** For so many hashes at once, of the parameters that new ones have. */
export function createHashing({ passwords }: Config): Hashing {
  const { concurrency, queue, argon2, cache } = passwords;
  const verifier = createVerifier({ concurrency, queue, memory: concurrency * argon2.memory });
  return { verifier, cache: createLoginCache(cache) };
}

/** Rejects with an Error that names the file that cannot be read. */
export async function openAuthenticator(
  config: Config,
  store: TableStore,
  { verifier, cache }: Hashing,
  log: Log,
): Promise<Authenticator> {
  const { argon2, upgrade } = config.passwords;
  const rules = await decisionRules(config);
  const onOutcome = (outcome: UpgradeOutcome) => report(outcome, log);
  return createAuthenticator({
    ...rules,
    store,
    verifier,
    cache,
    dummy: dummyRule(config),
    dummyMemory: argon2.memory,
    scram: await openScramSalts(config),
    sendsRow: rowRule(config),
    onError: (error) => log.event('error', 'login-error', { detail: error.message }),
    upgrader: createUpgrader({ store, verifier, params: argon2, methods: upgrade, onOutcome }),
  });
}

/** What the config says of how a login is decided. Rejects with an Error that names the file that cannot be read. */
export async function decisionRules(config: Config): Promise<Omit<ExplainOptions, 'store'>> {
  const { tables } = config;
  const { dividers, accounts, domains, localUser } = tables;
  return {
    dividers,
    accounts: accounts === 'any' ? undefined : await readAccounts(accounts),
    passwords: createPasswords({ sealer: await openSealer(config) }),
    localUserRule: (domain) => domains.get(domain)?.localUser ?? localUser,
    offers: (domain, mechanism) => serves(mechanism, offersOf(tables, domain)),
    masters: createMasters(tables.masters, dividers),
    serverField: tables.serverField,
  };
}

/** Undefined where no mailstore wants to know. */
function rowRule(config: Config): ((domain: string) => boolean) | undefined {
  const any = config.upstreams.some(({ login }) => login.mode === 'row');
  return any ? (domain) => sendsRow(config, domain) : undefined;
}

/** What a wrong password costs in a domain, with the secrets as `sync` makes them. */
function dummyRule(config: Config): AuthenticatorOptions['dummy'] {
  const { passwords } = config;
  const usual = argon2Dummy(passwords.argon2);
  const scram = scramDummy(passwords.scramIterations);
  const keepsKeys = (domain: string) =>
    config.tables.source === 'redis' && keepingOf(config, domain) === 'scram';
  return (password, domain) => (domain !== null && keepsKeys(domain) ? scram(password) : usual(password));
}

/** At debug: a hash that is not upgraded now is upgraded later, and nobody waits for it. */
function report({ result, userid, method, detail }: UpgradeOutcome, log: Log): void {
  const fields = { user: printableOctets(userid), method };
  if (result === 'stored') log.event('debug', 'hash-upgraded', fields);
  else log.event('debug', 'hash-not-upgraded', { ...fields, detail: detail === '' ? result : detail });
}

/** Null where no key is configured. */
export async function openSealer({ passwords }: Config): Promise<Sealer | null> {
  return passwords.sealKeyFile === null ? null : createSealer(await readSealKey(passwords.sealKeyFile));
}

/** Null where no key is configured. */
export async function openScramSalts({ passwords }: Config): Promise<ScramSalts | null> {
  const { sealKeyFile, scramIterations } = passwords;
  return sealKeyFile === null ? null : createScramSalts(await readSealKey(sealKeyFile), scramIterations);
}
