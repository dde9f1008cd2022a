import { fitsInLine } from './line.ts';
import { RESPONSE_LIMIT } from './sasl.ts';

/** A login to say to the mailstore. Octet strings. */
export type UpstreamCredentials =
  | { kind: 'userpass'; user: string; password: string }
  /** SASL PLAIN (RFC 4616). */
  | { kind: 'plain'; authzid: string; authcid: string; password: string };

/** A line to the mailstore, an octet string with its CRLF, and what its reply is waited for as. */
export type LoginStep = { stage: 'xclient' | 'user' | 'challenge' | 'login'; line: string };

/** A command line as sent (RFC 2449 §4): a mailstore may cut a longer one and take the rest for a command. */
const COMMAND_LIMIT = 255;

const AUTH_PLAIN: LoginStep = { stage: 'challenge', line: 'AUTH PLAIN\r\n' };

/**
 * The lines that log in, the last of them with the password; null where a name or password cannot be said in POP3.
 * @param asksFirst no line is the first and the last: something is answered before the password is out
 */
export function loginSteps(login: UpstreamCredentials, asksFirst = false): LoginStep[] | null {
  if (login.password === '' || !fitsInLine(login.password)) return null;
  return login.kind === 'userpass' ? userPass(login.user, login.password) : plain(login, asksFirst);
}

function userPass(name: string, password: string): LoginStep[] | null {
  if (name === '' || !fitsInLine(name)) return null;
  const user = `USER ${name}\r\n`;
  const pass = `PASS ${password}\r\n`;
  if (user.length > COMMAND_LIMIT || pass.length > COMMAND_LIMIT) return null;
  return [
    { stage: 'user', line: user },
    { stage: 'login', line: pass },
  ];
}

/** RFC 5034 §4: the response goes with AUTH where the line has room for it, else after the challenge. */
function plain(login: UpstreamCredentials & { kind: 'plain' }, asksFirst: boolean): LoginStep[] | null {
  const { authzid, authcid, password } = login;
  if (authcid === '' || !fitsInLine(authcid) || !fitsInLine(authzid)) return null;
  const response = Buffer.from(`${authzid}\0${authcid}\0${password}`, 'latin1').toString('base64');
  if (response.length > RESPONSE_LIMIT) return null;
  const whole = `AUTH PLAIN ${response}\r\n`;
  if (!asksFirst && whole.length <= COMMAND_LIMIT) return [{ stage: 'login', line: whole }];
  return [AUTH_PLAIN, { stage: 'login', line: `${response}\r\n` }];
}
