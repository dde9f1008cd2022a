/**
 * Every reply of the proxy's own, as octets made once. Nothing that a client, a table or an upstream says is
 * ever put into one: text that is constant cannot be made to carry a second line (RFC 1939 §3).
 */

/** First line of a reply, CRLF counted (RFC 2449 §4). */
export const REPLY_LIMIT = 512;

/** Response codes of RFC 2449 §8 and RFC 3206 that say "not now" rather than "not you". */
export type UnavailableCode = 'SYS/TEMP' | 'SYS/PERM' | 'IN-USE' | 'LOGIN-DELAY';

/** An octet string as a reply, CRLF added. */
export function replyLine(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(`${text}\r\n`, 'latin1'));
}

/** Lines after a first one, dot-stuffed and ended by a dot (RFC 1939 §3). */
export function multiLine(first: string, lines: readonly string[]): Uint8Array {
  const stuffed = lines.map((line) => (line.startsWith('.') ? `.${line}` : line));
  return replyLine([first, ...stuffed, '.'].join('\r\n'));
}

export const OK = replyLine('+OK');
export const USER_TAKEN = replyLine('+OK Send the password');
export const BEGIN_TLS = replyLine('+OK Begin TLS');
export const BYE = replyLine('+OK Bye');

/** RFC 5034 §4: the space stays where the challenge is empty. */
export const EMPTY_CHALLENGE = replyLine('+ ');
/** "Username:" and "Password:" in base64, as clients of AUTH LOGIN look for them. */
export const LOGIN_USERNAME = replyLine('+ VXNlcm5hbWU6');
export const LOGIN_PASSWORD = replyLine('+ UGFzc3dvcmQ6');

/** One text whatever was wrong with the credentials. Clients throw the saved password away on [AUTH] (RFC 3206 §4). */
export const LOGIN_FAILED = replyLine('-ERR [AUTH] Login failed');

export const UNAVAILABLE: Readonly<Record<UnavailableCode, Uint8Array>> = {
  'SYS/TEMP': replyLine('-ERR [SYS/TEMP] Login is not possible now, try again later'),
  'SYS/PERM': replyLine('-ERR [SYS/PERM] Login is not possible, ask your postmaster'),
  'IN-USE': replyLine('-ERR [IN-USE] Maildrop is in use by another session'),
  'LOGIN-DELAY': replyLine('-ERR [LOGIN-DELAY] Too soon after the last login'),
};

export const UNKNOWN_COMMAND = replyLine('-ERR Unknown command');
export const LINE_TOO_LONG = replyLine('-ERR Line too long');
export const FORGED_LINE = replyLine('-ERR NUL or CR inside a line');
export const BAD_ARGUMENTS = replyLine('-ERR Wrong arguments');
export const USER_FIRST = replyLine('-ERR Send USER first');
export const TLS_ACTIVE = replyLine('-ERR TLS is active already');
export const OCTETS_BEHIND_STLS = replyLine('-ERR Wait for the reply to STLS');
/** No response code: [AUTH] would cost the client its saved password, which is as good as before. */
export const TLS_NEEDED = replyLine('-ERR Log in over TLS only');
export const UNKNOWN_MECHANISM = replyLine('-ERR Unknown mechanism');
export const BAD_BASE64 = replyLine('-ERR Bad base64');
export const AUTH_CANCELLED = replyLine('-ERR Authentication cancelled');
export const MALFORMED_RESPONSE = replyLine('-ERR Malformed response');

/** For the session, which alone knows of clocks and shutdowns. Only before login. */
export const TIMED_OUT = replyLine('-ERR Timed out');
export const SHUTTING_DOWN = replyLine('-ERR [SYS/TEMP] Shutting down, try again later');
export const TOO_MANY_CONNECTIONS = replyLine('-ERR [SYS/TEMP] Too many connections, try again later');
