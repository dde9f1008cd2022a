import { commonCapabilities } from '../pop3/upstream-capability.ts';
import { CapabilityWatch, type WatchServices } from './capability-watch.ts';
import type { Upstream } from './upstream.ts';

/** What the mailstores announce: asked at the start, and again when one of them is back. */
export class KnownCapabilities {
  readonly #watches: ReadonlyMap<Upstream, CapabilityWatch>;
  #common: readonly string[] = commonCapabilities([]);
  /** Watches that have not been heard of, and whom to tell when there is none. */
  readonly #unheard: Set<Upstream>;
  readonly #all = Promise.withResolvers<void>();

  /** @param retryMs from a failed question to the next one; it doubles */
  constructor(upstreams: readonly Upstream[], services: WatchServices, retryMs?: number) {
    this.#unheard = new Set(upstreams);
    this.#watches = new Map(
      upstreams.map((upstream) => [
        upstream,
        new CapabilityWatch(upstream, services, () => this.#heardOf(upstream), retryMs),
      ]),
    );
  }

  /** What is true at every mailstore that has answered; the same array until it changes. */
  get common(): readonly string[] {
    return this.#common;
  }

  /** Whether a mailstore takes the lines of a login at once, as far as is known. */
  pipelines(upstream: Upstream): boolean {
    if (upstream.pipelining !== 'auto') return upstream.pipelining === 'on';
    return this.#watches.get(upstream)?.pipelining === true;
  }

  /** Asks each of them now. @returns when each has answered, or failed to, at least once */
  ask(): Promise<void> {
    for (const watch of this.#watches.values()) watch.ask();
    return this.#unheard.size === 0 ? Promise.resolve() : this.#all.promise;
  }

  /** A connection to it failed: it is asked again, until it answers. */
  lost(upstream: Upstream): void {
    this.#watches.get(upstream)?.lost();
  }

  /** It may have restarted: it is asked again, and believed meanwhile. */
  askAgain(upstream: Upstream): void {
    this.#watches.get(upstream)?.askAgain();
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close();
  }

  #heardOf(upstream: Upstream): void {
    this.#unheard.delete(upstream);
    if (this.#unheard.size === 0) this.#all.resolve();
    // One that has never answered serves nobody yet, and takes nothing from the others.
    const answers = [...this.#watches.values()]
      .map(({ lines }) => lines)
      .filter((lines) => lines !== undefined);
    const common = commonCapabilities(answers);
    if (common.join('\n') !== this.#common.join('\n')) this.#common = common;
  }
}
