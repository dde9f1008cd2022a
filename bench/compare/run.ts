/** One run: every workload with every peer, again and again, in alternating order. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RunningProcess } from '../../test/support/process.ts';
import { machineSeconds, processSeconds, pssKiB } from './accounting.ts';
import { coresOf, type Site, startOn, startPeer } from './instances.ts';
import type { Job } from './load/generator.ts';
import type { Result } from './load.ts';
import type { Options } from './options.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import { wayOf } from './peers/peers.ts';
import { type Measurement, Progress, planned, secondsOf } from './plan.ts';
import { isSame, type Setup } from './setup.ts';
import { median } from './statistics.ts';
import { isUsual, type Stage, setupOf, type Workload } from './workloads.ts';

/** One measurement of one peer. `otherPercent` is what anything else took, in hundredths of one CPU. */
export type Cell = {
  workload: string;
  peer: string;
  figures: Record<string, number>;
  errors: number;
  firstError: string | null;
  otherPercent: number;
  /** Null where the instance is another than usual, or none. */
  startMs: number | null;
};

/** By workload, then by peer: the median of each figure. */
export type Figures = ReadonlyMap<string, ReadonlyMap<string, Record<string, number>>>;

export type Work = { workloads: readonly Workload[]; peers: readonly Peer[]; sinkPid: number };

/** One lost in three repetitions is lost. */
const SUMMED: ReadonlySet<string> = new Set(['lost']);
/** Beyond its own time the load generator gets that long, for sessions to be opened and closed. */
const SPARE = 60_000;

export async function runAll(
  site: Site,
  options: Options,
  { workloads, peers, sinkPid }: Work,
  say: (line: string) => void,
): Promise<Cell[]> {
  const plan = planned(options.reps, workloads, peers);
  const progress = new Progress(plan, options);
  say(progress.announced());
  const cells: Cell[] = [];
  for (const measurement of plan) {
    const run: Run = { site, options, sinkPid, ...measurement };
    const cell = measurement.peer.bare === undefined ? await measure(run) : await measureBare(run);
    cells.push(cell);
    say(`${progress.after(measurement)} ${described(cell)}`);
  }
  return cells;
}

type Run = Measurement & { site: Site; options: Options; sinkPid: number };

function described({ workload, peer, figures, errors, firstError, otherPercent }: Cell): string {
  const numbers = Object.entries(figures)
    .filter(([, value]) => Number.isFinite(value))
    .map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  const wrong = errors === 0 ? '' : ` ERRORS ${errors} (${firstError})`;
  return `${workload} ${peer}: ${numbers.join(', ')}, other CPU ${otherPercent.toFixed(0)} %${wrong}`;
}

/** All stages; a fresh instance for the first and wherever the setup changes. */
async function measure(run: Run): Promise<Cell> {
  const { site, workload, peer } = run;
  const cell = emptyCell(run);
  let proxy: RunningPeer | null = null;
  let setup: Setup | null = null;
  try {
    for (const stage of workload.stages) {
      const wanted = setupOf(workload, stage);
      if (proxy === null || setup === null || !isSame(setup, wanted)) {
        await proxy?.stop();
        proxy = null;
        proxy = await startPeer(site, { ...peer, way: wayOf(peer, workload) }, wanted);
        setup = wanted;
      }
      await measureStage(run, stage, proxy, cell);
      if (isUsual(workload)) cell.startMs = proxy.startMs;
    }
    return cell;
  } finally {
    await proxy?.stop();
  }
}

function emptyCell({ workload, peer }: Run): Cell {
  const nothing = { figures: {}, errors: 0, firstError: null, otherPercent: 0, startMs: null };
  return { workload: workload.id, peer: peer.id, ...nothing };
}

async function measureStage(run: Run, stage: Stage, proxy: RunningPeer, cell: Cell): Promise<void> {
  const { result, otherPercent } = await generate(run, stage, proxy);
  const pssMiB = proxy.account.reduce((sum, account) => sum + pssKiB(account), 0) / 1_024;
  const figures = { ...result.figures, startMs: proxy.startMs, pssMiB };
  for (const [key, value] of Object.entries(figures)) cell.figures[`${key}${stage.suffix}`] = value;
  cell.errors += result.errors;
  cell.firstError ??= result.firstError;
  cell.otherPercent = Math.max(cell.otherPercent, otherPercent);
}

async function generate(
  { site, options, sinkPid, workload, peer }: Run,
  stage: Stage,
  proxy: RunningPeer,
): Promise<{ result: Result; otherPercent: number }> {
  const { allCores } = setupOf(workload, stage);
  const { warmup, duration } = secondsOf(stage.traffic, peer, options);
  const job: Job = {
    ...{ port: proxy.port, password: site.password, traffic: stage.traffic, warmup, duration },
    ...{ accounts: proxy.account, cpus: allCores ? availableParallelism() : 1 },
  };
  const program = join(import.meta.dirname, 'load.ts');
  const command = { command: [process.execPath, program, JSON.stringify(job)] } as const;
  const before = machineSeconds();
  const sinkBefore = processSeconds(sinkPid);
  const began = performance.now();
  const own = process.cpuUsage();
  const load = await startOn(site.loadCore, command);
  const result = (await answerOf(load, 2 * (warmup + duration) * 1_000 + SPARE)) as Result;
  const { user, system } = process.cpuUsage(own);
  const known = result.cpuSeconds + processSeconds(sinkPid) - sinkBefore + (user + system) / 1e6;
  const other = machineSeconds() - before - known;
  const seconds = (performance.now() - began) / 1_000;
  return { result, otherPercent: Math.max(0, (100 * other) / seconds) };
}

async function measureBare(run: Run): Promise<Cell> {
  const { site, options, workload, peer } = run;
  const stage = workload.stages[0]!;
  const setup = setupOf(workload, stage);
  const { duration: seconds } = secondsOf(stage.traffic, peer, options);
  const work = { argon2id: setup.argon2id!, seconds, atOnce: availableParallelism() };
  const hashes = await startOn(coresOf(site, setup), peer.bare!(work));
  const figures = (await answerOf(hashes, seconds * 1_000 + SPARE)) as Record<string, number>;
  const suffixed = Object.entries(figures).map(([key, value]) => [`${key}${stage.suffix}`, value]);
  return { ...emptyCell(run), figures: Object.fromEntries(suffixed) };
}

/** What it prints, as JSON. @param within ms; then it is killed */
async function answerOf(program: RunningProcess, within: number): Promise<unknown> {
  const timer = setTimeout(() => program.kill('SIGKILL'), within);
  const exit = await program.exited;
  clearTimeout(timer);
  if (exit.code !== 0) throw new Error(`the load generator failed: ${program.output().slice(-2_000)}`);
  return JSON.parse(program.stdout().toString('utf8'));
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
  const figureOf = (key: string) => {
    const values = same.map((cell) => cell.figures[key] ?? Number.NaN);
    return SUMMED.has(key) ? values.reduce((total, value) => total + value, 0) : median(values);
  };
  return { ...Object.fromEntries(keys.map((key) => [key, figureOf(key)])), errors };
}

/** By peer, ms until it accepted connections: of all its usual starts. */
export function startTimes(cells: readonly Cell[]): Map<string, number> {
  const known = cells.flatMap(({ peer, startMs }) => (startMs === null ? [] : [{ peer, startMs }]));
  const timesOf = (id: string) => known.filter(({ peer }) => peer === id).map(({ startMs }) => startMs);
  return new Map(known.map(({ peer }) => [peer, median(timesOf(peer))]));
}
