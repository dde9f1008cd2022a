/** When a server counts as down, and when it is tried again. Times in milliseconds of a monotonic clock. */
export type HealthSettings = {
  /** Failures in a row that make it down. */
  fall: number;
  /** From there until it is tried again; twice as long after each trial that fails. */
  retryMs: number;
  mostRetryMs: number;
};

/** Who tries a server that is down; null for what began while it was up. */
export type Trial = 'login' | 'check' | null;

/**
 * Whether one server can be used, judged by what logins and checks met there: up; down until a time; then due for one
 * trial, whose outcome makes it up or down for twice as long.
 */
export class ServerHealth {
  readonly #settings: HealthSettings;
  #failures = 0;
  #retryMs: number;
  #up = true;
  #since: number;
  #retryAt = 0;
  #tried = false;

  constructor(settings: HealthSettings, now: number) {
    this.#settings = settings;
    this.#retryMs = settings.retryMs;
    this.#since = now;
  }

  get up(): boolean {
    return this.#up;
  }

  /** The last that happened there was a failure. */
  get doubted(): boolean {
    return !this.#up || this.#failures > 0;
  }

  /** Since when it is up or down. */
  get since(): number {
    return this.#since;
  }

  /** A login tries it while it is down: no second one does. */
  get tried(): boolean {
    return this.#tried;
  }

  /** When it is to be tried again; means something while it is down. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** Down, and it is time for a trial that nobody has begun. */
  isDue(now: number): boolean {
    return !this.#up && !this.#tried && now >= this.#retryAt;
  }

  /** A login goes there. @returns what it is; to be handed to the call that ends it, which is one of those below */
  begin(): Trial {
    if (this.#up) return null;
    this.#tried = true;
    return 'login';
  }

  /** @returns whether it is up only now */
  succeeded(now: number): boolean {
    this.#failures = 0;
    if (this.#up) return false;
    this.#up = true;
    this.#tried = false;
    this.#since = now;
    this.#retryMs = this.#settings.retryMs;
    return true;
  }

  /** @returns whether it is down only now */
  failed(now: number, trial: Trial): boolean {
    if (this.#up) return ++this.#failures >= this.#settings.fall && this.#goDown(now);
    this.abandoned(trial);
    // What began while it was up tells nothing of whether it has come back; nor do logins put off the trial by trying
    // before it is due, because nothing else is left.
    if (trial === null || now < this.#retryAt) return false;
    this.#retryMs = Math.min(2 * this.#retryMs, this.#settings.mostRetryMs);
    this.#retryAt = now + this.#retryMs;
    return false;
  }

  /** It came to no end: the client went away. */
  abandoned(trial: Trial): void {
    if (trial === 'login') this.#tried = false;
  }

  #goDown(now: number): true {
    this.#up = false;
    this.#failures = 0;
    this.#since = now;
    this.#retryAt = now + this.#retryMs;
    return true;
  }
}
