import type { Limits } from './listener.ts';

/** How long a client may still take before the login. Times are those of the wheel's clock. */
export class Patience {
  readonly #limits: Limits;
  readonly #startedAt: number;
  #lineAt: number;
  #handshakeAt: number | null = null;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#startedAt = now;
    this.#lineAt = now;
  }

  get inHandshake(): boolean {
    return this.#handshakeAt !== null;
  }

  /** A line has come whole, or the proxy has answered: octets of a line that goes on and on buy no time. */
  progress(now: number): void {
    this.#lineAt = now;
  }

  handshakeBegins(now: number): void {
    this.#handshakeAt = now;
  }

  handshakeEnds(now: number): void {
    this.#handshakeAt = null;
    this.#lineAt = now;
  }

  /** When it is over: all of the time, or that between two lines; a handshake has its own. */
  get end(): number {
    const { lineMs, handshakeMs } = this.#limits;
    if (this.#handshakeAt !== null) return this.#handshakeAt + handshakeMs;
    return Math.min(this.#lastEnd, this.#lineAt + lineMs);
  }

  /** Whether all of the time before the login is over. */
  isSpent(now: number): boolean {
    return now >= this.#lastEnd;
  }

  get #lastEnd(): number {
    return this.#startedAt + this.#limits.loginMs;
  }
}
