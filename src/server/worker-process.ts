import { type ChildProcess, fork } from 'node:child_process';
import type { Snapshot } from '../ops/families.ts';
import { parseToPrimary, type StartMessage, type ToPrimary, type ToWorker } from './worker-messages.ts';

/** How a worker ended. */
export type WorkerEnd = { code: number | null; signal: NodeJS.Signals | null };

/** Its event loop answers in milliseconds; a scraper waits for seconds. */
const METRICS_MS = 2_000;
/** What a worker said last may still be on its way when it has ended. */
const LAST_WORDS_MS = 500;

/** A worker as its primary sees it. */
export class WorkerProcess {
  readonly index: number;
  readonly startedAt = performance.now();
  /** Resolves when it is gone, with all it had to say. Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** The last that was heard of its counts; null before that. */
  snapshot: Snapshot | null = null;
  readonly #child: ChildProcess;
  readonly #questions = new Map<number, () => void>();
  #lastQuestion = 0;
  #unready: readonly string[] = ['starting'];
  #heardAt = performance.now();
  #missed = 0;
  #listening: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #isGone = false;

  /** @param command the program's own file and the arguments that make it a worker */
  constructor(index: number, command: readonly [string, ...string[]]) {
    this.index = index;
    const [file, ...args] = command;
    this.#child = fork(file, args);
    this.#child.on('message', (message) => this.#heard(parseToPrimary(message)));
    this.ended = this.#end();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why no login should go to it; empty where it is ready. */
  get unready(): readonly string[] {
    return this.#isGone ? ['ended'] : this.#unready;
  }

  /** Milliseconds since it last said anything. */
  get silence(): number {
    return performance.now() - this.#heardAt;
  }

  /** To be called in intervals. @returns how often it was, this time too, since anything was heard */
  missed(): number {
    return ++this.#missed;
  }

  /** Resolves when it listens. Rejects with an Error that says why it does not. */
  start(message: StartMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listening = { resolve, reject };
      this.send(message);
    });
  }

  send(message: ToWorker): void {
    // One that is gone, or going, hears nothing more: its end tells.
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Resolves when `snapshot` is of now, or it has not answered in time, and is the last that was heard. */
  async askMetrics(): Promise<void> {
    if (this.#isGone) return;
    const id = ++this.#lastQuestion;
    const answer = new Promise<void>((resolve) => {
      const late = setTimeout(resolve, METRICS_MS);
      this.#questions.set(id, () => {
        clearTimeout(late);
        resolve();
      });
    });
    this.send({ type: 'metrics', id });
    await answer;
    this.#questions.delete(id);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #heard(message: ToPrimary | null): void {
    if (message === null) return;
    this.#heardAt = performance.now();
    this.#missed = 0;
    switch (message.type) {
      case 'listening':
        this.#listening?.resolve();
        break;
      case 'failed':
        this.#listening?.reject(new Error(message.detail));
        break;
      case 'state':
        this.#unready = message.unready;
        break;
      case 'metrics':
        this.snapshot = message.families;
        this.#questions.get(message.id)?.();
        break;
    }
  }

  async #end(): Promise<WorkerEnd> {
    const child = this.#child;
    const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve));
    const end = await new Promise<WorkerEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      // It could not be started at all.
      child.on('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
    });
    this.#isGone = true;
    await Promise.race([disconnected, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
    this.#listening?.reject(new Error(describe(end)));
    for (const answered of this.#questions.values()) answered();
    return end;
  }
}

/** In words, for the log. */
export function describe({ code, signal }: WorkerEnd): string {
  if (signal !== null) return `ended by ${signal}`;
  return code === null ? 'could not be started' : `ended with exit code ${code}`;
}
