import { commonCapabilities } from '../pop3/upstream-capability.ts';
import { CapabilityWatch, type WatchServices } from './capability-watch.ts';
import type { UpstreamServer } from './upstream.ts';

/** What the mailstores announce: asked at the start, and again when one of them is back. */
export class KnownCapabilities {
  readonly #watches: ReadonlyMap<UpstreamServer, CapabilityWatch>;
  #common: readonly string[] = commonCapabilities([]);
  /** Watches that have not been heard of, and whom to tell when there is none. */
  readonly #unheard: Set<UpstreamServer>;
  readonly #all = Promise.withResolvers<void>();

  /** @param retryMs from a failed question to the next one; it doubles */
  constructor(servers: readonly UpstreamServer[], services: WatchServices, retryMs?: number) {
    this.#unheard = new Set(servers);
    this.#watches = new Map(
      servers.map((server) => [
        server,
        new CapabilityWatch(server, services, () => this.#heardOf(server), retryMs),
      ]),
    );
  }

  /** What is true at every mailstore that has answered; the same array until it changes. */
  get common(): readonly string[] {
    return this.#common;
  }

  /** Whether a mailstore takes the lines of a login at once, as far as is known. */
  pipelines(server: UpstreamServer): boolean {
    const { pipelining } = server.upstream;
    if (pipelining !== 'auto') return pipelining === 'on';
    return this.#watches.get(server)?.pipelining === true;
  }

  /** Asks each of them now. @returns when each has answered, or failed to, at least once */
  ask(): Promise<void> {
    for (const watch of this.#watches.values()) watch.ask();
    return this.#unheard.size === 0 ? Promise.resolve() : this.#all.promise;
  }

  /** A connection to it failed: it is asked again, until it answers. */
  lost(server: UpstreamServer): void {
    this.#watches.get(server)?.lost();
  }

  /** It may have restarted: it is asked again, and believed meanwhile. */
  askAgain(server: UpstreamServer): void {
    this.#watches.get(server)?.askAgain();
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close();
  }

  #heardOf(server: UpstreamServer): void {
    this.#unheard.delete(server);
    if (this.#unheard.size === 0) this.#all.resolve();
    // One that has never answered serves nobody yet, and takes nothing from the others.
    const answers = [...this.#watches.values()]
      .map(({ lines }) => lines)
      .filter((lines) => lines !== undefined);
    const common = commonCapabilities(answers);
    if (common.join('\n') !== this.#common.join('\n')) this.#common = common;
  }
}
