import type { Credentials } from '../pop3/credentials.ts';
import { type LocalUserRule, localUser } from '../tables/teapop/local-user.ts';
import { type LookupResult, lookup } from '../tables/teapop/lookup.ts';
import { mailboxPath } from '../tables/teapop/mailbox.ts';
import type { Accounts } from '../tables/teapop/model.ts';
import { type TableStore, TablesUnavailable } from '../tables/teapop/store.ts';
import type {
  Authenticator,
  Decision,
  RejectReason,
  Salting,
  Timings,
  UnavailableReason,
} from './authenticator.ts';
import { createLoginCache, type LoginCache } from './login-cache.ts';
import { isSlowProof, type Proof, type Proven, tryProof } from './proofs.ts';
import { type FoundRows, isSlow, type Tried, tryRows } from './rows.ts';
import { type ScramRule, saltOf } from './salting.ts';
import type { Passwords } from './scheme.ts';
import type { Upgrader } from './upgrade.ts';
import type { Outcome, Verifier } from './verifier.ts';

/**
 * Decides logins: credentials → lookup → password → local user.
 *
 * What the time of an answer tells. A refusal costs one hash of the dummy's kind, whether the domain, the user
 * or the password was wrong, the domain is rejected or locked out, or the credentials make no sense, and it
 * waits for its turn like any other. The same password again is remembered, and costs none, whatever was wrong with it.
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
  /**
   * Takes the time of a verification as it is usual in the tables of this domain (that of the entry that decided,
   * null where none did), see argon2Dummy.
   */
  dummy: (password: string, domain: string | null) => Promise<unknown>;
  /** Whether the domain of an entry offers a mechanism that the password is not sent by; without it none does. */
  offers?: ((domain: string, mechanism: Proof['mechanism']) => boolean) | undefined;
  /** Null where no domain offers SCRAM. */
  scram?: ScramRule | null | undefined;
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
type Attempt = Required<Pick<AuthenticatorOptions, 'now' | 'cache'>> &
  AuthenticatorOptions & {
    accounts: Accounts | undefined;
    credentials: Credentials;
    /** As the client sent it; '' where it sent a proof. */
    password: string;
    timings: Timings;
    signal: AbortSignal | undefined;
  };

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { accounts, now = () => performance.now(), cache = createLoginCache(null), onError } = options;
  const shared = { ...options, accounts, now, cache };
  return {
    authenticate(credentials, localAddress, timings, signal) {
      const password = 'password' in credentials ? credentials.password : '';
      const attempt = { ...shared, credentials, password, timings, signal };
      return orUnavailable(onError, () => decide(attempt, localAddress));
    },
    salt(user, localAddress, timings) {
      return orUnavailable<Salting>(onError, async () => {
        const found = await findEntry({ ...shared, user, timings }, localAddress);
        return { result: 'salted', salted: saltOf(options.scram!, found) };
      });
    },
  };
}

async function orUnavailable<T>(
  onError: AuthenticatorOptions['onError'],
  ask: () => Promise<T>,
): Promise<T | Unavailable> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TablesUnavailable) return unavailable('tables-unavailable');
    onError(error instanceof Error ? error : new Error('login failed', { cause: error }));
    return unavailable('internal');
  }
}

async function decide(attempt: Attempt, localAddress: string): Promise<Decision> {
  const { credentials, password } = attempt;
  const { user, authzid } = credentials;
  const fault = faultOf({ user, password, authzid });
  if (fault !== null) return refuse(attempt, fault);
  const found = await findEntry({ ...attempt, user }, localAddress);
  if (found.result === 'none') return refuse(attempt, found.reason, found.entry?.domain);
  if (!('password' in credentials)) return checkProof(attempt, found, credentials);
  return found.result === 'upstream' ? leaveToUpstream(attempt, found) : checkRows(attempt, found);
}

/** No octet of these can be sent on: C ends a string at NUL, POP3 a command at CR or LF. */
const UNSENDABLE = /[\0\r\n\u0100-\uffff]/;

type Stated = { user: string; password: string; authzid: string };

/** Why credentials are turned away before the tables are asked; null where they are not. */
export function faultOf({ user, password, authzid }: Stated): RejectReason | null {
  if (UNSENDABLE.test(user) || UNSENDABLE.test(password)) return 'malformed';
  // RFC 4616 §2: to act as somebody else is a right that nobody has here.
  return authzid === '' || authzid === user ? null : 'authzid-refused';
}

type Search = Pick<Attempt, 'store' | 'dividers' | 'accounts' | 'now' | 'timings'> & { user: string };

async function findEntry(search: Search, localAddress: string): Promise<LookupResult> {
  const { store, dividers, accounts, user, now, timings } = search;
  const start = now();
  try {
    return await lookup(store, user, localAddress, dividers, { accounts });
  } finally {
    timings.lookup = now() - start;
  }
}

/** Turns a login away at the price of a verification; the same password again is turned away for nothing. */
async function refuse(
  attempt: Attempt,
  reason: RejectReason,
  domain: string | null = null,
): Promise<Decision> {
  const { cache, credentials, dummy, password } = attempt;
  // Of a proof each one is another, and whoever is there is to cost no more than whoever is not.
  const mark = 'password' in credentials ? cache.ofRefusal(reason, credentials) : null;
  const isKnown = () => mark !== null && cache.recall(mark) !== undefined;
  if (isKnown()) return { result: 'rejected', reason };
  const outcome = await inTurn(attempt, async () => {
    if (isKnown()) return;
    await dummy(password, domain);
    if (mark !== null) cache.keep(mark, null);
  });
  return outcome.ran ? { result: 'rejected', reason } : unavailable(outcome.reason);
}

type Found = Extract<LookupResult, { result: 'rows' | 'upstream' }>;

async function leaveToUpstream(attempt: Attempt, found: Found): Promise<Decision> {
  const name = localUserOf(attempt, found, '');
  // The account is what the client wrote: one that cannot be is no fault of the installation's.
  return name === null ? refuse(attempt, 'unknown-user', found.entry.domain) : accepted(found, name, '');
}

/** What is no use here costs, and looks, like a wrong password. */
async function checkProof(attempt: Attempt, found: Found, proof: Proof): Promise<Decision> {
  const { domain } = found.entry;
  const offered = attempt.offers?.(domain, proof.mechanism) ?? false;
  // Of a passwd entry the mailstore knows the password, and only what the client sends can be sent on.
  if (!offered || found.result === 'upstream') return refuse(attempt, 'mechanism-unavailable', domain);
  const outcome = await prove(attempt, found, proof);
  if (!outcome.ran) return unavailable(outcome.reason);
  const { value } = outcome;
  const decision = admit(attempt, found, value, value.provable ? 'wrong-password' : 'mechanism-unavailable');
  const serverSignature = value.serverSignature ?? null;
  return decision.result === 'accepted' && serverSignature !== null
    ? { ...decision, serverSignature }
    : decision;
}

/** A proof that nothing must be hashed for is checked at once; one that fails has the price of a wrong password. */
async function prove(attempt: Attempt, found: FoundRows, proof: Proof): Promise<Outcome<Proven>> {
  const { passwords, dummy } = attempt;
  const early = isSlowProof(found, proof) ? null : await tryProof(passwords, found, proof);
  if (early !== null && early.matched !== null) return { ran: true, value: early };
  return inTurn(attempt, async () => {
    const proven = early ?? (await tryProof(passwords, found, proof));
    if (proven.matched === null) await dummy('', found.entry.domain);
    return proven;
  });
}

async function checkRows(attempt: Attempt, found: FoundRows): Promise<Decision> {
  const outcome = await match(attempt, found);
  if (!outcome.ran) return unavailable(outcome.reason);
  const { matched } = outcome.value;
  if (matched !== null) attempt.upgrader?.accepted(found, matched, attempt.password);
  return admit(attempt, found, outcome.value, 'wrong-password');
}

function admit(
  attempt: Attempt,
  found: FoundRows,
  { matched, problems }: Tried,
  otherwise: RejectReason,
): Decision {
  for (const problem of problems) attempt.onError(problem);
  if (matched === null) {
    // A row that could not be checked might have been the one: that is no wrong password.
    return problems.length > 0 ? unavailable('internal') : { result: 'rejected', reason: otherwise };
  }
  const name = localUserOf(attempt, found, matched.mailbox);
  if (name === null) return unavailable('no-local-user');
  return accepted(found, name, mailboxPath(found.entry, matched.mailbox));
}

/**
 * Rows that cost nothing are tried at once, others are remembered or tried in turn; either way a password that fits
 * none has its price, once.
 */
async function match(attempt: Attempt, found: FoundRows): Promise<Outcome<Tried>> {
  const { passwords, cache, password } = attempt;
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
  { passwords, dummy, cache, password }: Attempt,
  found: FoundRows,
  early: Tried | null,
  mark: string,
): Promise<Tried> {
  const tried = early ?? (await tryRows(passwords, found, password));
  if (tried.matched === null && !tried.heavy) await dummy(password, found.entry.domain);
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

type Unavailable = { result: 'unavailable'; reason: UnavailableReason };

function unavailable(reason: UnavailableReason): Unavailable {
  return { result: 'unavailable', reason };
}
