import type { Log } from '../ops/log.ts';
import { commonCapabilities, takesPipelining } from '../pop3/upstream-capability.ts';
import { Deadline } from './deadlines.ts';
import type { DialogueServices, OpenFailure } from './dialogue.ts';
import { Inquiry } from './inquiry.ts';
import type { Upstream } from './upstream.ts';

/** From a failure to the next question: long enough for a mailstore to restart. */
const RETRY_MS = 1000;
/** It doubles up to this, so that a mailstore that is back is known in a minute at most. */
const MOST_RETRY_MS = 60_000;

export type WatchServices = DialogueServices & { log: Log };

/** What one mailstore announces: asked when it is told to, and after a failure until it has answered. */
export class CapabilityWatch {
  /** Undefined until it has answered; null where it has no CAPA. Kept while it is away. */
  lines: readonly string[] | null | undefined = undefined;
  /** Believed until a connection to it fails: who comes back may be another. */
  pipelining = false;
  readonly #upstream: Upstream;
  readonly #services: WatchServices;
  readonly #heard: () => void;
  readonly #leastRetryMs: number;
  readonly #retry = new Deadline(() => this.ask());
  #retryMs: number;
  #inquiry: Inquiry | null = null;
  /** When it began to answer, as it does now; null while it does not. */
  #wellSince: number | null = null;
  /** It does not answer, and that has been said. */
  #silent = false;

  /** @param heard called after each answer and each failure to get one */
  constructor(upstream: Upstream, services: WatchServices, heard: () => void, leastRetryMs = RETRY_MS) {
    this.#upstream = upstream;
    this.#services = services;
    this.#heard = heard;
    this.#leastRetryMs = leastRetryMs;
    this.#retryMs = leastRetryMs;
  }

  /** Unless it is being asked. */
  ask(): void {
    this.#services.wheel.clear(this.#retry);
    if (this.#inquiry?.asking) return;
    this.#inquiry?.cancel();
    this.#inquiry = new Inquiry(this.#upstream, this.#services, {
      answered: (lines) => this.#answered(lines),
      failed: (failure, detail) => this.#failed(failure, detail),
    });
  }

  /** A connection to it failed. */
  lost(): void {
    this.pipelining = false;
    if (this.#inquiry?.asking || this.#retry.next !== null) return;
    const { wheel } = this.#services;
    // One that answers, and fails connections all the same, is not asked each time.
    const well = this.#wellSince !== null && performance.now() - this.#wellSince > MOST_RETRY_MS;
    if (well) this.#retryMs = this.#leastRetryMs;
    this.#wellSince = null;
    wheel.set(this.#retry, this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, MOST_RETRY_MS);
  }

  close(): void {
    this.#inquiry?.cancel();
    this.#services.wheel.clear(this.#retry);
  }

  #answered(lines: readonly string[] | null): void {
    this.#wellSince ??= performance.now();
    this.#silent = false;
    this.lines = lines;
    this.pipelining = takesPipelining(lines);
    this.#services.log.event('info', 'capabilities-known', {
      upstream: this.#upstream.name,
      // Of what it has said, no more than the words that are known here.
      capabilities: lines === null ? null : commonCapabilities([lines]).join(', '),
    });
    this.#heard();
  }

  #failed(failure: OpenFailure, detail: string): void {
    if (!this.#silent) {
      const { name } = this.#upstream;
      this.#services.log.event('warn', 'capabilities-unknown', { upstream: name, failure, detail });
    }
    this.#silent = true;
    this.lost();
    this.#heard();
  }
}
