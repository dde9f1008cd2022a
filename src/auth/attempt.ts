import type { Credentials } from '../pop3/credentials.ts';
import type { LocalUserRule } from '../tables/teapop/local-user.ts';
import type { Accounts } from '../tables/teapop/model.ts';
import type { TableStore } from '../tables/teapop/store.ts';
import type { LoginClient, Timings } from './authenticator.ts';
import type { LoginCache } from './login-cache.ts';
import type { Masters } from './masters.ts';
import type { Proof } from './proofs.ts';
import type { ScramRule } from './salting.ts';
import type { Passwords } from './scheme.ts';
import type { Standings } from './standings.ts';
import type { Upgrader } from './upgrade.ts';
import type { Verifier } from './verifier.ts';

export type AuthenticatorOptions = {
  store: TableStore;
  /** teapop's dividers, '@%' as shipped. */
  dividers: string;
  /** For entries whose uid is '+'; without it any account exists. */
  accounts?: Accounts | undefined;
  passwords: Passwords;
  verifier: Verifier;
  /**
   * Takes the time of a verification as it is usual in the tables of this domain (that of the entry that decided,
   * null where none did), see argon2Dummy.
   */
  dummy: (password: string, domain: string | null) => Promise<unknown>;
  /** Octets that it takes at most; default 0. */
  dummyMemory?: number;
  /** Whether the domain of an entry offers a mechanism that the password is not sent by; without it none does. */
  offers?: ((domain: string, mechanism: Proof['mechanism']) => boolean) | undefined;
  /** Null where no domain offers SCRAM. */
  scram?: ScramRule | null | undefined;
  /** Who may act for others; without it nobody. */
  masters?: Masters | undefined;
  /** The rule for the domain of the entry that decided: ASCII lower case, 'default' and 'empty' among them. */
  localUserRule: (domain: string) => LocalUserRule;
  /** Behind its mailbox a row may name the server that has the maildrop. */
  serverField?: boolean;
  /** Whether the mailstore of a domain is to be sent what the row holds for a password; without it none is. */
  sendsRow?: ((domain: string) => boolean) | undefined;
  /** Told what the operator must mend. A message of this room holds no secret and nothing that a client sent. */
  onError: (error: Error) => void;
  /** Told of each password that a row accepted; null where none is to be hashed anew. */
  upgrader?: Upgrader | null | undefined;
  /** What is known of logins before; without it each one is hashed. */
  cache?: LoginCache;
  /** Whose turn comes first; without them all start alike. */
  standings?: Standings;
  /** Milliseconds from any start. */
  now?: () => number;
};

/** One login on its way. */
export type Attempt = Required<Pick<AuthenticatorOptions, 'now' | 'cache' | 'standings' | 'dummyMemory'>> &
  AuthenticatorOptions & {
    accounts: Accounts | undefined;
    credentials: Credentials;
    /** As the client sent it; '' where it sent a proof. */
    password: string;
    /** Whose standing counts, whatever spelling the client has of the name; '' where there is no such user. */
    standsFor: string;
    /** The address that the client connected to. */
    localAddress: string;
    timings: Timings;
    client: LoginClient;
  };
