import { write, writeSync } from 'node:fs';

const STDOUT = 1;

/** A full pipe that somebody has set to non-blocking says EAGAIN; the reader gets this long before the next try. */
const RETRY_MS = 20;

/** Tries at exit, of 20 ms each: half a second for the log's reader, then the process goes. */
const LAST_TRIES = 25;

/**
 * Writes to standard output from a worker thread. `process.stdout` would write to a pipe synchronously: a log
 * reader that stands still would stop every session.
 */
export async function writeStdout(text: string): Promise<void> {
  let rest = Buffer.from(text, 'utf8');
  while (rest.length > 0) {
    const written = await writeOnce(rest);
    if (written === 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    rest = rest.subarray(written);
  }
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
export function writeStdoutNow(text: string): void {
  let rest = Buffer.from(text, 'utf8');
  for (let tries = 0; rest.length > 0 && tries < LAST_TRIES; ) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      tries += 1;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
