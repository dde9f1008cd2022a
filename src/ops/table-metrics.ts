import type { Families, Merging } from './families.ts';

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
export function registerNearness(families: Families, ask: () => NearState | null): void {
  families.askedCounts(
    'teapop_proxy_table_lookups_total',
    'Lookups in the tables, by what answered them.',
    'source',
    () => ask()?.lookups ?? {},
    LOOKUP_SOURCES,
  );
  families.askedCount(
    'teapop_proxy_tables_invalidated_rows_total',
    'Rows dropped from memory because they had changed.',
    () => ask()?.invalidated ?? 0,
  );
  const show = (
    name: string,
    help: string,
    merging: Merging,
    value: (state: NearState) => number | null | undefined,
  ) => {
    const read = () => {
      const state = ask();
      return state === null ? null : (value(state) ?? null);
    };
    families.asked(`teapop_proxy_tables_${name}`, help, read, merging);
  };
  show('hot_rows', 'Rows of domains and users in memory.', 'sum', ({ hot }) => hot);
  show('unknown_names', 'Names in memory that are in no table.', 'sum', ({ unknown }) => unknown);
  show('memory_bytes', 'Memory that both take, roughly.', 'sum', ({ octets }) => octets);
  show('generation', 'The publication that is followed.', 'min', ({ generation }) => generation);
  show('feed_trusted', '1 while rows in memory are known to be current, else 0.', 'min', (state) =>
    Number(state.feedTrusted),
  );
  show(
    'feed_age_seconds',
    'Time since Redis told what is published.',
    'max',
    (state) => state.feedAgeSeconds,
  );
  const ofSnapshot = (key: 'generation' | 'ageSeconds' | 'octets') => (state: NearState) =>
    state.snapshot?.[key];
  show('snapshot_generation', 'The publication that the snapshot holds.', 'min', ofSnapshot('generation'));
  show('snapshot_age_seconds', 'Time since it was what is published.', 'max', ofSnapshot('ageSeconds'));
  show('snapshot_bytes', 'Size of the snapshot.', 'sum', ofSnapshot('octets'));
}
