import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { temporaryFor } from './writer.ts';

/** Removes what processes that were killed have left beside a snapshot. One that runs in another container cannot be told from them. */
export async function removeLeftovers(path: string): Promise<void> {
  const [start, end] = basename(temporaryFor(path, '*')).split('*') as [string, string];
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names) {
    const pid = name.startsWith(start) && name.endsWith(end) ? name.slice(start.length, -end.length) : '';
    if (/^\d+$/.test(pid) && !isRunning(Number(pid))) await rm(join(dirname(path), name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
