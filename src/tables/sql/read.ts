import type { Report } from '../teapop/diagnostics.ts';
import type { SqlSource } from '../teapop/model.ts';
import type { SqlRow } from './rows.ts';

/** What the drivers of the two databases have in common. */

/**
 * Yields the rows of a table in batches, sorted by userid, all as they were at one moment. The connection is closed
 * when the generator ends, however it does.
 * @param note is told what the operator should know of a table that is read all the same
 * @param patience how long the server may be silent, in ms
 */
export type ReadRows = (
  source: SqlSource,
  note: (report: Report) => void,
  patience?: number,
) => AsyncGenerator<SqlRow[]>;

/** Rows in memory at a time. */
export const BATCH_ROWS = 1_000;
/** For a connection and its login, in ms. */
export const CONNECT_TIME = 10_000;
/** Until the server has sorted the table, or sent the next rows, in ms: ten million take a minute or two. */
export const STATEMENT_TIME = 300_000;
/** To say goodbye, in ms. */
const LEAVE_TIME = 1_000;

/** Whether a connection failed for TLS: the server has none, or only what is refused today. */
export function isWithoutTls(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return /^(?:ERR_SSL|ERR_TLS|EPROTO|HANDSHAKE_)/.test(String(code)) || /\bSSL\b/.test(String(message));
}

/** Calls when a server that is to speak has been silent for too long. */
export class SilenceWatch {
  readonly #patience: number;
  readonly #onSilence: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(patience: number, onSilence: () => void) {
    this.#patience = patience;
    this.#onSilence = onSilence;
  }

  /** The server is to speak from now on. */
  listen(): void {
    this.rest();
    this.#timer = setTimeout(this.#onSilence, this.#patience);
  }

  /** It is not the server that takes time. */
  rest(): void {
    clearTimeout(this.#timer);
  }
}

/** Closes a connection, by force where the server does not answer. Never rejects. */
export async function leave(goodbye: Promise<unknown>, destroy: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LEAVE_TIME);
  });
  await Promise.race([goodbye.catch(() => {}), patience]);
  clearTimeout(timer);
  destroy();
}
