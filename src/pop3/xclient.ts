/** Dovecot's XCLIENT for POP3: who the client is of whose login the mailstore otherwise sees the proxy's address. */

/** Where the client is, by IP address, and the session's name in our log. */
export type ClientNotice = { address: string; port: number; session: string };

/** What came of XCLIENT. The login goes on whatever it is: at stake is what the mailstore's log and limits see. */
export type NoticeResult =
  | 'none'
  | 'taken'
  /** The greeting does not offer XCLIENT: it is not for us, or not there at all. */
  | 'not-offered'
  | 'refused';

/** Dovecot greets whom it trusts with `+OK [XCLIENT] Dovecot ready.`, which saves asking for CAPA. */
export function offersXclient(greeting: string): boolean {
  return /^\+OK \[XCLIENT\]/i.test(greeting);
}

/** Of what a value may consist: it stands unquoted between spaces. */
const ADDRESS = /^[0-9a-f.:]{2,45}$/i;
const SESSION = /^[A-Za-z0-9-]{1,64}$/;

/**
 * XCLIENT as Dovecot's pop3-login reads it: names and values between spaces, an IPv6 address as it is, no port 0. Null
 * without an address; nothing that does not look like what it is to be gets into the line.
 */
export function xclientLine({ address, port, session }: ClientNotice): string | null {
  // A zone means nothing on another host.
  const plain = address.replace(/%.*$/s, '');
  if (!ADDRESS.test(plain)) return null;
  const words = ['XCLIENT', `ADDR=${plain}`];
  if (Number.isInteger(port) && port > 0 && port <= 65_535) words.push(`PORT=${port}`);
  if (SESSION.test(session)) words.push(`SESSION=${session}`);
  return `${words.join(' ')}\r\n`;
}
