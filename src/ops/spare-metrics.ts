import type { Families } from './families.ts';
import { SPARE_EVENTS, type SpareEvent } from './outcome.ts';
import { combinations } from './tally.ts';

/** Of connections opened ahead to a mailstore. */
export interface SpareMetrics {
  /** Ready now: one more or one less. */
  sparesReady(upstream: string, change: 1 | -1): void;
  spare(upstream: string, event: SpareEvent): void;
}

export function spareMetrics(families: Families, upstreams: readonly string[]): SpareMetrics {
  const ready = families.gauge(
    'teapop_proxy_upstream_spares_ready',
    'Connections opened ahead that are ready for a login.',
    ['upstream'],
    combinations(upstreams),
  );
  const spares = families.counter(
    'teapop_proxy_upstream_spares_total',
    'Connections opened ahead, by what became of them, and logins that found none.',
    ['upstream', 'event'],
    combinations(upstreams, SPARE_EVENTS),
  );
  return {
    sparesReady: (upstream, change) => ready.add(change, upstream),
    spare: (upstream, event) => spares.add(1, upstream, event),
  };
}
