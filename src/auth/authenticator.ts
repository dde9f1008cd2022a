import type { Credentials, ScramSalt } from '../pop3/credentials.ts';
import type { Soon } from '../tables/teapop/soon.ts';

/**
 * The answer to a login, before the mailstore was asked. `reason` is bounded and fit for a metric label; it
 * goes to the log, never to the client.
 */
export type Decision =
  /** `rowPassword` is what the row holds, for a mailstore that is to be sent that. */
  | { result: 'accepted'; account: Account; serverSignature?: string; rowPassword?: string }
  | { result: 'rejected'; reason: RejectReason }
  | { result: 'unavailable'; reason: UnavailableReason };

export type RejectReason =
  | 'unknown-domain'
  | 'unknown-user'
  | 'wrong-password'
  | 'domain-rejected'
  | 'locked-out'
  | 'authzid-refused'
  // The row holds nothing that the mechanism could be answered by, or the domain does not offer it.
  | 'mechanism-unavailable'
  | 'malformed';

export type UnavailableReason =
  | 'tables-unavailable'
  | 'verify-queue-full'
  | 'no-local-user'
  // Given up because of the signal; nobody waits for the answer.
  | 'client-gone'
  | 'internal';

/** Whom to open the upstream session for. */
export type Account = {
  /** The mapped local user. */
  localUser: string;
  /** Full path of the maildrop; '' where the mailstore knows it alone (passwd). */
  mailbox: string;
  /** The domain entry that decided, ASCII lower case; '' for a blank one. */
  domain: string;
  /** The server that has the maildrop, by the name that the row has for it, whatever that is. */
  server?: string;
  /** True where the upstream checks the password (type passwd): its -ERR is then a failed login. */
  upstreamChecks: boolean;
  /** A master or a certificate stands for it: what password the client sent, if any, is not this account's. */
  vouched?: true;
};

/** What SCRAM's client is to salt its password with. */
export type Salting =
  | { result: 'salted'; salted: ScramSalt }
  | { result: 'unavailable'; reason: UnavailableReason };

export interface Authenticator {
  /**
   * Decides a login: at once where all that it takes is in memory, and no hash is to be computed. Never throws or
   * rejects. Takes the same time for an unknown user as for a wrong password. What is accepted
   * by SCRAM comes with the server's signature.
   * @param localAddress the address that the client connected to, for `<localip>` matching
   * @param client without one, nobody is to be told apart and nobody leaves
   */
  authenticate(
    credentials: Credentials,
    localAddress: string,
    timings: Timings,
    client?: LoginClient,
  ): Soon<Decision>;
  /** The first half of SCRAM. Never throws or rejects. Tells nothing of whether there is such a user. */
  salt(user: string, localAddress: string, timings: Timings): Soon<Salting>;
}

/** Whose login it is, as far as its turn goes. */
export type LoginClient = {
  /** Textual IP address, IPv4-mapped ones as IPv4. */
  address: string;
  /** Aborted when the client is gone: a login that still waits for its turn costs nothing then. */
  readonly gone: AbortSignal | undefined;
};

/** Filled in by the authenticator, in milliseconds; for the log and the metrics. */
export type Timings = { lookup: number; verify: number };
