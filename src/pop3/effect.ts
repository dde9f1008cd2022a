import type { Credentials } from './credentials.ts';
import type { UnavailableCode } from './reply.ts';

export type CloseReason =
  | 'quit'
  | 'login-attempts'
  | 'undecided-logins'
  | 'bad-commands'
  | 'plaintext-after-stls'
  | 'http-request'
  | 'tls-on-plain-port';

/** What the session has to do, in the order given. */
export type Effect =
  | { do: 'reply'; octets: Uint8Array }
  /** Behind its +OK; nothing is parsed until `secured`. */
  | { do: 'startTls' }
  /** Nothing is parsed until `told`, or `settle` where the salt cannot be had. */
  | { do: 'ask'; user: string }
  /** Nothing is parsed until `settle`. */
  | { do: 'authenticate'; credentials: Credentials }
  /** The login that was 'proved' goes on; nothing is parsed until `settle`. */
  | { do: 'proceed' }
  /** The end of AUTHORIZATION: what the client sent behind its login goes to the upstream first, byte for byte. */
  | { do: 'relay'; unread: Uint8Array }
  /** Once what was replied has been flushed. */
  | { do: 'close'; reason: CloseReason };

export type LoginOutcome =
  /** The upstream's own final +OK line with its CRLF. */
  | { result: 'accepted'; reply: Uint8Array }
  /** The credentials are right; before the login goes on, the client is shown that the server knows them, too. */
  | { result: 'proved'; serverSignature: string }
  | { result: 'rejected' }
  | { result: 'unavailable'; code: UnavailableCode };
