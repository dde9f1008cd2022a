import { fitsInLine } from './line.ts';
import {
  AUTH_CANCELLED,
  BAD_ARGUMENTS,
  BAD_BASE64,
  EMPTY_CHALLENGE,
  LINE_TOO_LONG,
  LOGIN_PASSWORD,
  LOGIN_USERNAME,
  MALFORMED_RESPONSE,
  UNKNOWN_MECHANISM,
} from './reply.ts';

/** What a client offered to log in with. Octet strings (latin1). */
export type Credentials = {
  mechanism: 'USER' | 'PLAIN' | 'LOGIN';
  /** The authcid: teapop's login name, user and domain together. */
  user: string;
  password: string;
  /** '' where none was given. */
  authzid: string;
};

/** The SASL mechanisms spoken. A new one needs its name here and its exchange in `openExchange`. */
export type Mechanism = 'PLAIN' | 'LOGIN';

export type SaslStep =
  | { step: 'challenge'; octets: Uint8Array }
  | { step: 'credentials'; credentials: Credentials }
  /** No login comes of it; the exchange is over, the session goes on. */
  | { step: 'refused'; reply: Uint8Array };

/** One authentication exchange, seen from the server. Responses are decoded octet strings. */
export interface SaslExchange {
  /** The client sent no initial response. */
  begin(): SaslStep;
  respond(response: string): SaslStep;
}

/** A response in base64: the largest that any mechanism was known to need (RFC 4954 §4). */
export const RESPONSE_LIMIT = 12_288;
/** The same on a line of its own. */
export const RESPONSE_LINE_LIMIT = RESPONSE_LIMIT + '\r\n'.length;

export const RESPONSE_TOO_LONG: SaslStep = { step: 'refused', reply: LINE_TOO_LONG };
const NOT_OFFERED: SaslStep = { step: 'refused', reply: UNKNOWN_MECHANISM };
const TOO_MANY_WORDS: SaslStep = { step: 'refused', reply: BAD_ARGUMENTS };
const CANCELLED: SaslStep = { step: 'refused', reply: AUTH_CANCELLED };
const NOT_BASE64: SaslStep = { step: 'refused', reply: BAD_BASE64 };
/** Not what the mechanism asks for, or NUL, CR or LF in a field. */
const MALFORMED: SaslStep = { step: 'refused', reply: MALFORMED_RESPONSE };
const ASK_PLAIN: SaslStep = { step: 'challenge', octets: EMPTY_CHALLENGE };
const ASK_USERNAME: SaslStep = { step: 'challenge', octets: LOGIN_USERNAME };
const ASK_PASSWORD: SaslStep = { step: 'challenge', octets: LOGIN_PASSWORD };

/** Opens the exchange that AUTH's argument asks for: a mechanism, and perhaps an initial response (RFC 5034 §4). */
export function openExchange(
  argument: string,
  offered: readonly Mechanism[],
): { exchange: SaslExchange | null; step: SaslStep } {
  const [word, response, ...more] = argument.split(' ');
  const mechanism = offered.find((name) => name === word!.toUpperCase());
  if (mechanism === undefined) return { exchange: null, step: NOT_OFFERED };
  if (more.length > 0) return { exchange: null, step: TOO_MANY_WORDS };
  const exchange = mechanism === 'PLAIN' ? PLAIN : new LoginExchange();
  if (response === undefined) return { exchange, step: exchange.begin() };
  return { exchange, step: respond(exchange, response === '=' ? '' : response) };
}

/** Takes a response as it stands on the wire. */
export function respond(exchange: SaslExchange, encoded: string): SaslStep {
  if (encoded === '*') return CANCELLED;
  if (encoded.length > RESPONSE_LIMIT) return RESPONSE_TOO_LONG;
  const response = decodeBase64(encoded);
  return response === null ? NOT_BASE64 : exchange.respond(response);
}

/** RFC 4616: authzid NUL authcid NUL password in one message. Keeps nothing, so one object serves all. */
const PLAIN: SaslExchange = {
  begin: () => ASK_PLAIN,
  respond(response) {
    const first = response.indexOf('\0');
    const second = response.indexOf('\0', first + 1);
    if (first < 0 || second < 0) return MALFORMED;
    return credentials(
      'PLAIN',
      response.slice(first + 1, second),
      response.slice(second + 1),
      response.slice(0, first),
    );
  },
};

/** draft-murchison-sasl-login: the name, then the password. An initial response is the name. */
class LoginExchange implements SaslExchange {
  #user: string | null = null;

  begin(): SaslStep {
    return ASK_USERNAME;
  }

  respond(response: string): SaslStep {
    if (this.#user !== null) return credentials('LOGIN', this.#user, response, '');
    if (response === '' || !fitsInLine(response)) return MALFORMED;
    this.#user = response;
    return ASK_PASSWORD;
  }
}

function credentials(mechanism: Mechanism, user: string, password: string, authzid: string): SaslStep {
  if (user === '' || !fitsInLine(user) || !fitsInLine(password) || !fitsInLine(authzid)) return MALFORMED;
  return { step: 'credentials', credentials: { mechanism, user, password, authzid } };
}

/**
 * Strict base64 (RFC 4648 §3.3, §3.5): null for a foreign character, missing padding or stray bits. The runtime's
 * decoder is lax, so what it read is written again and compared.
 */
export function decodeBase64(text: string): string | null {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets.toString('latin1') : null;
}
