/** What a proxy costs: CPU time and memory of all its processes, those that have ended included. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** A proxy's processes: those of a cgroup of its own or, where there can be none, those that descend from `root`. */
export type Account = { cgroup: string | null; root: number };

/** Clock ticks a second of /proc: USER_HZ, which has been 100 on all of Linux' usual platforms for ever. */
const TICKS = 100;
/** /proc/PID/stat after the command's name, counted from 0: state, ppid … (proc(5)). */
const PPID = 1;
const TIMES = [11, 12, 13, 14] as const;
/** /proc/stat: user, nice, system, (idle, iowait,) irq, softirq, steal. */
const BUSY = [0, 1, 2, 5, 6, 7] as const;

/** A cgroup (version 2) below where that hierarchy is mounted; null where none can be made: not root, read-only. */
export function makeCgroup(name: string): string | null {
  const mount = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields[2] === 'cgroup2')?.[1];
  if (mount === undefined) return null;
  const path = join(mount, name);
  try {
    mkdirSync(path, { recursive: true });
    cgroupSeconds(path);
    return path;
  } catch {
    return null;
  }
}

/** @returns false while the last of its processes is on its way out */
export function removeCgroup(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

export function cpuSeconds(account: Account): number {
  if (account.cgroup !== null) return cgroupSeconds(account.cgroup);
  return sum(processesOf(account).map((pid) => processSeconds(pid)));
}

/** Proportional set size, KiB: shared pages are counted once, shared out among those who map them. */
export function pssKiB(account: Account): number {
  return sum(processesOf(account).map((pid) => rollup(pid, 'Pss')));
}

export function rssKiB(account: Account): number {
  return sum(processesOf(account).map((pid) => rollup(pid, 'Rss')));
}

export function descriptors(account: Account): number {
  return sum(processesOf(account).map((pid) => listed(`/proc/${pid}/fd`).length));
}

export function processesOf({ cgroup, root }: Account): number[] {
  if (cgroup !== null) {
    return read(join(cgroup, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  }
  const children = new Map<number, number[]>();
  for (const pid of listed('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const parent = Number(statFields(Number(pid))[PPID]);
    children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found.filter((pid) => statFields(pid).length > 0);
}

/** Of one process, with the children it has waited for. */
export function processSeconds(pid: number): number {
  const fields = statFields(pid);
  return sum(TIMES.map((index) => Number(fields[index] ?? 0))) / TICKS;
}

/** All CPU seconds of the machine that were not idle. */
export function machineSeconds(): number {
  const fields = read('/proc/stat').split('\n')[0]!.trim().split(/ +/).slice(1);
  return sum(BUSY.map((index) => Number(fields[index] ?? 0))) / TICKS;
}

function cgroupSeconds(path: string): number {
  const found = /^usage_usec ([0-9]+)$/m.exec(readFileSync(join(path, 'cpu.stat'), 'utf8'));
  if (found === null) throw new Error(`${path}/cpu.stat has no usage_usec`);
  return Number(found[1]) / 1e6;
}

function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function rollup(pid: number, name: 'Pss' | 'Rss'): number {
  const found = new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(read(`/proc/${pid}/smaps_rollup`));
  return found === null ? 0 : Number(found[1]);
}

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
