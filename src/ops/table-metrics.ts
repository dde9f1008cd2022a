import type { Registry } from './registry.ts';

/** Where a lookup was answered from, most wanted first. */
export const LOOKUP_SOURCES = ['memory', 'redis', 'snapshot', 'unavailable'] as const;

/** What is remembered of tables in Redis. */
export type NearState = {
  /** Lookups so far: one or two a login. */
  lookups: Readonly<Record<(typeof LOOKUP_SOURCES)[number], number>>;
  /** Rows in memory, names known to be unknown, and roughly the octets of both. */
  hot: number;
  unknown: number;
  octets: number;
  /** Rows dropped so far because they had changed. */
  invalidated: number;
  /** The publication that the rows in memory are of. */
  generation: number | null;
  feedTrusted: boolean;
  /** Since Redis last answered what is published. */
  feedAgeSeconds: number | null;
  snapshot: { generation: number; ageSeconds: number | null; octets: number } | null;
};

/** @param ask null where the tables do not come from Redis */
export function registerNearness(registry: Registry, ask: () => NearState | null): void {
  registry.askedCounts(
    'teapop_proxy_table_lookups_total',
    'Lookups in the tables, by what answered them.',
    'source',
    () => ask()?.lookups ?? {},
    LOOKUP_SOURCES,
  );
  registry.askedCount(
    'teapop_proxy_tables_invalidated_rows_total',
    'Rows dropped from memory because they had changed.',
    () => ask()?.invalidated ?? 0,
  );
  const show = (name: string, help: string, value: (state: NearState) => number | null | undefined) =>
    registry.asked(`teapop_proxy_tables_${name}`, help, () => {
      const state = ask();
      return state === null ? null : (value(state) ?? null);
    });
  show('hot_rows', 'Rows of domains and users in memory.', ({ hot }) => hot);
  show('unknown_names', 'Names in memory that are in no table.', ({ unknown }) => unknown);
  show('memory_bytes', 'Memory that both take, roughly.', ({ octets }) => octets);
  show('generation', 'The publication that is followed.', ({ generation }) => generation);
  show('feed_trusted', '1 while rows in memory are known to be current, else 0.', ({ feedTrusted }) =>
    Number(feedTrusted),
  );
  show('feed_age_seconds', 'Time since Redis told what is published.', (state) => state.feedAgeSeconds);
  show(
    'snapshot_generation',
    'The publication that the snapshot holds.',
    (state) => state.snapshot?.generation,
  );
  show('snapshot_age_seconds', 'Time since it was what is published.', (state) => state.snapshot?.ageSeconds);
  show('snapshot_bytes', 'Size of the snapshot.', ({ snapshot }) => snapshot?.octets);
}
