/** What is compared: how a peer is started, and what must be installed for it. */
import type { Account } from '../accounting.ts';
import type { Argon2id, Setup } from '../setup.ts';

/** Where one instance listens and what it may use. */
export type Place = Setup & {
  /** Its own folder, readable for any user. */
  run: string;
  port: number;
  sinkPort: number;
  /** For a service beside the proxy: nginx' auth_http. */
  auxPort: number;
  certificate: string;
  key: string;
  /** One user a line. */
  usersFile: string;
  password: string;
  /** Sessions that the descriptor limit allows. */
  maxConnections: number;
};

export type Command = { command: readonly [string, ...string[]]; env?: Record<string, string> };

/** How a peer is started; `title` tells it from others of its kind. */
export type Way = {
  title: string;
  /** Writes the configuration; stays in the foreground and leaves at SIGTERM. */
  start(place: Place): Command | Promise<Command>;
  /** Started first, on the load generator's core; its CPU time counts as the peer's. */
  aux?(place: Place): Command;
};

export type Peer = Way & {
  id: string;
  /** Programs and the Debian packages that have them. */
  needs: readonly { program: string; package: string }[];
  /** What tells the version. */
  version: { of: string; command: readonly [string, ...string[]] };
  /** Where passwords lie as Argon2id hashes; who has none has no part there. */
  hashed?: Way;
  /** No proxy: it computes hashes for so many seconds, prints its figures, and leaves. */
  bare?(work: { argon2id: Argon2id; seconds: number; atOnce: number }): Command;
  /** Compiles its code while it runs, and needs the whole warm-up. */
  warms?: true;
  /** Workloads it has no part in, and why. */
  without?: { workloads: readonly string[]; why: string };
  /** Only these; a variant that shows one thing. */
  only?: readonly string[];
  /** Descriptors that it may open, where the system's limit would be to its disadvantage. */
  descriptors?: number;
};

/** `startMs` is the time until it accepted connections. */
export type RunningPeer = {
  port: number;
  account: readonly Account[];
  startMs: number;
  stop(): Promise<void>;
};
