import { type Spare, type SpareServices, SpareSet } from './spare-set.ts';
import type { Upstream } from './upstream.ts';

/** The connections opened ahead, of the mailstores that are set to have some. */
export class Spares {
  readonly #sets: ReadonlyMap<Upstream, SpareSet>;

  constructor(upstreams: readonly Upstream[], services: SpareServices, retryMs?: number) {
    const having = upstreams.filter(({ preconnect }) => preconnect.count > 0);
    this.#sets = new Map(having.map((upstream) => [upstream, new SpareSet(upstream, services, retryMs)]));
  }

  open(): void {
    for (const set of this.#sets.values()) set.open();
  }

  /** Null where none is ready, or the mailstore has none. */
  take(upstream: Upstream): Spare | null {
    return this.#sets.get(upstream)?.take() ?? null;
  }

  /** One that was taken did not answer, or only to refuse. */
  stale(upstream: Upstream, { readyAt }: Spare): void {
    this.#sets.get(upstream)?.stale(readyAt);
  }

  /** Opens all anew, for a reload. */
  renew(): void {
    for (const set of this.#sets.values()) set.renew();
  }

  close(): void {
    for (const set of this.#sets.values()) set.close();
  }
}
