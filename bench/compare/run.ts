/** One run: every workload with every peer, again and again, in alternating order. */
import { join } from 'node:path';
import { machineSeconds, processSeconds } from './accounting.ts';
import { type Site, startOn, startPeer } from './instances.ts';
import type { Job, Result } from './load.ts';
import type { Options } from './options.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import { leftOut } from './peers/peers.ts';
import { median } from './statistics.ts';
import { needsTls, type Traffic, type Workload } from './workloads.ts';

/** One measurement of one peer. `otherPercent` is what anything else took, in hundredths of one CPU. */
export type Cell = {
  workload: string;
  peer: string;
  figures: Record<string, number>;
  errors: number;
  firstError: string | null;
  otherPercent: number;
  startMs: number;
};

/** By workload, then by peer: the median of each figure. */
export type Figures = ReadonlyMap<string, ReadonlyMap<string, Record<string, number>>>;

export type Work = { workloads: readonly Workload[]; peers: readonly Peer[]; sinkPid: number };

/** Beyond its own time the load generator gets that long, for sessions to be opened and closed. */
const SPARE = 60_000;

export async function runAll(
  site: Site,
  options: Options,
  { workloads, peers, sinkPid }: Work,
  say: (line: string) => void,
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (let repetition = 0; repetition < options.reps; repetition++) {
    for (const workload of workloads) {
      const taking = peers.filter((peer) => leftOut(peer, workload.id) === null);
      for (const peer of repetition % 2 === 0 ? taking : taking.reverse()) {
        const cell = await measure(site, options, workload, peer, sinkPid);
        cells.push(cell);
        say(`${repetition + 1}/${options.reps} ${described(cell)}`);
      }
    }
  }
  return cells;
}

function described({ workload, peer, figures, errors, firstError, otherPercent }: Cell): string {
  const numbers = Object.entries(figures)
    .filter(([, value]) => Number.isFinite(value))
    .map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  const wrong = errors === 0 ? '' : ` ERRORS ${errors} (${firstError})`;
  return `${workload} ${peer}: ${numbers.join(', ')}, other CPU ${otherPercent.toFixed(0)} %${wrong}`;
}

async function measure(
  site: Site,
  options: Options,
  workload: Workload,
  peer: Peer,
  sinkPid: number,
): Promise<Cell> {
  const proxy = await startPeer(site, peer, needsTls(workload));
  try {
    const cell: Cell = {
      workload: workload.id,
      peer: peer.id,
      figures: {},
      errors: 0,
      firstError: null,
      otherPercent: 0,
      startMs: proxy.startMs,
    };
    for (const { suffix, traffic } of workload.traffic) {
      const { result, otherPercent } = await generate(site, options, proxy, traffic, sinkPid);
      for (const [key, value] of Object.entries(result.figures)) cell.figures[`${key}${suffix}`] = value;
      cell.errors += result.errors;
      cell.firstError ??= result.firstError;
      cell.otherPercent = Math.max(cell.otherPercent, otherPercent);
    }
    return cell;
  } finally {
    await proxy.stop();
  }
}

async function generate(
  site: Site,
  options: Options,
  proxy: RunningPeer,
  traffic: Traffic,
  sinkPid: number,
): Promise<{ result: Result; otherPercent: number }> {
  const { warmup, duration } = options;
  const job: Job = {
    ...{ port: proxy.port, password: site.password, traffic, warmup, duration },
    accounts: proxy.account,
  };
  const program = join(import.meta.dirname, 'load.ts');
  const before = machineSeconds();
  const sinkBefore = processSeconds(sinkPid);
  const began = performance.now();
  const own = process.cpuUsage();
  const load = await startOn(site.loadCore, { command: [process.execPath, program, JSON.stringify(job)] });
  const timer = setTimeout(() => load.kill('SIGKILL'), (warmup + duration) * 1_000 + SPARE);
  const exit = await load.exited;
  clearTimeout(timer);
  if (exit.code !== 0) throw new Error(`the load generator failed: ${load.output().slice(-2_000)}`);
  const result = JSON.parse(load.stdout().toString('utf8')) as Result;
  const { user, system } = process.cpuUsage(own);
  const known = result.cpuSeconds + processSeconds(sinkPid) - sinkBefore + (user + system) / 1e6;
  const other = machineSeconds() - before - known;
  const seconds = (performance.now() - began) / 1_000;
  return { result, otherPercent: Math.max(0, (100 * other) / seconds) };
}

export function mediansOf(cells: readonly Cell[]): Figures {
  const found = new Map<string, Map<string, Record<string, number>>>();
  for (const { workload, peer } of cells) {
    const peers = found.get(workload) ?? new Map<string, Record<string, number>>();
    found.set(workload, peers);
    if (!peers.has(peer)) peers.set(peer, medians(cells, workload, peer));
  }
  return found;
}

function medians(cells: readonly Cell[], workload: string, peer: string): Record<string, number> {
  const same = cells.filter((cell) => cell.workload === workload && cell.peer === peer);
  const keys = Object.keys(same[0]?.figures ?? {});
  const errors = same.reduce((total, cell) => total + cell.errors, 0);
  return {
    ...Object.fromEntries(
      keys.map((key) => [key, median(same.map((cell) => cell.figures[key] ?? Number.NaN))]),
    ),
    errors,
  };
}

/** By peer, ms until it accepted connections: of all its starts. */
export function startTimes(cells: readonly Cell[]): Map<string, number> {
  const peers = new Set(cells.map(({ peer }) => peer));
  return new Map(
    [...peers].map((peer) => [
      peer,
      median(cells.filter((cell) => cell.peer === peer).map(({ startMs }) => startMs)),
    ]),
  );
}
