import { randomBytes } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import { type Admin, startAdmin } from '../ops/admin.ts';
import type { Log } from '../ops/log.ts';
import { PrimaryMetrics } from '../ops/worker-metrics.ts';
import type { Transport } from '../transport/transport.ts';
import { atMost, FLUSH_MS } from './at-most.ts';
import { cannotListen } from './listen-failure.ts';
import { ownWord } from './own-upstream.ts';
import { claimPorts } from './ports.ts';
import type { Bound } from './server.ts';
import type { StartMessage } from './worker-messages.ts';
import { describe, type WorkerEnd, WorkerProcess } from './worker-process.ts';
import { WorkerTotals } from './worker-totals.ts';

export type PrimaryOptions = {
  config: Config;
  /** The config's file, and its text as it was read: every worker is to have this one, whenever it starts. */
  file: string;
  text: string;
  sockets: 'auto' | 'node';
  transport: Transport;
  log: Log;
  /** The program's own file and the arguments that make it a worker. */
  command: readonly [string, ...string[]];
  pace?: Partial<Pace>;
};

/** Durations in milliseconds. */
export type Pace = {
  /** Between the end of a worker and the start of the next in its place, doubling up to the second. */
  firstPause: number;
  longestPause: number;
  /** One that served for so long did not fail at its start. */
  sound: number;
  /** A worker tells each second that it is there: one that is silent for so long serves nobody, and for so long never will. */
  silent: number;
  lost: number;
  watch: number;
  /** Beyond the grace time of sessions: for the log's last lines, and what else a worker has to put away. */
  leaving: number;
};

const PACE: Pace = {
  ...{ firstPause: 1_000, longestPause: 30_000, sound: 60_000 },
  ...{ silent: 10_000, lost: 60_000, watch: 1_000, leaving: 5_000 },
};

/**
 * Several processes that share the ports and are one proxy to the outside: one set of signals, one admin listener, one
 * log. A worker that ends unasked takes its own sessions with it and no others, and is started again.
 */
export class Primary {
  readonly #options: PrimaryOptions;
  readonly #totals = new WorkerTotals();
  readonly #metrics: PrimaryMetrics;
  /** In their places; null where one is to be started again. */
  readonly #workers: (WorkerProcess | null)[];
  readonly #failures: number[];
  readonly #secret: string | null;
  readonly #own = ownWord();
  #state: 'starting' | 'serving' | 'draining' = 'starting';
  #restarts = 0;
  #bound: readonly Bound[] = [];
  #admin: Admin | null = null;
  readonly #pace: Pace;
  readonly #watch: NodeJS.Timeout;
  readonly #pauses = new Set<NodeJS.Timeout>();

  private constructor(options: PrimaryOptions) {
    const { config, transport, log } = options;
    this.#options = options;
    this.#pace = { ...PACE, ...options.pace };
    this.#watch = setInterval(() => this.#killLost(), this.#pace.watch);
    this.#workers = Array.from({ length: config.workers }, () => null);
    this.#failures = Array.from({ length: config.workers }, () => 0);
    this.#metrics = new PrimaryMetrics({
      workers: () => ({ configured: config.workers, ready: this.#ready, restarts: this.#restarts }),
      logLinesDropped: () => log.dropped,
    });
    // Where a file holds one, it is for more than these workers.
    const makesOne = transport.sharesTickets && config.tls.ticketSecretFile === null;
    this.#secret = makesOne ? randomBytes(32).toString('base64') : null;
  }

  /** Resolves when every worker listens. Rejects with an Error that says what cannot be used; nothing is left running. */
  static async start(options: PrimaryOptions): Promise<Primary> {
    const primary = new Primary(options);
    try {
      await primary.#start();
    } catch (error) {
      primary.#state = 'draining';
      for (const worker of primary.#workers) worker?.kill();
      await primary.#release();
      throw error;
    }
    return primary;
  }

  /** Each worker reads certificates and tables anew, and logs what came of it. */
  async reload(): Promise<void> {
    for (const worker of this.#workers) worker?.send({ type: 'reload' });
  }

  /** All workers stop accepting, let their sessions finish for the grace time, and end. */
  async stop(): Promise<void> {
    const { config, log } = this.#options;
    this.#state = 'draining';
    this.#forgetPauses();
    const workers = this.#workers.filter((worker) => worker !== null);
    log.event('info', 'draining', { workers: workers.length });
    for (const worker of workers) worker.send({ type: 'drain' });
    const late = setTimeout(() => {
      for (const worker of workers) worker.kill();
    }, config.shutdown.grace + this.#pace.leaving);
    await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(late);
    await this.#release();
    log.event('info', 'stopped');
    await atMost(FLUSH_MS, log.flush());
  }

  /** Ends a drain: cuts off the sessions that are left. */
  abort(): void {
    for (const worker of this.#workers) worker?.send({ type: 'abort' });
  }

  get #ready(): number {
    return this.#workers.filter((worker) => worker !== null && this.#isReady(worker)).length;
  }

  async #start(): Promise<void> {
    const { config, transport, log } = this.#options;
    if (config.admin !== null) this.#admin = await this.#startAdmin(config.admin);
    this.#bound = await claimPorts(config, transport);
    await Promise.all(this.#workers.map((_, index) => this.#launch(index)));
    if (this.#workers.includes(null)) throw new Error('a worker ended as soon as it had started');
    for (const bound of this.#bound) {
      const { tls } = config.listeners.find(({ name }) => name === bound.name)!;
      log.event('info', 'listening', { ...bound, tls });
    }
    this.#state = 'serving';
  }

  async #startAdmin(endpoint: { address: string; port: number }): Promise<Admin> {
    const text = () => this.#text();
    const { contentType } = this.#metrics;
    const readiness = () => this.#unready();
    return startAdmin({ ...endpoint, readiness, metrics: { text, contentType } }).catch((error) => {
      throw cannotListen('admin', endpoint, error);
    });
  }

  async #text(): Promise<string> {
    await Promise.all(this.#workers.map((worker) => worker?.askMetrics()));
    const own = await this.#metrics.snapshot();
    // Looked at in one step: who has ended meanwhile is among the gone, and not among these as well.
    const known = this.#workers.flatMap((worker) => (worker?.snapshot ? [worker.snapshot] : []));
    return this.#totals.text([...known, own]);
  }

  /** Half of the workers are enough for the time until the others are there again. */
  #unready(): string[] {
    if (this.#state !== 'serving') return [this.#state];
    const { length } = this.#workers;
    const ready = this.#ready;
    if (ready * 2 >= length) return [];
    const reasons = this.#workers.flatMap((worker) => (worker === null ? [] : worker.unready));
    return [`workers: ${ready} of ${length} ready`, ...new Set(reasons)];
  }

  /** Resolves when it listens. */
  async #launch(index: number): Promise<void> {
    const { file, text, sockets, command } = this.#options;
    const worker = new WorkerProcess(index, command);
    this.#workers[index] = worker;
    void worker.ended.then((end) => this.#ended(worker, end));
    const message: StartMessage = {
      ...{ type: 'start', file, text, index, sockets },
      ...{ bound: [...this.#bound], ticketSecret: this.#secret, own: this.#own },
    };
    await worker.start(message);
  }

  #ended(worker: WorkerProcess, end: WorkerEnd): void {
    const { index, pid } = worker;
    if (worker.snapshot !== null) this.#totals.keep(worker.snapshot);
    this.#workers[index] = null;
    if (this.#state !== 'serving') return;
    const failures = performance.now() - worker.startedAt < this.#pace.sound ? this.#failures[index]! + 1 : 1;
    this.#failures[index] = failures;
    const { firstPause, longestPause } = this.#pace;
    const pause = Math.min(longestPause, firstPause * 2 ** (failures - 1));
    const detail = describe(end);
    this.#options.log.event('error', 'worker-ended', { number: index + 1, pid, detail, restart_in: pause });
    this.#restartIn(index, pause);
  }

  #restartIn(index: number, pause: number): void {
    const timer = setTimeout(() => {
      this.#pauses.delete(timer);
      void this.#restart(index);
    }, pause);
    this.#pauses.add(timer);
  }

  async #restart(index: number): Promise<void> {
    const { log } = this.#options;
    this.#restarts++;
    const began = this.#launch(index);
    const worker = this.#workers[index];
    const { pid } = worker ?? { pid: 0 };
    try {
      await began;
      log.event('info', 'worker-started', { number: index + 1, pid });
    } catch (error) {
      log.event('error', 'worker-failed', { number: index + 1, pid, detail: (error as Error).message });
      // Of a process that was there, the end follows, and with it another try; where memory is short there is none.
      if (worker === null) this.#restartIn(index, this.#pace.longestPause);
    }
  }

  #isReady(worker: WorkerProcess): boolean {
    return worker.unready.length === 0 && worker.silence < this.#pace.silent;
  }

  /** Counted by looks, not by the clock: where the primary itself stood still, it could hear nobody. */
  #killLost(): void {
    const most = Math.ceil(this.#pace.lost / this.#pace.watch);
    for (const worker of this.#workers) {
      // Not at the looks behind that one: its end follows, on a busy machine in its own time.
      if (worker?.missed() !== most) continue;
      const { index, pid } = worker;
      this.#options.log.event('error', 'worker-silent', { number: index + 1, pid });
      worker.kill();
    }
  }

  async #release(): Promise<void> {
    clearInterval(this.#watch);
    this.#forgetPauses();
    await this.#admin?.close();
  }

  #forgetPauses(): void {
    for (const timer of this.#pauses) clearTimeout(timer);
    this.#pauses.clear();
  }
}
