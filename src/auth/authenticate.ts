import { localUser } from '../tables/teapop/local-user.ts';
import { type LookupResult, lookup } from '../tables/teapop/lookup.ts';
import { mailboxPath, type PlacedMailbox, placedMailbox } from '../tables/teapop/mailbox.ts';
import type { UserRow } from '../tables/teapop/model.ts';
import type { Soon } from '../tables/teapop/soon.ts';
import type { Attempt, AuthenticatorOptions } from './attempt.ts';
import type {
  Account,
  Authenticator,
  Decision,
  LoginClient,
  RejectReason,
  Salting,
} from './authenticator.ts';
import { createLoginCache } from './login-cache.ts';
import { sameLogin } from './masters.ts';
import { payPassword, payProof, payRefusal } from './price.ts';
import type { Proof } from './proofs.ts';
import { contextOf, type FoundRows, problemOf, type Tried } from './rows.ts';
import { saltOf } from './salting.ts';
import { createStandings } from './standings.ts';
import { orUnavailable, unavailable } from './unavailable.ts';
import type { Outcome } from './verifier.ts';

/**
 * Decides logins: credentials → lookup → password → local user.
 *
 * What the time of an answer tells. A refusal costs one hash of the dummy's kind, whether the domain, the user
 * or the password was wrong, the domain is rejected or locked out, or the credentials make no sense, and it
 * waits for its turn like any other. The same password again is remembered, and costs none, whatever was wrong with it.
 * What is left to see, before the delay that the session adds:
 * - whether the very same wrong password of the very same name was tried here lately, by whomever; of a user that
 *   there is, it costs a hash again once the row has changed;
 * - while logins wait for their turn, that a user has logged in here lately: his are preferred, see standings.ts;
 * - a userid that stands n times costs n hashes, MAX_SLOW_ROWS at most;
 * - a bcrypt, scrypt or yescrypt hash costs what its own parameters say; a fast crypt(3) hash (DES, MD5, SHA)
 *   adds its own microseconds or milliseconds to the dummy's time, until a better hash stands beside it, which is
 *   then all that is computed (made when the login is long answered, see upgrade.ts);
 * - an Argon2id hash made with other parameters than the dummy's costs those, until a sync, or for a better hash the
 *   next login, replaces it;
 * - an unknown domain saves the one round trip to the store that a userid costs;
 * - of a passwd entry the mailstore decides, in its own time.
 */

const NOBODY: LoginClient = { address: '', gone: undefined };

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { accounts, now = () => performance.now(), dummyMemory = 0, onError } = options;
  const { cache = createLoginCache(null), standings = createStandings() } = options;
  const shared = { ...options, accounts, now, dummyMemory, cache, standings };
  return {
    authenticate(credentials, localAddress, timings, client = NOBODY) {
      // What is the same for all is inherited: to copy it each time costs more than most of what is done with it.
      const attempt: Attempt = Object.create(shared);
      attempt.credentials = credentials;
      attempt.password = 'password' in credentials ? credentials.password : '';
      attempt.standsFor = '';
      attempt.localAddress = localAddress;
      attempt.timings = timings;
      attempt.client = client;
      return orUnavailable(onError, decide, attempt);
    },
    salt(user, localAddress, timings) {
      const salted = async (search: Search): Promise<Salting> => {
        const found = await findEntry(search, user);
        return { result: 'salted', salted: saltOf(options.scram!, found) };
      };
      return orUnavailable(onError, salted, { ...shared, localAddress, timings });
    },
  };
}

function decide(attempt: Attempt): Soon<Decision> {
  const { credentials, password } = attempt;
  const { user, authzid } = credentials;
  const fault = faultOf({ user, password, authzid }) ?? faultOfAuthzid(attempt);
  if (fault !== null) return refuse(attempt, fault);
  const found = findEntry(attempt, user);
  return found instanceof Promise ? decideLater(attempt, found) : decideFound(attempt, found);
}

async function decideLater(attempt: Attempt, found: Promise<LookupResult>): Promise<Decision> {
  return decideFound(attempt, await found);
}

function decideFound(attempt: Attempt, found: LookupResult): Soon<Decision> {
  if (found.result === 'none') return refuse(attempt, found.reason, found.entry?.domain);
  // No domain holds a NUL. Where any domain is taken a user has names without end, each as long as a line.
  attempt.standsFor = `${found.entry.domain}\0${found.login.userid}`;
  const { credentials } = attempt;
  if (credentials.mechanism === 'EXTERNAL') return checkNamed(attempt, found);
  if (!('password' in credentials)) return checkProof(attempt, found, credentials);
  return found.result === 'upstream' ? leaveToUpstream(attempt, found) : checkRows(attempt, found);
}

/** No octet of these can be sent on: C ends a string at NUL, POP3 a command at CR or LF. */
const UNSENDABLE = /[\0\r\n\u0100-\uffff]/;

type Stated = { user: string; password: string; authzid: string };

/** Why credentials are turned away before the tables are asked; null where they are not. */
export function faultOf({ user, password, authzid }: Stated): RejectReason | null {
  const isWrong = UNSENDABLE.test(user) || UNSENDABLE.test(password) || UNSENDABLE.test(authzid);
  return isWrong ? 'malformed' : null;
}

/** RFC 4616 §2: to act as somebody else is a right that masters alone have. */
function faultOfAuthzid(attempt: Attempt): RejectReason | null {
  const { credentials, masters } = attempt;
  return isActing(attempt) && masters?.isMaster(credentials.user) !== true ? 'authzid-refused' : null;
}

function isActing({ credentials: { user, authzid }, dividers }: Attempt): boolean {
  return authzid !== '' && !sameLogin(authzid, user, dividers);
}

type Search = Pick<Attempt, 'store' | 'dividers' | 'accounts' | 'localAddress' | 'now' | 'timings'>;

function findEntry(search: Search, user: string): Soon<LookupResult> {
  const { store, dividers, localAddress, now, timings } = search;
  const start = now();
  const found = lookup(store, user, localAddress, dividers, search);
  if (found instanceof Promise) return foundLater(search, start, found);
  timings.lookup += now() - start;
  return found;
}

async function foundLater({ timings, now }: Search, start: number, found: Promise<LookupResult>) {
  try {
    return await found;
  } finally {
    timings.lookup += now() - start;
  }
}

async function refuse(
  attempt: Attempt,
  reason: RejectReason,
  domain: string | null = null,
): Promise<Decision> {
  const outcome = await payRefusal(attempt, reason, domain);
  return outcome.ran ? { result: 'rejected', reason } : unavailable(outcome.reason);
}

type Found = Extract<LookupResult, { result: 'rows' | 'upstream' }>;

async function leaveToUpstream(attempt: Attempt, found: Found): Promise<Decision> {
  // Who the client is, is not known here: nobody can act by that.
  if (isActing(attempt)) return refuse(attempt, 'authzid-refused', found.entry.domain);
  const localUser = localUserOf(attempt, found, '');
  const { domain } = found.entry;
  // The account is what the client wrote: one that cannot be is no fault of the installation's.
  if (localUser === null) return refuse(attempt, 'unknown-user', domain);
  return { result: 'accepted', account: { localUser, mailbox: '', domain, upstreamChecks: true } };
}

/** An authority that signs for other domains, too, is not to make whoever bears a user's name elsewhere that user. */
function checkNamed(attempt: Attempt, found: Found): Soon<Decision> {
  if (isActing(attempt)) return actFor(attempt);
  const { login, entry } = found;
  const isStranger = login.domain !== null && entry.domain === 'default';
  return isStranger ? refuse(attempt, 'unknown-domain', entry.domain) : adopt(attempt, found);
}

/** What is no use here costs, and looks, like a wrong password. */
async function checkProof(attempt: Attempt, found: Found, proof: Proof): Promise<Decision> {
  const { domain } = found.entry;
  const offered = attempt.offers?.(domain, proof.mechanism) ?? false;
  // Of a passwd entry the mailstore knows the password, and only what the client sends can be sent on.
  if (!offered || found.result === 'upstream') return refuse(attempt, 'mechanism-unavailable', domain);
  const outcome = await payProof(attempt, found, proof);
  if (!outcome.ran) return unavailable(outcome.reason);
  const { value } = outcome;
  const decision = await admit(
    attempt,
    found,
    value,
    value.provable ? 'wrong-password' : 'mechanism-unavailable',
  );
  const serverSignature = value.serverSignature ?? null;
  return decision.result === 'accepted' && serverSignature !== null
    ? { ...decision, serverSignature }
    : decision;
}

function checkRows(attempt: Attempt, found: FoundRows): Soon<Decision> {
  const outcome = payPassword(attempt, found);
  return outcome instanceof Promise
    ? checkedLater(attempt, found, outcome)
    : checked(attempt, found, outcome);
}

async function checkedLater(
  attempt: Attempt,
  found: FoundRows,
  outcome: Promise<Outcome<Tried>>,
): Promise<Decision> {
  return checked(attempt, found, await outcome);
}

function checked(attempt: Attempt, found: FoundRows, outcome: Outcome<Tried>): Soon<Decision> {
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
): Soon<Decision> {
  for (const problem of problems) attempt.onError(problem);
  if (matched === null) {
    // A row that could not be checked might have been the one: that is no wrong password.
    return problems.length > 0 ? unavailable('internal') : { result: 'rejected', reason: otherwise };
  }
  attempt.standings.accepted(attempt.client.address, attempt.standsFor);
  return isActing(attempt) ? actFor(attempt) : letIn(attempt, found, matched);
}

/** The client is a master: whose maildrop it is to be, and whether that is one of those that he may open. */
async function actFor(attempt: Attempt): Promise<Decision> {
  const { credentials, masters } = attempt;
  const found = await findEntry(attempt, credentials.authzid);
  if (found.result === 'none' || !masters!.mayAct(credentials.user, found.entry.domain))
    return refuse(attempt, 'authzid-refused');
  return adopt(attempt, found);
}

/** An account that a master or a certificate stands for; of a userid that stands several times the first. */
function adopt(attempt: Attempt, found: Found): Decision {
  if (found.result === 'rows') return letIn(attempt, found, found.rows[0]!, true);
  const localUser = localUserOf(attempt, found, '');
  if (localUser === null) return unavailable('no-local-user');
  const { domain } = found.entry;
  const account = { localUser, mailbox: '', domain, upstreamChecks: false, vouched: true } as const;
  return { result: 'accepted', account };
}

function letIn(attempt: Attempt, found: FoundRows, row: UserRow, vouched = false): Decision {
  const { entry } = found;
  const { serverField } = attempt;
  const { mailbox, server }: PlacedMailbox = serverField
    ? placedMailbox(row.mailbox)
    : { mailbox: row.mailbox };
  const localUser = localUserOf(attempt, found, mailbox);
  if (localUser === null) return unavailable('no-local-user');
  const path = mailboxPath(entry, mailbox);
  const account: Account = { localUser, mailbox: path, domain: entry.domain, upstreamChecks: false };
  if (vouched) account.vouched = true;
  if (server !== undefined) account.server = server;
  const rowPassword = passwordOf(attempt, found, row);
  return rowPassword === null
    ? { result: 'accepted', account }
    : { result: 'accepted', account, rowPassword };
}

/** Null where nobody wants it, or the row has a hash. */
function passwordOf(
  { sendsRow, passwords, onError }: Attempt,
  found: FoundRows,
  row: UserRow,
): string | null {
  if (sendsRow?.(found.entry.domain) !== true) return null;
  try {
    return passwords.reveal(row.secret, contextOf(found));
  } catch (cause) {
    onError(problemOf(row, cause));
    return null;
  }
}

function localUserOf(attempt: Attempt, { entry, login }: Found, mailbox: string): string | null {
  const { type, uid } = entry;
  const { userid, domain } = login;
  return localUser(attempt.localUserRule(entry.domain), { type, userid, domain, mailbox, uid });
}
