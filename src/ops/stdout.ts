import { write, writeSync } from 'node:fs';

const STDOUT = 1;

/**
 * POSIX's PIPE_BUF on Linux: what is written at once up to this size is not torn apart by what another process writes to
 * the same pipe.
 */
export const WHOLE_OCTETS = 4096;

const LINE_END = 0x0a;

/** A full pipe that somebody has set to non-blocking says EAGAIN; the reader gets this long before the next try. */
const RETRY_MS = 20;

/** Tries at exit, of 20 ms each: half a second for the log's reader, then the process goes. */
const LAST_TRIES = 25;

/**
 * Writes to standard output from a worker thread. `process.stdout` would write to a pipe synchronously: a log
 * reader that stands still would stop every session. One call at a time.
 */
export async function writeStdout(text: string): Promise<void> {
  await writeOctets(encoded(text));
}

/** The same where other processes write there, too: no line of WHOLE_OCTETS at most is torn by theirs. */
export async function writeSharedStdout(lines: string): Promise<void> {
  for (const part of wholeParts(encoded(lines))) await writeOctets(part);
}

/** No character of JavaScript's takes more octets in UTF-8. */
const MOST_OCTETS = 3;
/** A larger one is not kept: some 300 lines. */
const KEPT_OCTETS = 1024 * 1024;
let kept = Buffer.alloc(0);

/** In a buffer that is used again, so that the pages of a fresh one are not asked of the system for each batch. */
function encoded(text: string): Buffer {
  const most = text.length * MOST_OCTETS;
  if (most > KEPT_OCTETS) return Buffer.from(text, 'utf8');
  if (kept.length < most) kept = Buffer.allocUnsafeSlow(KEPT_OCTETS);
  return kept.subarray(0, kept.write(text, 'utf8'));
}

async function writeOctets(octets: Buffer): Promise<void> {
  let rest = octets;
  while (rest.length > 0) {
    const written = await writeOnce(rest);
    if (written === 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    rest = rest.subarray(written);
  }
}

/** As many whole lines as fit in WHOLE_OCTETS, over and over; a line that is longer is a part of its own. */
export function* wholeParts(lines: Buffer): Generator<Buffer> {
  let rest = lines;
  while (rest.length > WHOLE_OCTETS) {
    const fitting = rest.lastIndexOf(LINE_END, WHOLE_OCTETS - 1);
    const end = fitting >= 0 ? fitting : rest.indexOf(LINE_END);
    if (end < 0) break;
    yield rest.subarray(0, end + 1);
    rest = rest.subarray(end + 1);
  }
  if (rest.length > 0) yield rest;
}

/** Octets taken, 0 where the pipe is full. */
function writeOnce(octets: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(STDOUT, octets, (error, written) => {
      if (error === null) resolve(written);
      else if (error.code === 'EAGAIN') resolve(0);
      else reject(error);
    });
  });
}

/** The same at once, for a process about to end; gives up on a reader that has gone or stands still. */
export function writeStdoutNow(lines: string): void {
  let tries = 0;
  for (const part of wholeParts(Buffer.from(lines, 'utf8'))) tries = writeNow(part, tries);
}

/** @returns the tries that are spent */
function writeNow(octets: Buffer, before: number): number {
  let rest = octets;
  let tries = before;
  while (rest.length > 0 && tries < LAST_TRIES) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return LAST_TRIES;
      tries += 1;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
  return tries;
}
