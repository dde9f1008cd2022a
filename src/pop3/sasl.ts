import { decodeBase64 } from './base64.ts';
import { type Mechanism, nameAndDigest } from './credentials.ts';
import { fitsInLine } from './line.ts';
import {
  AUTH_CANCELLED,
  BAD_BASE64,
  EMPTY_CHALLENGE,
  LOGIN_PASSWORD,
  LOGIN_USERNAME,
  UNKNOWN_MECHANISM,
} from './reply.ts';
import {
  challenge,
  MALFORMED,
  RESPONSE_TOO_LONG,
  type SaslExchange,
  type SaslStep,
  WRONG_ARGUMENTS,
} from './sasl-step.ts';
import { ScramExchange } from './scram.ts';

/** A response in base64: the largest that any mechanism was known to need (RFC 4954 §4). */
export const RESPONSE_LIMIT = 12_288;
/** The same on a line of its own. */
export const RESPONSE_LINE_LIMIT = RESPONSE_LIMIT + '\r\n'.length;

const NOT_OFFERED: SaslStep = { step: 'refused', reply: UNKNOWN_MECHANISM };
const CANCELLED: SaslStep = { step: 'refused', reply: AUTH_CANCELLED };
const NOT_BASE64: SaslStep = { step: 'refused', reply: BAD_BASE64 };
const ASK_EMPTY: SaslStep = { step: 'challenge', octets: EMPTY_CHALLENGE };
const ASK_USERNAME: SaslStep = { step: 'challenge', octets: LOGIN_USERNAME };
const ASK_PASSWORD: SaslStep = { step: 'challenge', octets: LOGIN_PASSWORD };

/**
 * Opens the exchange that AUTH's argument asks for: a mechanism, and perhaps an initial response (RFC 5034 §4).
 * @param unique see LoginDialogue
 * @param identities of the client's certificate
 */
export function openExchange(
  argument: string,
  offered: readonly Mechanism[],
  unique: () => string,
  identities: readonly string[],
): { exchange: SaslExchange | null; step: SaslStep } {
  const [word, response, ...more] = argument.split(' ');
  const mechanism = offered.find((name) => name === word!.toUpperCase());
  if (mechanism === undefined) return { exchange: null, step: NOT_OFFERED };
  if (more.length > 0) return { exchange: null, step: WRONG_ARGUMENTS };
  const exchange = newExchange(mechanism, unique, identities);
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

function newExchange(
  mechanism: Mechanism,
  unique: () => string,
  identities: readonly string[],
): SaslExchange {
  switch (mechanism) {
    case 'PLAIN':
      return PLAIN;
    case 'LOGIN':
      return new LoginExchange();
    case 'CRAM-MD5':
      return new CramExchange(unique);
    case 'SCRAM-SHA-256':
      return new ScramExchange(unique);
    case 'EXTERNAL':
      return external(identities);
  }
}

/** RFC 4616: authzid NUL authcid NUL password in one message. Keeps nothing, so one object serves all. */
const PLAIN: SaslExchange = {
  begin: () => ASK_EMPTY,
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

function credentials(
  mechanism: 'PLAIN' | 'LOGIN',
  user: string,
  password: string,
  authzid: string,
): SaslStep {
  if (user === '' || !fitsInLine(user) || !fitsInLine(password) || !fitsInLine(authzid)) return MALFORMED;
  return { step: 'credentials', credentials: { mechanism, user, password, authzid } };
}

/**
 * RFC 4422, appendix A: the response is the authzid alone; of several names of a certificate it chooses one. In another
 * letter case it may mean that one, too: whether it does is decided as for any authzid.
 */
function external(identities: readonly string[]): SaslExchange {
  return {
    begin: () => ASK_EMPTY,
    respond(response) {
      if (!fitsInLine(response)) return MALFORMED;
      const wanted = response.toLowerCase();
      const alike = identities.find((name) => name.toLowerCase() === wanted) ?? identities[0]!;
      const user = identities.includes(response) ? response : alike;
      const authzid = user === response ? '' : response;
      return { step: 'credentials', credentials: { mechanism: 'EXTERNAL', user, authzid } };
    },
  };
}

/** RFC 2195: a challenge that looks like an msg-id, answered by the name and a digest. */
class CramExchange implements SaslExchange {
  readonly #unique: () => string;
  #challenge: string | null = null;

  constructor(unique: () => string) {
    this.#unique = unique;
  }

  begin(): SaslStep {
    this.#challenge = messageId(this.#unique());
    return challenge(this.#challenge);
  }

  respond(response: string): SaslStep {
    const answer = nameAndDigest(response);
    // RFC 5034 §4: no initial response can answer a challenge that was not made yet.
    if (this.#challenge === null || answer === null || !fitsInLine(answer.user)) return MALFORMED;
    const { user, digest } = answer;
    const credentials = { mechanism: 'CRAM-MD5', user, authzid: '', digest } as const;
    return { step: 'credentials', credentials: { ...credentials, challenge: this.#challenge } };
  }
}

/** An msg-id as RFC 5322 §3.6.4 has it, which clients that check the timestamp of APOP want (CVE-2007-1558). */
export function messageId(unique: string): string {
  return `<${unique}@teapop-proxy>`;
}
