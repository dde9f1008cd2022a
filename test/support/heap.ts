import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What is reachable on the heap, in octets: garbage that a collector has put off is none of it. */
export function heapInUse(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

function collect(): void {
  if (process.versions.bun !== undefined) {
    Bun.gc(true);
    return;
  }
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  gc();
}
