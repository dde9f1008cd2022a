import type { UnavailableReason } from '../auth/authenticator.ts';
import type { UpstreamFailure as CountedFailure, EndReason, LoginReason } from '../ops/outcome.ts';
import type { CloseReason } from '../pop3/effect.ts';
import { outcomeOf, type RefusedOutcome, type UpstreamFailure } from '../pop3/upstream-failure.ts';
import type { ConnectFailure, OpenFailure } from './dialogue.ts';
import type { LoginFailure, RouteFailure } from './pool-opening.ts';
import type { RelayEnd } from './relay.ts';

/** From each room's own words to what the client hears and what is counted: one exhaustive switch each. */

export function endOfClose(reason: CloseReason): EndReason {
  switch (reason) {
    case 'quit':
      return 'quit';
    case 'login-attempts':
      return 'too-many-failures';
    case 'undecided-logins':
      return 'undecided-logins';
    case 'bad-commands':
      return 'too-many-bad-commands';
    case 'plaintext-after-stls':
      return 'octets-before-tls';
    case 'http-request':
    case 'tls-on-plain-port':
      return 'wrong-protocol';
  }
}

/** Left is the client, right the mailstore. */
export function endOfRelay(how: RelayEnd): EndReason {
  switch (how) {
    case 'left-ended':
      return 'client-closed';
    case 'right-ended':
      return 'upstream-closed';
    case 'left-lost':
      return 'client-lost';
    case 'right-lost':
      return 'upstream-lost';
    case 'idle':
      return 'idle-timeout';
    case 'destroyed':
      return 'shutdown';
  }
}

/** What the client hears of a login that its tables could not decide. */
export function outcomeOfDecision(reason: UnavailableReason): RefusedOutcome {
  // RFC 3206 §3: a rule of the site's that makes no name is not mended by another try.
  return { result: 'unavailable', code: reason === 'no-local-user' ? 'SYS/PERM' : 'SYS/TEMP' };
}

/** What a session that could not be opened means for the login. */
export function outcomeOfOpening(
  failure: LoginFailure,
  upstreamChecks: boolean,
): { outcome: RefusedOutcome; reason: LoginReason } {
  if (!isUpstreamFailure(failure)) {
    // A name that no server has, and no try will find.
    const code = failure === 'unknown-server' ? 'SYS/PERM' : 'SYS/TEMP';
    return { outcome: { result: 'unavailable', code }, reason: reasonOf(failure) };
  }
  const outcome = outcomeOf(failure, upstreamChecks ? 'upstream' : 'proxy');
  return { outcome, reason: outcome.result === 'rejected' ? 'refused-by-upstream' : reasonOf(failure) };
}

function reasonOf(failure: LoginFailure): LoginReason {
  const counted = countedFailure(failure);
  switch (counted) {
    case 'unresolved':
    case 'refused':
    case 'unreachable':
      return 'upstream-unreachable';
    case 'timeout':
      return 'upstream-timeout';
    case 'tls':
    case 'certificate':
      return 'upstream-tls';
    case 'protocol':
      return 'upstream-protocol';
    case 'login-refused':
      return 'upstream-refused';
    case 'closed':
      return 'upstream-closed';
    case 'down':
      return 'upstream-down';
    case 'loop':
      return 'upstream-loop';
    case 'unknown-server':
      return 'unknown-server';
  }
}

/** The fewer words of the metric; the log has the failure itself. */
export function countedFailure(failure: LoginFailure): CountedFailure {
  switch (failure) {
    case 'not-resolved':
      return 'unresolved';
    case 'connect-refused':
      return 'refused';
    case 'connect-failed':
      return 'unreachable';
    case 'connect-timeout':
    case 'login-timeout':
      return 'timeout';
    case 'tls-failed':
    case 'stls-refused':
    case 'octets-before-tls':
      return 'tls';
    case 'certificate-invalid':
      return 'certificate';
    case 'greeting-invalid':
    case 'reply-too-long':
    case 'reply-invalid':
    case 'octets-after-greeting':
    case 'octets-out-of-turn':
    case 'unexpected-continuation':
    case 'cannot-express':
      return 'protocol';
    case 'greeting-refused':
    case 'user-refused':
    case 'login-refused':
    case 'login-auth-refused':
    case 'in-use':
    case 'login-delay':
    case 'sys-temp':
    case 'sys-perm':
      return 'login-refused';
    case 'closed':
      return 'closed';
    case 'server-down':
      return 'down';
    case 'own-greeting':
    case 'nested-login':
      return 'loop';
    case 'unknown-server':
      return 'unknown-server';
  }
}

/** Whether a mailstore may be away, or be another when it is back; that it refuses a login says nothing of it. */
export function mayBeAway(failure: OpenFailure): boolean {
  if (failure === 'greeting-refused') return true;
  return failure !== 'cannot-express' && countedFailure(failure) !== 'login-refused';
}

/** Whether another server may do better. One that answers to the login, if only with -ERR, has none of it. */
export function isServersFault(failure: OpenFailure): boolean {
  switch (failure) {
    case 'user-refused':
    case 'login-refused':
    case 'login-auth-refused':
    case 'in-use':
    case 'login-delay':
    case 'sys-temp':
    case 'sys-perm':
    case 'cannot-express':
      return false;
    case 'not-resolved':
    case 'connect-refused':
    case 'connect-failed':
    case 'connect-timeout':
    case 'login-timeout':
    case 'tls-failed':
    case 'certificate-invalid':
    case 'stls-refused':
    case 'octets-before-tls':
    case 'greeting-refused':
    case 'greeting-invalid':
    case 'own-greeting':
    case 'reply-too-long':
    case 'reply-invalid':
    case 'octets-after-greeting':
    case 'octets-out-of-turn':
    case 'unexpected-continuation':
    case 'closed':
      return true;
  }
}

const NOT_POP3: Readonly<Record<ConnectFailure | RouteFailure, true>> = {
  'not-resolved': true,
  'connect-refused': true,
  'connect-failed': true,
  'connect-timeout': true,
  'tls-failed': true,
  'certificate-invalid': true,
  'login-timeout': true,
  'server-down': true,
  'unknown-server': true,
  'nested-login': true,
};

function isUpstreamFailure(failure: LoginFailure): failure is UpstreamFailure {
  return !Object.hasOwn(NOT_POP3, failure);
}
