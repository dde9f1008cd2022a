import type { UnavailableCode } from './reply.ts';
import type { Credentials } from './sasl.ts';

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
  /** Nothing is parsed until `settle`. */
  | { do: 'authenticate'; credentials: Credentials }
  /** The end of AUTHORIZATION: what the client sent behind its login goes to the upstream first, byte for byte. */
  | { do: 'relay'; unread: Uint8Array }
  /** Once what was replied has been flushed. */
  | { do: 'close'; reason: CloseReason };

export type LoginOutcome =
  /** The upstream's own final +OK line with its CRLF. */
  | { result: 'accepted'; reply: Uint8Array }
  | { result: 'rejected' }
  | { result: 'unavailable'; code: UnavailableCode };
