import type { Families } from './families.ts';

/** In what order passwords are checked. */
export const QUEUE_RANKS = ['known', 'familiar', 'clean', 'doubtful'] as const;

/** The passwords being checked, the octets that this takes at most, and those that wait for it. */
export type VerifierState = {
  running: number;
  memory: number;
  waiting: Readonly<Record<(typeof QUEUE_RANKS)[number], number>>;
};

export function registerVerifier(families: Families, ask: () => VerifierState): void {
  families.askedByLabel(
    'teapop_proxy_verify_queue_length',
    'Passwords that wait for their check, by their order.',
    'rank',
    () => ask().waiting,
    QUEUE_RANKS,
  );
  families.asked('teapop_proxy_verify_running', 'Passwords being checked.', () => ask().running);
  families.asked('teapop_proxy_verify_memory_bytes', 'Memory that those take at most.', () => ask().memory);
}

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
export function registerLoginCache(families: Families, ask: () => LoginCacheState | null): void {
  families.askedCounts(
    'teapop_proxy_login_cache_hits_total',
    'Passwords not hashed because the same login was remembered, by how it came out.',
    'result',
    () => ask()?.hits ?? {},
    CACHED_RESULTS,
  );
  families.askedCount(
    'teapop_proxy_login_cache_misses_total',
    'Passwords hashed because the login was not remembered.',
    () => ask()?.misses ?? 0,
  );
  families.askedByLabel(
    'teapop_proxy_login_cache_entries',
    'Logins remembered, by how they came out.',
    'result',
    () => ask()?.entries ?? {},
    CACHED_RESULTS,
  );
}
