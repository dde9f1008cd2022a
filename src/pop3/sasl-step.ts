import { encodeBase64 } from './base64.ts';
import type { Credentials, ScramSalt } from './credentials.ts';
import { BAD_ARGUMENTS, LINE_TOO_LONG, lineOf, MALFORMED_RESPONSE } from './reply.ts';

/** What an authentication exchange wants done next. */
export type SaslStep =
  | { step: 'challenge'; octets: Uint8Array }
  /** The salt of this login is needed, which the tables have; `told` brings it. */
  | { step: 'ask'; user: string }
  | { step: 'credentials'; credentials: Credentials }
  /** The client has heard that its credentials are right, and is ready. */
  | { step: 'proceed' }
  /** No login comes of it; the exchange is over, the session goes on. */
  | { step: 'refused'; reply: Uint8Array };

/** One authentication exchange, seen from the server. Responses are decoded octet strings. */
export interface SaslExchange {
  /** The client sent no initial response. */
  begin(): SaslStep;
  respond(response: string): SaslStep;
  /** The answer to 'ask'. */
  told?(salted: ScramSalt): SaslStep;
  /** The credentials are right, and the client wants to know by what. */
  proved?(serverSignature: string): SaslStep;
}

/** Not what the mechanism asks for, or NUL, CR or LF in a field. */
export const MALFORMED: SaslStep = { step: 'refused', reply: MALFORMED_RESPONSE };
export const RESPONSE_TOO_LONG: SaslStep = { step: 'refused', reply: LINE_TOO_LONG };
export const WRONG_ARGUMENTS: SaslStep = { step: 'refused', reply: BAD_ARGUMENTS };

/** RFC 5034 §4 */
export function challenge(message: string): SaslStep {
  return { step: 'challenge', octets: lineOf(`+ ${encodeBase64(message)}`) };
}
