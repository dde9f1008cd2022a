import { readdir, readFile } from 'node:fs/promises';

/**
 * What the operating system knows of this process. Read here and not by prom-client's default metrics: under Bun
 * those show JavaScriptCore's reserved address space as heap and the heap spaces of another engine as 0, and on
 * both runtimes they build a list of every open handle for each scrape.
 */
export type ProcessState = {
  cpuSeconds: number;
  residentBytes: number;
  heapBytes: number;
  /** null where the system has no /proc. */
  openFiles: number | null;
  maxFiles: number | null;
  /** Seconds since 1970. */
  startedAt: number;
};

/** Worked out once: an adjusted clock must not look like a restart. */
const STARTED_AT = Date.now() / 1000 - process.uptime();

export async function processState(): Promise<ProcessState> {
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();
  return {
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    residentBytes: memory.rss,
    heapBytes: memory.heapUsed,
    openFiles: await openFiles(),
    maxFiles: await maxFiles(),
    startedAt: STARTED_AT,
  };
}

async function openFiles(): Promise<number | null> {
  try {
    return (await readdir('/proc/self/fd')).length - DIRECTORY_ITSELF;
  } catch {
    return null;
  }
}

/** Reading the folder takes a descriptor, which is in the list. */
const DIRECTORY_ITSELF = 1;

async function maxFiles(): Promise<number | null> {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(await readFile('/proc/self/limits', 'latin1'));
    return limit === null ? null : Number(limit[1]);
  } catch {
    return null;
  }
}

/** The runtime's own name and version; Bun calls itself Node in `process.version`. */
export function runtime(): { name: 'bun' | 'node'; version: string } {
  const { bun, node } = process.versions;
  return bun === undefined ? { name: 'node', version: node } : { name: 'bun', version: bun };
}
