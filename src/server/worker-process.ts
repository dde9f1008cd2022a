import { type ChildProcess, fork } from 'node:child_process';
import type { Snapshot } from '../ops/registry.ts';
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
  readonly #questions = new Map<number, (snapshot: Snapshot | null) => void>();
  #lastQuestion = 0;
  #unready: readonly string[] = ['starting'];
  #heardAt = performance.now();
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

  /** Its counts now, or the last ones heard where it does not answer in time. */
  async metrics(): Promise<Snapshot | null> {
    if (this.#isGone) return this.snapshot;
    const id = ++this.#lastQuestion;
    const answer = new Promise<Snapshot | null>((resolve) => {
      const late = setTimeout(() => resolve(null), METRICS_MS);
      this.#questions.set(id, (snapshot) => {
        clearTimeout(late);
        resolve(snapshot);
      });
    });
    this.send({ type: 'metrics', id });
    await answer;
    this.#questions.delete(id);
    return this.snapshot;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #heard(message: ToPrimary | null): void {
    if (message === null) return;
    this.#heardAt = performance.now();
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
        this.#questions.get(message.id)?.(message.families);
        break;
    }
  }

  async #end(): Promise<WorkerEnd> {
    const child = this.#child;
    const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve));
    const end = await new Promise<WorkerEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      // It could not be started at all.
      child.once('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
    });
    this.#isGone = true;
    await Promise.race([disconnected, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
    this.#listening?.reject(new Error(describe(end)));
    for (const answer of this.#questions.values()) answer(null);
    return end;
  }
}

/** In words, for the log. */
export function describe({ code, signal }: WorkerEnd): string {
  if (signal !== null) return `ended by ${signal}`;
  return code === null ? 'could not be started' : `ended with exit code ${code}`;
}
