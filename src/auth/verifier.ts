import { FairQueue, RANKS, type Rank, type Standing, type Waiter } from './fair-queue.ts';

/**
 * Lets at most `concurrency` verifications run at once, and never more than fit in `memory` by what each row takes in
 * fact; one that takes more than all of it runs while nothing else does. The excess waits here instead of in the
 * runtime's thread pool, where it would hold up file reads and name lookups: behind 16 hashes of 19 MiB a getaddrinfo
 * was seen to take 200 ms on Node.
 *
 * Whose turn is next is fair-queue.ts's; whoever is doubtful never takes the last permit, so that a flood of wrong
 * passwords finds one free beside it whenever another user comes.
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
   */
  run<T>(task: () => Promise<T>, claim?: Partial<Claim>): Promise<Outcome<T>>;
  /**
   * Runs a task that no login waits for, now or never: only while a permit stays free for a login beside it, or with
   * a single permit, while nothing runs. Rejects with what the task rejects with.
   * @param memory octets that it takes
   */
  runSpare<T>(task: () => Promise<T>, memory?: number): Promise<{ ran: true; value: T } | { ran: false }>;
  readonly state: VerifierState;
}

export type Claim = {
  /** Octets that the task takes at most while it runs. */
  memory: number;
  /** Without one it is clean, and shares its turns with all others of that kind. */
  standing: Standing;
  /** Aborted while the task waits, it is never started; once started it runs to its end. */
  gone: AbortSignal | undefined;
};

export type VerifierState = {
  running: number;
  /** Octets that those claim. */
  memory: number;
  waiting: Readonly<Record<Rank, number>>;
};

export type Outcome<T> =
  | { ran: true; value: T }
  | { ran: false; reason: 'verify-queue-full' | 'client-gone' };

export type VerifierOptions = {
  /** Verifications at once, from 1. */
  concurrency: number;
  /** Verifications waiting; with 0 none ever waits. */
  queue: number;
  /** Octets for all that run at once; default without a bound. */
  memory?: number;
};

/** @throws RangeError for bounds that are no whole numbers or too small */
export function createVerifier({ concurrency, queue, memory = Infinity }: VerifierOptions): Verifier {
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError('concurrency is at least 1');
  if (!Number.isInteger(queue) || queue < 0) throw new RangeError('queue is at least 0');
  return new BoundedVerifier(concurrency, queue, memory);
}

type Reason = Extract<Outcome<never>, { ran: false }>['reason'];
/** `settle` with null starts it. */
type Waiting = Waiter & { settle(reason: Reason | null): void };

const UNTOLD: Standing = { rank: 'clean', net: '' };

class BoundedVerifier implements Verifier {
  readonly #concurrency: number;
  readonly #limit: number;
  readonly #room: number;
  readonly #queue = new FairQueue<Waiting>();
  #running = 0;
  #memory = 0;

  constructor(concurrency: number, limit: number, room: number) {
    this.#concurrency = concurrency;
    this.#limit = limit;
    this.#room = room;
  }

  get state(): VerifierState {
    const waiting = Object.fromEntries(RANKS.map((rank) => [rank, this.#queue.waiting(rank)]));
    return { running: this.#running, memory: this.#memory, waiting: waiting as Record<Rank, number> };
  }

  async run<T>(task: () => Promise<T>, claim: Partial<Claim> = {}): Promise<Outcome<T>> {
    const { memory = 0, standing = UNTOLD, gone } = claim;
    if (gone?.aborted) return { ran: false, reason: 'client-gone' };
    if (this.#next() === undefined && this.#fits(memory, standing.rank)) this.#begin(memory);
    else {
      const reason = await this.#turn(memory, standing, gone);
      if (reason !== null) return { ran: false, reason };
    }
    return this.#finish(task, memory);
  }

  async runSpare<T>(task: () => Promise<T>, memory = 0): Promise<{ ran: true; value: T } | { ran: false }> {
    if (this.#queue.size > 0 || !this.#leavesOne() || !this.#hasRoom(memory)) return { ran: false };
    this.#begin(memory);
    return this.#finish(task, memory);
  }

  async #finish<T>(task: () => Promise<T>, memory: number): Promise<{ ran: true; value: T }> {
    try {
      return { ran: true, value: await task() };
    } finally {
      this.#running--;
      this.#memory -= memory;
      this.#startNext();
    }
  }

  #begin(memory: number): void {
    this.#running++;
    this.#memory += memory;
  }

  #fits(memory: number, rank: Rank): boolean {
    const permitted = rank === 'doubtful' ? this.#leavesOne() : this.#running < this.#concurrency;
    return permitted && this.#hasRoom(memory);
  }

  /** Who could be started, as far as the rank goes. */
  #next(): Waiting | undefined {
    return this.#queue.next(this.#leavesOne() ? undefined : 'doubtful');
  }

  /** Whether one permit more would leave another free; of a single one, whether it is free. */
  #leavesOne(): boolean {
    return this.#running < Math.max(1, this.#concurrency - 1);
  }

  #hasRoom(memory: number): boolean {
    return this.#running === 0 || this.#memory + memory <= this.#room;
  }

  /** Resolves to null with a permit, else to why there is none. */
  #turn(memory: number, standing: Standing, gone: AbortSignal | undefined): Promise<Reason | null> {
    return new Promise((resolve) => {
      const leave = () => {
        this.#queue.remove(waiter);
        resolve('client-gone');
        // It may have been what held up the others.
        this.#startNext();
      };
      const settle = (reason: Reason | null) => {
        gone?.removeEventListener('abort', leave);
        resolve(reason);
      };
      const waiter: Waiting = { standing, memory, settle };
      if (!this.#makeRoom(standing)) {
        resolve('verify-queue-full');
        return;
      }
      this.#queue.add(waiter);
      gone?.addEventListener('abort', leave, { once: true });
      // Others may wait for what this one does not need.
      this.#startNext();
    });
  }

  /** False where the newcomer is the one to go. */
  #makeRoom(standing: Standing): boolean {
    if (this.#queue.size < this.#limit) return true;
    const displaced = this.#limit === 0 ? null : this.#queue.displaced(standing);
    if (displaced === null) return false;
    this.#queue.remove(displaced);
    displaced.settle('verify-queue-full');
    return true;
  }

  /** Permits go to those in line before anybody new; whoever is next is waited for, so that a dear one has its turn. */
  #startNext(): void {
    while (this.#running < this.#concurrency) {
      const next = this.#next();
      if (next === undefined || !this.#hasRoom(next.memory)) return;
      this.#queue.take(next);
      this.#begin(next.memory);
      next.settle(null);
    }
  }
}
