import type { Credentials } from '../pop3/sasl.ts';
import { type LocalUserRule, localUser } from '../tables/teapop/local-user.ts';
import { type LookupResult, lookup } from '../tables/teapop/lookup.ts';
import { mailboxPath } from '../tables/teapop/mailbox.ts';
import type { Accounts } from '../tables/teapop/model.ts';
import { type TableStore, TablesUnavailable } from '../tables/teapop/store.ts';
import type { Authenticator, Decision, RejectReason, Timings, UnavailableReason } from './authenticator.ts';
import { createLoginCache, type LoginCache } from './login-cache.ts';
import { type FoundRows, isSlow, type Tried, tryRows } from './rows.ts';
import type { Passwords } from './scheme.ts';
import type { Upgrader } from './upgrade.ts';
import type { Outcome, Verifier } from './verifier.ts';

/**
 * Decides logins: credentials → lookup → password → local user.
 *
 * What the time of an answer tells. A refusal costs one hash of the dummy's kind, whether the domain, the user
 * or the password was wrong, the domain is rejected or locked out, or the credentials make no sense, and it
 * waits for its turn like any other. The same login again is remembered, and costs none, whatever was wrong with it.
 * What is left to see, before the delay that the session adds:
 * - whether the very same wrong password of the very same name was tried here lately, by whomever; of a user that
 *   there is, it costs a hash again once the row has changed;
 * - a userid that stands n times costs n hashes, MAX_SLOW_ROWS at most;
 * - a bcrypt, scrypt or yescrypt hash costs what its own parameters say; a fast crypt(3) hash (DES, MD5, SHA)
 *   adds its own microseconds or milliseconds to the dummy's time, until a better hash stands beside it, which is
 *   then all that is computed (made when the login is long answered, see upgrade.ts);
 * - an Argon2id hash made with other parameters than the dummy's costs those, until a sync, or for a better hash the
 *   next login, replaces it;
 * - an unknown domain saves the one round trip to the store that a userid costs;
 * - of a passwd entry the mailstore decides, in its own time.
 */

export type AuthenticatorOptions = {
  store: TableStore;
  /** teapop's dividers, '@%' as shipped. */
  dividers: string;
  /** For entries whose uid is '+'; without it any account exists. */
  accounts?: Accounts | undefined;
  passwords: Passwords;
  verifier: Verifier;
  /** Takes the time of a verification as it is usual in these tables, see argon2Dummy. */
  dummy: (password: string) => Promise<unknown>;
  /** The rule for the domain of the entry that decided: ASCII lower case, 'default' and 'empty' among them. */
  localUserRule: (domain: string) => LocalUserRule;
  /** Told what the operator must mend. A message of this room holds no secret and nothing that a client sent. */
  onError: (error: Error) => void;
  /** Told of each password that a row accepted; null where none is to be hashed anew. */
  upgrader?: Upgrader | null | undefined;
  /** What is known of logins before; without it each one is hashed. */
  cache?: LoginCache;
  /** Milliseconds from any start. */
  now?: () => number;
};

/** One login on its way. */
type Attempt = Required<Omit<AuthenticatorOptions, 'accounts' | 'upgrader'>> & {
  accounts: Accounts | undefined;
  upgrader?: Upgrader | null | undefined;
  credentials: Credentials;
  timings: Timings;
  signal: AbortSignal | undefined;
};

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { accounts, now = () => performance.now(), cache = createLoginCache(null) } = options;
  return {
    async authenticate(credentials, localAddress, timings, signal) {
      try {
        return await decide({ ...options, accounts, now, cache, credentials, timings, signal }, localAddress);
      } catch (error) {
        if (error instanceof TablesUnavailable) return unavailable('tables-unavailable');
        options.onError(error instanceof Error ? error : new Error('login failed', { cause: error }));
        return unavailable('internal');
      }
    },
  };
}

async function decide(attempt: Attempt, localAddress: string): Promise<Decision> {
  const fault = faultOf(attempt.credentials);
  if (fault !== null) return refuse(attempt, fault);
  const found = await findEntry(attempt, localAddress);
  switch (found.result) {
    case 'none':
      return refuse(attempt, found.reason);
    case 'upstream':
      return leaveToUpstream(attempt, found);
    case 'rows':
      return checkRows(attempt, found);
  }
}

/** No octet of these can be sent on: C ends a string at NUL, POP3 a command at CR or LF. */
const UNSENDABLE = /[\0\r\n\u0100-\uffff]/;

/** Why credentials are turned away before the tables are asked; null where they are not. */
export function faultOf({ user, password, authzid }: Omit<Credentials, 'mechanism'>): RejectReason | null {
  if (UNSENDABLE.test(user) || UNSENDABLE.test(password)) return 'malformed';
  // RFC 4616 §2: to act as somebody else is a right that nobody has here.
  return authzid === '' || authzid === user ? null : 'authzid-refused';
}

async function findEntry(attempt: Attempt, localAddress: string): Promise<LookupResult> {
  const { store, dividers, accounts, credentials, now } = attempt;
  const start = now();
  try {
    return await lookup(store, credentials.user, localAddress, dividers, { accounts });
  } finally {
    attempt.timings.lookup = now() - start;
  }
}

/** Turns a login away at the price of a verification; the same login again is turned away for nothing. */
async function refuse(attempt: Attempt, reason: RejectReason): Promise<Decision> {
  const { cache, credentials, dummy } = attempt;
  const mark = cache.ofRefusal(reason, credentials);
  if (cache.recall(mark) !== undefined) return { result: 'rejected', reason };
  const outcome = await inTurn(attempt, async () => {
    if (cache.recall(mark) !== undefined) return;
    await dummy(credentials.password);
    cache.keep(mark, null);
  });
  return outcome.ran ? { result: 'rejected', reason } : unavailable(outcome.reason);
}

type Found = Extract<LookupResult, { result: 'rows' | 'upstream' }>;

async function leaveToUpstream(attempt: Attempt, found: Found): Promise<Decision> {
  const name = localUserOf(attempt, found, '');
  // The account is what the client wrote: one that cannot be is no fault of the installation's.
  return name === null ? refuse(attempt, 'unknown-user') : accepted(found, name, '');
}

async function checkRows(attempt: Attempt, found: FoundRows): Promise<Decision> {
  const outcome = await match(attempt, found);
  if (!outcome.ran) return unavailable(outcome.reason);
  const { matched, problems } = outcome.value;
  for (const problem of problems) attempt.onError(problem);
  if (matched === null) {
    // A row that could not be checked might have been the one: that is no wrong password.
    return problems.length > 0 ? unavailable('internal') : { result: 'rejected', reason: 'wrong-password' };
  }
  attempt.upgrader?.accepted(found, matched, attempt.credentials.password);
  const name = localUserOf(attempt, found, matched.mailbox);
  if (name === null) return unavailable('no-local-user');
  return accepted(found, name, mailboxPath(found.entry, matched.mailbox));
}

/**
 * Rows that cost nothing are tried at once, others are remembered or tried in turn; either way a password that fits
 * none has its price, once.
 */
async function match(attempt: Attempt, found: FoundRows): Promise<Outcome<Tried>> {
  const { passwords, cache } = attempt;
  const { password } = attempt.credentials;
  const early = isSlow(found) ? null : await tryRows(passwords, found, password);
  if (early !== null && early.matched !== null) return { ran: true, value: early };
  const mark = cache.ofRows(found, password);
  const known = recalled(cache, mark, found);
  if (known !== null) return { ran: true, value: early ?? known };
  // Of several that wait with the same password the first one's turn decides.
  return inTurn(attempt, async () => recalled(cache, mark, found) ?? compute(attempt, found, early, mark));
}

function recalled(cache: LoginCache, mark: string, { rows }: FoundRows): Tried | null {
  const place = cache.recall(mark);
  if (place === undefined) return null;
  return { matched: place === null ? null : rows[place]!, heavy: false, problems: [] };
}

async function compute(
  { passwords, dummy, cache, credentials }: Attempt,
  found: FoundRows,
  early: Tried | null,
  mark: string,
): Promise<Tried> {
  const { password } = credentials;
  const tried = early ?? (await tryRows(passwords, found, password));
  if (tried.matched === null && !tried.heavy) await dummy(password);
  // What could not be checked is to be told each time.
  if (tried.problems.length === 0)
    cache.keep(mark, tried.matched === null ? null : found.rows.indexOf(tried.matched));
  return tried;
}

/** The time of a verification includes the wait for its turn. */
async function inTurn<T>(attempt: Attempt, task: () => Promise<T>): Promise<Outcome<T>> {
  const { verifier, signal, now } = attempt;
  const start = now();
  try {
    return await verifier.run(task, signal);
  } finally {
    attempt.timings.verify = now() - start;
  }
}

function localUserOf(attempt: Attempt, { entry, login }: Found, mailbox: string): string | null {
  const { type, uid } = entry;
  const { userid, domain } = login;
  return localUser(attempt.localUserRule(entry.domain), { type, userid, domain, mailbox, uid });
}

function accepted({ entry, result }: Found, name: string, mailbox: string): Decision {
  const upstreamChecks = result === 'upstream';
  return { result: 'accepted', account: { localUser: name, mailbox, domain: entry.domain, upstreamChecks } };
}

function unavailable(reason: UnavailableReason): Decision {
  return { result: 'unavailable', reason };
}
