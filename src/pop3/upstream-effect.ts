import type { UpstreamFailure } from './upstream-failure.ts';

/** What a machine that talks to a mailstore wants done, in the order given. */
export type UpstreamEffect =
  | { do: 'send'; octets: Uint8Array }
  /** After STLS alone: with implicit TLS the caller shakes hands as it connects. `secured` follows. */
  | { do: 'startTls' }
  | UpstreamEnd
  | { do: 'fail'; failure: UpstreamFailure };

/** What each machine is for. */
export type UpstreamEnd =
  /** The mailstore waits for the first command: it has greeted, and TLS stands where there is to be any. */
  | { do: 'ready' }
  /** Its capability lines; null where it knows no CAPA. */
  | { do: 'answered'; capabilities: readonly string[] | null }
  /** Logged in. Its own final +OK line, CRLF included, and the octets that came behind it: both for the client. */
  | { do: 'done'; reply: Uint8Array; rest: Uint8Array };

/** What a machine waits for; after a failure, what it waited for. Fit for a log line. */
export type UpstreamStage =
  | 'handshake'
  | 'greeting'
  | 'stls'
  | 'ready'
  | 'capa'
  | 'xclient'
  | 'user'
  | 'challenge'
  | 'login'
  | 'done';

/**
 * One side of a talk with a mailstore. Events go in by `receive`, `secured` and `closed`; once at the start and after
 * each of them `next` is called until it answers null.
 */
export interface UpstreamMachine {
  readonly stage: UpstreamStage;
  /** Takes octets from the mailstore, which must not change until `keep`. */
  receive(octets: Uint8Array): void;
  /** The octets received last are the caller's again; to be called once `next` has answered null. */
  keep(): void;
  /** The TLS handshake is done, and the certificate is the mailstore's. */
  secured(): void;
  /** The mailstore closed its side or the connection broke. */
  closed(): void;
  /** The next thing to do, or null until the next event. After 'fail' always null. */
  next(): UpstreamEffect | null;
}
