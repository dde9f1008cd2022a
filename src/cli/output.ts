import { writeSync } from 'node:fs';

export const STDOUT = 1;
export const STDERR = 2;

/** A full pipe that somebody has set to non-blocking says EAGAIN; its reader gets this long before the next try. */
const RETRY_MS = 20;

/**
 * Writes all of a text before it returns: what `process.stdout` and `process.stderr` still hold for a slow reader is
 * lost when the process ends. For commands, which do nothing else meanwhile; where the reader has gone, for nobody.
 */
export function writeWhole(descriptor: number, text: string): void {
  let rest = Buffer.from(text, 'utf8');
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
