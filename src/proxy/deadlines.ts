/**
 * One coarse timer for all deadlines (a timing wheel): arming, moving and clearing a deadline are a few
 * assignments, so that a session costs no timer of its own. A deadline is never early and at most one tick late.
 */

/** 100 ms: fine enough for a 3 s delay, coarse enough that an idle proxy hardly wakes. */
const DEFAULT_TICK_MS = 100;
/** With the default tick one turn of the wheel is 51 s; longer deadlines stay in their slot for further turns. */
const SLOTS = 512;

/** What hangs on the wheel: where there is one for each idle session, the owner itself, which saves an object or two. */
export abstract class Timed {
  /** Links of the wheel's own list; null while not armed. */
  next: Timed | null = null;
  previous: Timed | null = null;
  /** The tick at which it is due. */
  tick = 0;

  abstract due(): void;
}

/** Something that happens once at a time, unless it is cleared or moved first. Kept by its owner and used again. */
export class Deadline extends Timed {
  readonly #happens: () => void;

  constructor(happens: () => void) {
    super();
    this.#happens = happens;
  }

  override due(): void {
    this.#happens();
  }
}

export class DeadlineWheel {
  readonly #tickMs: number;
  readonly #slots: Timed[];
  readonly #due = emptyList();
  readonly #timer: NodeJS.Timeout;
  readonly #clock: () => number;
  #tick: number;
  #now: number;

  /** @param clock monotonic, in milliseconds */
  constructor(tickMs = DEFAULT_TICK_MS, clock: () => number = () => performance.now()) {
    this.#tickMs = tickMs;
    this.#clock = clock;
    this.#now = clock();
    this.#tick = Math.floor(this.#now / tickMs);
    this.#slots = Array.from({ length: SLOTS }, emptyList);
    this.#timer = setInterval(() => this.turn(), tickMs);
    this.#timer.unref();
  }

  /** The time of the last tick in milliseconds of the monotonic clock: free to read, up to one tick old. */
  get now(): number {
    return this.#now;
  }

  /** Arms the deadline, or moves it where it is armed already. */
  set(deadline: Timed, afterMs: number): void {
    // Rounded up, so that no deadline comes early; and never into the slot being turned.
    deadline.tick = Math.max(Math.ceil((this.#clock() + afterMs) / this.#tickMs), this.#tick + 1);
    append(this.#slots[deadline.tick % SLOTS]!, deadline);
  }

  clear(deadline: Timed): void {
    unlink(deadline);
  }

  /** Runs what is due. Called by the wheel's own timer; tests with a clock of theirs call it. */
  turn(): void {
    this.#now = this.#clock();
    const target = Math.floor(this.#now / this.#tickMs);
    // After a long stall each slot is visited once: its list holds all that is due in it.
    const first = Math.max(this.#tick + 1, target - SLOTS + 1);
    for (let tick = first; tick <= target; tick++) {
      this.#tick = tick;
      this.#run(this.#slots[tick % SLOTS]!, target);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Gathers what is due first: a deadline that runs may clear or move any other. */
  #run(head: Timed, target: number): void {
    for (let entry = head.next!; entry !== head; ) {
      const following = entry.next!;
      if (entry.tick <= target) append(this.#due, entry);
      entry = following;
    }
    for (let entry = this.#due.next!; entry !== this.#due; entry = this.#due.next!) {
      unlink(entry);
      entry.due();
    }
  }
}

function append(head: Timed, entry: Timed): void {
  unlink(entry);
  entry.previous = head.previous;
  entry.next = head;
  head.previous!.next = entry;
  head.previous = entry;
}

function emptyList(): Timed {
  const head = new Deadline(() => {});
  head.next = head;
  head.previous = head;
  return head;
}

function unlink(deadline: Timed): void {
  if (deadline.next === null) return;
  deadline.previous!.next = deadline.next;
  deadline.next.previous = deadline.previous;
  deadline.next = null;
  deadline.previous = null;
}
