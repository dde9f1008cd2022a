/**
 * Every reply of the proxy's own, as octets made once. Nothing that a client, a table or an upstream says is
 * ever put into one: text that is constant cannot be made to carry a second line (RFC 1939 §3).
 */

/** First line of a reply, CRLF counted (RFC 2449 §4). */
export const REPLY_LIMIT = 512;

/** Response codes of RFC 2449 §8 and RFC 3206 that say "not now" rather than "not you". */
export type UnavailableCode = 'SYS/TEMP' | 'SYS/PERM' | 'IN-USE' | 'LOGIN-DELAY';

/** An octet string as a line, CRLF added. */
export function lineOf(text: string): Uint8Array {
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Lines after a first one, dot-stuffed and ended by a dot (RFC 1939 §3). */
export function multiLine(first: string, lines: readonly string[]): Uint8Array {
  const stuffed = lines.map((line) => (line.startsWith('.') ? `.${line}` : line));
  return lineOf([first, ...stuffed, '.'].join('\r\n'));
}

export const OK = lineOf('+OK');
export const USER_TAKEN = lineOf('+OK Send the password');
export const BEGIN_TLS = lineOf('+OK Begin TLS');
export const BYE = lineOf('+OK Bye');

/** RFC 5034 §4: the space stays where the challenge is empty. */
export const EMPTY_CHALLENGE = lineOf('+ ');

/** RFC 1939 §7: an msg-id behind the banner offers APOP. */
export function greetingWith(banner: string, timestamp: string): Uint8Array {
  return lineOf(banner === '' ? `+OK ${timestamp}` : `+OK ${banner} ${timestamp}`);
}

/** "Username:" and "Password:" in base64, as clients of AUTH LOGIN look for them. */
export const LOGIN_USERNAME = lineOf('+ VXNlcm5hbWU6');
export const LOGIN_PASSWORD = lineOf('+ UGFzc3dvcmQ6');

/** One text whatever was wrong with the credentials. Clients throw the saved password away on [AUTH] (RFC 3206 §4). */
export const LOGIN_FAILED = lineOf('-ERR [AUTH] Login failed');

export const UNAVAILABLE: Readonly<Record<UnavailableCode, Uint8Array>> = {
  'SYS/TEMP': lineOf('-ERR [SYS/TEMP] Login is not possible now, try again later'),
  'SYS/PERM': lineOf('-ERR [SYS/PERM] Login is not possible, ask your postmaster'),
  'IN-USE': lineOf('-ERR [IN-USE] Maildrop is in use by another session'),
  'LOGIN-DELAY': lineOf('-ERR [LOGIN-DELAY] Too soon after the last login'),
};

export const UNKNOWN_COMMAND = lineOf('-ERR Unknown command');
export const LINE_TOO_LONG = lineOf('-ERR Line too long');
export const FORGED_LINE = lineOf('-ERR NUL or CR inside a line');
export const BAD_ARGUMENTS = lineOf('-ERR Wrong arguments');
export const USER_FIRST = lineOf('-ERR Send USER first');
export const TLS_ACTIVE = lineOf('-ERR TLS is active already');
export const OCTETS_BEHIND_STLS = lineOf('-ERR Wait for the reply to STLS');
/** Without a response code (RFC 3206): [AUTH] would make clients throw the password away, and the site is in order. */
export const CERTIFICATE_MISSING = lineOf('-ERR A client certificate is needed here');
export const CERTIFICATE_REFUSED = lineOf('-ERR The client certificate is not accepted');
/** No response code: [AUTH] would cost the client its saved password, which is as good as before. */
export const TLS_NEEDED = lineOf('-ERR Log in over TLS only');
export const UNKNOWN_MECHANISM = lineOf('-ERR Unknown mechanism');
export const BAD_BASE64 = lineOf('-ERR Bad base64');
export const AUTH_CANCELLED = lineOf('-ERR Authentication cancelled');
export const MALFORMED_RESPONSE = lineOf('-ERR Malformed response');
export const CHANNEL_BINDING = lineOf('-ERR Channel binding is not offered');
/** One challenge for one attempt: the next comes with the next greeting. */
export const TIMESTAMP_USED = lineOf('-ERR Reconnect for another APOP');

/** For the session, which alone knows of clocks and shutdowns. Only before login. */
export const TIMED_OUT = lineOf('-ERR Timed out');
export const SHUTTING_DOWN = lineOf('-ERR [SYS/TEMP] Shutting down, try again later');
export const TOO_MANY_CONNECTIONS = lineOf('-ERR [SYS/TEMP] Too many connections, try again later');
