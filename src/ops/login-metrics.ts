import type { Registry } from './registry.ts';

/** What is remembered of logins. */
export type LoginCacheState = {
  /** So far: logins known by what they came out as, and hashes that had to be computed. */
  hits: Readonly<Record<CachedResult, number>>;
  misses: number;
  /** Now. */
  entries: Readonly<Record<CachedResult, number>>;
};

const CACHED_RESULTS = ['accepted', 'rejected'] as const;
type CachedResult = (typeof CACHED_RESULTS)[number];

/** @param ask null where nothing is remembered */
export function registerLoginCache(registry: Registry, ask: () => LoginCacheState | null): void {
  registry.askedCounts(
    'teapop_proxy_login_cache_hits_total',
    'Passwords not hashed because the same login was remembered, by how it came out.',
    'result',
    () => ask()?.hits ?? {},
    CACHED_RESULTS,
  );
  registry.askedCount(
    'teapop_proxy_login_cache_misses_total',
    'Passwords hashed because the login was not remembered.',
    () => ask()?.misses ?? 0,
  );
  registry.askedByLabel(
    'teapop_proxy_login_cache_entries',
    'Logins remembered, by how they came out.',
    'result',
    () => ask()?.entries ?? {},
    CACHED_RESULTS,
  );
}
