import type { LoginOutcome } from './effect.ts';
import type { UnavailableCode } from './reply.ts';

/** Why a login to the mailstore came to nothing. Bounded, fit for a metric label; never shown to a client. */
export type UpstreamFailure =
  /** -ERR instead of a greeting. */
  | 'greeting-refused'
  | 'greeting-invalid'
  /** It is the proxy's own: the connection has led back to it. */
  | 'own-greeting'
  | 'reply-too-long'
  | 'reply-invalid'
  | 'stls-refused'
  /** Octets between the reply to STLS and the handshake (CVE-2011-0411, CVE-2021-38542, from the other side). */
  | 'octets-before-tls'
  | 'octets-after-greeting'
  /** Octets where no reply is due: the answers could no longer be told apart. */
  | 'octets-out-of-turn'
  | 'unexpected-continuation'
  /** -ERR to USER, or to the password, without a response code that says more. */
  | 'user-refused'
  | 'login-refused'
  /** -ERR [AUTH]. */
  | 'login-auth-refused'
  | 'in-use'
  | 'login-delay'
  | 'sys-temp'
  | 'sys-perm'
  /** The connection ended before the login was answered. */
  | 'closed'
  /** A name or password that no command line can carry; nothing was sent. */
  | 'cannot-express';

/** Who decides whether the password is right: the proxy's own tables, or the mailstore (passwd entries). */
export type Checker = 'proxy' | 'upstream';

/** How a login comes out that is not accepted. */
export type RefusedOutcome = Extract<LoginOutcome, { result: 'rejected' | 'unavailable' }>;

const REJECTED: RefusedOutcome = { result: 'rejected' };

/** What the client hears of a failure. */
export function outcomeOf(failure: UpstreamFailure, checker: Checker): RefusedOutcome {
  switch (failure) {
    case 'user-refused':
    case 'login-refused':
    case 'login-auth-refused':
    case 'cannot-express':
      // RFC 3206 §4: after the proxy's own check the password is right, and [AUTH] would make the client drop it.
      return checker === 'upstream' ? REJECTED : unavailable('SYS/PERM');
    case 'in-use':
      return unavailable('IN-USE');
    case 'login-delay':
      return unavailable('LOGIN-DELAY');
    case 'sys-perm':
    case 'stls-refused':
    case 'own-greeting':
      return unavailable('SYS/PERM');
    case 'sys-temp':
    case 'greeting-refused':
    case 'greeting-invalid':
    case 'reply-too-long':
    case 'reply-invalid':
    case 'octets-before-tls':
    case 'octets-after-greeting':
    case 'octets-out-of-turn':
    case 'unexpected-continuation':
    case 'closed':
      return unavailable('SYS/TEMP');
  }
}

function unavailable(code: UnavailableCode): RefusedOutcome {
  return { result: 'unavailable', code };
}
