import type { LoginMethod } from '../pop3/credentials.ts';
import type { EndReason, LoggedCommand, LoginReason, LoginResult } from './outcome.ts';
import { printableText } from './printable.ts';
import { sessionLayout } from './session-line.ts';
import { WHOLE_OCTETS, writeSharedStdout, writeStdout, writeStdoutNow } from './stdout.ts';

export const LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

/** All that a session leaves behind. No field can carry a password or a line of the protocol. */
export type SessionRecord = {
  id: string;
  listener: string;
  client: Endpoint;
  /** The address that the client connected to. */
  local: Endpoint;
  /** The load balancer that told both in a PROXY header; null where the client came by itself. */
  via: Endpoint | null;
  /** The last login name offered, an octet string; null where none was. */
  login: string | null;
  /** As whom it asked to act, an octet string; null for itself. */
  authzid: string | null;
  /** How: 'USER' for USER and PASS, 'APOP', or the name of a SASL mechanism. */
  mechanism: LoginMethod | null;
  /** Octet string; null before a login was accepted. */
  localUser: string | null;
  /** The server that the last login was at; null where none was asked. */
  upstream: (Endpoint & { name: string; server: string }) | null;
  tls: { version: string; cipher: string; certificate: LoggedCertificate | null } | null;
  /** How the last login came out, and why; 'none' where there was none. */
  result: LoginResult | 'none';
  reason: LoginReason;
  end: EndReason;
  /** The last command before the hand-over; null where none came. */
  command: LoggedCommand | null;
  /** Logins tried. */
  attempts: number;
  /** In milliseconds, over the whole session; null for what did not happen. */
  durations: {
    total: number;
    lookup: number | null;
    verify: number | null;
    upstreamConnect: number | null;
    upstreamLogin: number | null;
  };
  /** Application octets, those before the login included. */
  octets: { toClient: number; toUpstream: number };
};

/** A client's certificate: `name` is an octet string, `fault` the TLS library's code for why it does not hold. */
export type LoggedCertificate = { name: string | null; fingerprint: string | null; fault: string | null };

export type Endpoint = { address: string; port: number };

/** Values of an event: bounded words, numbers, and text of ours or the system's. Octet strings go through printableOctets. */
export type Fields = { readonly [name: string]: string | number | boolean | null };

export interface Log {
  /** Writes the one line of a session, at level info. */
  session(record: SessionRecord): void;
  /** Writes a line about the proxy itself. `event` is a constant word: 'listening', 'tables-loaded' … */
  event(level: Level, event: string, fields?: Fields): void;
  /** Resolves when everything logged so far has been written or dropped. */
  flush(): Promise<void>;
  /** Writes what waits, synchronously: for the moment before the process dies. */
  flushNow(): void;
  /** Lines lost so far because the reader of the log did not keep up. */
  readonly dropped: number;
}

export type LogOptions = {
  level: Level;
  /** Which of several processes that write to one standard output this is, told in each line; 0 is their primary. */
  worker?: number | undefined;
  /** Takes one or more whole lines, each with its line end. A promise holds back the next call. Default: standard output. */
  write?: (lines: string) => void | Promise<void>;
  /** Milliseconds that a line waits for others; with 0 it is written behind this turn of the loop. */
  gatherMs?: number;
  /** Milliseconds since 1970. */
  clock?: () => number;
};

/** Characters that may wait for a reader that has stopped: some 20,000 sessions' worth. */
const MOST_WAITING = 8 * 1024 * 1024;

/** Lines are gathered for so long: nobody reads faster, and each write costs more than many lines. */
const GATHER_MS = 50;

/** As many characters do not wait for more. */
const ENOUGH = 256 * 1024;

/** The log: a line of JSON each, gathered and written together. */
export function createLog(options: LogOptions): Log {
  const { level, worker, gatherMs = GATHER_MS, clock = Date.now } = options;
  const { write = worker === undefined ? writeStdout : writeSharedStdout } = options;
  const writeNow = options.write ?? writeStdoutNow;
  const highest = LEVELS.indexOf(level);
  const sessions = highest >= LEVELS.indexOf('info');
  let waiting: string[] = [];
  let waitingLength = 0;
  let dropped = 0;
  let reported = 0;
  let writing: Promise<void> | null = null;
  /** Ends the gathering. */
  let hurry = () => {};

  const from = worker === undefined ? {} : { worker };
  const layout = sessionLayout(from);
  let stampedAt = Number.NaN;
  let stamp = '';

  /** Many lines are of one millisecond. */
  function time(): string {
    const now = clock();
    if (now !== stampedAt) stamp = new Date(now).toISOString();
    stampedAt = now;
    return stamp;
  }

  function line(at: Level, event: string, fields: object): string {
    return `${fitting({ time: time(), level: at, event, ...from, ...fields })}\n`;
  }

  function add(text: string): void {
    if (waitingLength + text.length > MOST_WAITING) {
      dropped += 1;
      return;
    }
    waiting.push(text);
    waitingLength += text.length;
    writing ??= drain();
    if (waitingLength >= ENOUGH) hurry();
  }

  /** Takes all that waits, ending with a count of what was lost where something was. */
  function take(): string {
    if (dropped > reported) {
      waiting.push(line('warn', 'log-lines-dropped', { lines: dropped - reported }));
      reported = dropped;
    }
    const batch = waiting.join('');
    waiting = [];
    waitingLength = 0;
    return batch;
  }

  async function drain(): Promise<void> {
    await gather();
    while (waiting.length > 0) {
      const batch = take();
      // A reader that has gone must not end the sessions: the lines are lost, the proxy runs on.
      try {
        await write(batch);
      } catch {
        dropped += count(batch);
      }
    }
    writing = null;
  }

  function gather(): Promise<void> {
    if (gatherMs === 0) return new Promise((resolve) => setImmediate(resolve));
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, gatherMs);
      hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    session(record) {
      if (sessions) add(`${fitting(layout(time(), record))}\n`);
    },
    event(at, event, fields = {}) {
      if (LEVELS.indexOf(at) <= highest) add(line(at, event, shownFields(fields)));
    },
    async flush() {
      while (writing !== null) {
        hurry();
        await writing;
      }
    },
    flushNow() {
      const batch = take();
      if (batch !== '') writeNow(batch);
    },
    get dropped() {
      return dropped;
    },
  };
}

/** No octet of JSON's own takes more than this many in UTF-8. */
const OCTETS_OF_A_CHARACTER = 3;

/** A longer line could be torn by another process's: its longest texts are cut until it is none. */
function fitting(record: object): string {
  let text = JSON.stringify(record);
  for (let most = LONGEST_UNCUT; isTooLong(text); most /= 2) {
    text = JSON.stringify(record, (_name, value) =>
      typeof value === 'string' && value.length > most ? `${value.slice(0, most)}…` : value,
    );
  }
  return text;
}

/** Half of a line; from there on it is halved. */
const LONGEST_UNCUT = WHOLE_OCTETS / 2;

/** With its line end. */
function isTooLong(text: string): boolean {
  if (text.length * OCTETS_OF_A_CHARACTER < WHOLE_OCTETS) return false;
  return Buffer.byteLength(text, 'utf8') >= WHOLE_OCTETS;
}

function count(batch: string): number {
  return batch.split('\n').length - 1;
}

function shownFields(fields: Fields): object {
  const entries = Object.entries(fields);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? printableText(value) : value]),
  );
}
