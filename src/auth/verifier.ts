import { ArrivalQueue, type WaitingQueue } from './waiting-queue.ts';

/**
 * Lets at most `concurrency` verifications run at once, so that slow hashes take at most concurrency × the
 * memory of the dearest row. The excess waits here instead of in the runtime's thread pool, where it would hold
 * up file reads and name lookups: behind 16 hashes of 19 MiB a getaddrinfo was seen to take 200 ms on Node.
 *
 * What `concurrency` can be: Bun's pool has a thread for each CPU. On Node libuv's has 4 whatever the number of
 * CPUs; for more, UV_THREADPOOL_SIZE must be set before the pool is first used, and one thread more than
 * `concurrency` keeps name lookups prompt. Beyond the number of CPUs each hash only takes longer. The C
 * library's allocator may keep the blocks of up to 32 MiB that a thread has freed: seen from outside, a process
 * rests at (threads of the pool) × m after its first logins, and stays there.
 */
export interface Verifier {
  /**
   * Runs a task when its turn has come; at most one permit is held until the task has settled.
   * Rejects with what the task rejects with, and with nothing else.
   * @param signal aborted while the task waits, it is never started; once started it runs to its end
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<Outcome<T>>;
  /**
   * Runs a task that no login waits for, now or never: only while a permit stays free for a login beside it, or with
   * a single permit, while nothing runs. Rejects with what the task rejects with.
   */
  runSpare<T>(task: () => Promise<T>): Promise<{ ran: true; value: T } | { ran: false }>;
  readonly running: number;
  readonly waiting: number;
}

export type Outcome<T> =
  | { ran: true; value: T }
  | { ran: false; reason: 'verify-queue-full' | 'client-gone' };

export type VerifierOptions = {
  /** Verifications at once, from 1. */
  concurrency: number;
  /** Verifications waiting; with 0 none ever waits. */
  queue: number;
  order?: WaitingQueue<() => void>;
};

/** @throws RangeError for bounds that are no whole numbers or too small */
export function createVerifier({ concurrency, queue, order }: VerifierOptions): Verifier {
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError('concurrency is at least 1');
  if (!Number.isInteger(queue) || queue < 0) throw new RangeError('queue is at least 0');
  return new BoundedVerifier(concurrency, queue, order ?? new ArrivalQueue());
}

class BoundedVerifier implements Verifier {
  readonly #concurrency: number;
  readonly #limit: number;
  readonly #queue: WaitingQueue<() => void>;
  #running = 0;

  constructor(concurrency: number, limit: number, queue: WaitingQueue<() => void>) {
    this.#concurrency = concurrency;
    this.#limit = limit;
    this.#queue = queue;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<Outcome<T>> {
    if (signal?.aborted) return { ran: false, reason: 'client-gone' };
    if (this.#running < this.#concurrency) this.#running++;
    else if (this.#queue.size >= this.#limit) return { ran: false, reason: 'verify-queue-full' };
    else if (!(await this.#turn(signal))) return { ran: false, reason: 'client-gone' };
    try {
      return { ran: true, value: await task() };
    } finally {
      this.#release();
    }
  }

  async runSpare<T>(task: () => Promise<T>): Promise<{ ran: true; value: T } | { ran: false }> {
    if (this.#running > 0 && this.#running >= this.#concurrency - 1) return { ran: false };
    this.#running++;
    try {
      return { ran: true, value: await task() };
    } finally {
      this.#release();
    }
  }

  /** Resolves to true with a permit, to false where the signal came first. */
  #turn(signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const start = () => {
        signal?.removeEventListener('abort', leave);
        resolve(true);
      };
      const leave = () => {
        this.#queue.remove(start);
        resolve(false);
      };
      this.#queue.add(start);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Hands the permit to the next in line rather than back, so that no newcomer slips in between. */
  #release(): void {
    const next = this.#queue.take();
    if (next === undefined) this.#running--;
    else next();
  }
}
