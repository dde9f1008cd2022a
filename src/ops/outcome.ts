/**
 * The words in which logins and sessions end, for the log and for metric labels. Bounded lists: nothing that a
 * client or a mailstore sends can become a label. The rooms that decide have unions of their own; what they
 * hand over must be among these, and the type checker says where it is not.
 */

export const LOGIN_RESULTS = ['accepted', 'rejected', 'unavailable'] as const;
export type LoginResult = (typeof LOGIN_RESULTS)[number];

/** Why a login came out as it did, by result. 'rejected' is the user's fault, 'unavailable' the installation's. */
export const LOGIN_REASONS = {
  accepted: ['none'],
  rejected: [
    'unknown-domain',
    'unknown-user',
    'wrong-password',
    'domain-rejected',
    'locked-out',
    'authzid-refused',
    'mechanism-unavailable',
    'malformed',
    // Type passwd: the mailstore checks the password and said -ERR.
    'refused-by-upstream',
  ],
  unavailable: [
    'tables-unavailable',
    'verify-queue-full',
    'no-local-user',
    // The mailstore wants the client's own password, and the client has told none, or a master's.
    'password-needed',
    'internal',
    'upstream-unreachable',
    'upstream-timeout',
    'upstream-tls',
    'upstream-protocol',
    // The proxy had accepted the password, the mailstore said -ERR to the login all the same.
    'upstream-refused',
    'upstream-closed',
    // Known to be down: nobody was asked.
    'upstream-down',
    'upstream-loop',
    // The table names a server that the upstream does not have.
    'unknown-server',
    'client-gone',
    'shutdown',
  ],
} as const;
export type RejectedReason = (typeof LOGIN_REASONS)['rejected'][number];
export type UnavailableReason = (typeof LOGIN_REASONS)['unavailable'][number];
export type LoginReason = 'none' | RejectedReason | UnavailableReason;

/** Why a session ended. */
export const END_REASONS = [
  // As intended: QUIT before the login; a relayed session that the mailstore closed after the client's QUIT.
  'quit',
  'upstream-closed',
  'client-closed',
  // Broken connections.
  'client-lost',
  'upstream-lost',
  // Deadlines.
  'handshake-timeout',
  'login-timeout',
  'line-timeout',
  'idle-timeout',
  // The client's doing, before the login.
  'handshake-failed',
  'certificate-missing',
  'certificate-refused',
  'too-many-failures',
  'too-many-bad-commands',
  'wrong-protocol',
  'octets-before-tls',
  // Login after login that could not be decided or handed over.
  'undecided-logins',
  'shutdown',
  'internal',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** Why a connection was closed before it became a session. */
export const REFUSAL_REASONS = [
  'connection-limit',
  'draining',
  // Listeners with the PROXY protocol: from nobody who may speak it, without a header in time, with a wrong one.
  'proxy-untrusted',
  'proxy-timeout',
  'proxy-header',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What can go wrong between the proxy and one mailstore. */
export const UPSTREAM_FAILURES = [
  'unresolved',
  'refused',
  'unreachable',
  'timeout',
  'tls',
  'certificate',
  'protocol',
  'login-refused',
  'closed',
  'down',
  'loop',
  'unknown-server',
] as const;
export type UpstreamFailure = (typeof UPSTREAM_FAILURES)[number];

/** How a check of a server came out. */
export const CHECK_RESULTS = ['ok', 'failed'] as const;
export type CheckResult = (typeof CHECK_RESULTS)[number];

/** What came of telling a mailstore by XCLIENT whose a login is. */
export const NOTICE_RESULTS = ['taken', 'not-offered', 'refused'] as const;
export type NoticeResult = (typeof NOTICE_RESULTS)[number];

/** What becomes of connections opened ahead to a mailstore, and of the logins that want one. */
export const SPARE_EVENTS = [
  // A login took one; and it turned out dead, so that the login connected as others do.
  'taken',
  'stale',
  // A login found none.
  'missed',
  // Closed by the proxy for its age, by the mailstore before that; not opened at all.
  'aged',
  'lost',
  'failed',
] as const;
export type SpareEvent = (typeof SPARE_EVENTS)[number];

/** TLS versions as OpenSSL names them. */
export const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

export const HANDSHAKE_FAILURES = ['failed', 'timeout', 'certificate'] as const;
export const HANDSHAKE_SUCCESSES = ['full', 'resumed'] as const;
export type HandshakeResult = (typeof HANDSHAKE_SUCCESSES | typeof HANDSHAKE_FAILURES)[number];

/** Which way octets went: towards the client or towards the mailstore. */
export const DIRECTIONS = ['to-client', 'to-upstream'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/**
 * Commands whose names are logged. Any other is 'other': a client out of step may send a password where a
 * command belongs.
 */
export const LOGGED_COMMANDS = ['CAPA', 'STLS', 'USER', 'PASS', 'AUTH', 'APOP', 'NOOP', 'QUIT'] as const;
export type LoggedCommand = (typeof LOGGED_COMMANDS)[number] | 'other';

/** Stands for every value outside of its list. */
export const OTHER = 'other';

/** The value if the list has it, else 'other'. */
export function bounded<T extends string>(value: string, known: readonly T[]): T | typeof OTHER {
  return (known as readonly string[]).includes(value) ? (value as T) : OTHER;
}
