import { type Spare, type SpareServices, SpareSet } from './spare-set.ts';
import type { UpstreamServer } from './upstream.ts';

/** The connections opened ahead, of the mailstores' servers that are set to have some. */
export class Spares {
  readonly #sets: ReadonlyMap<UpstreamServer, SpareSet>;

  constructor(servers: readonly UpstreamServer[], services: SpareServices, retryMs?: number) {
    const having = servers.filter(({ upstream }) => upstream.preconnect.count > 0);
    this.#sets = new Map(having.map((server) => [server, new SpareSet(server, services, retryMs)]));
  }

  open(): void {
    for (const set of this.#sets.values()) set.open();
  }

  /** Null where none is ready, or the mailstore has none. */
  take(server: UpstreamServer): Spare | null {
    return this.#sets.get(server)?.take() ?? null;
  }

  /** One that was taken did not answer, or only to refuse. */
  stale(server: UpstreamServer, { readyAt }: Spare): void {
    this.#sets.get(server)?.stale(readyAt);
  }

  /** Opens all anew, for a reload. */
  renew(): void {
    for (const set of this.#sets.values()) set.renew();
  }

  close(): void {
    for (const set of this.#sets.values()) set.close();
  }
}
