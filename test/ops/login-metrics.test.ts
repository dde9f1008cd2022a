import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Families } from '../../src/ops/families.ts';
import {
  type LoginCacheState,
  QUEUE_RANKS,
  registerLoginCache,
  registerVerifier,
} from '../../src/ops/login-metrics.ts';
import { total } from '../support/exposition.ts';

async function exposed(state: LoginCacheState | null) {
  const families = new Families();
  registerLoginCache(families, () => state);
  const text = await families.text();
  // Read twice, a count is not counted twice.
  assert.equal(await families.text(), text);
  const by = (name: string) =>
    ['accepted', 'rejected'].map((result) => total(text, `teapop_proxy_login_cache_${name}`, { result }));
  return [by('hits_total'), total(text, 'teapop_proxy_login_cache_misses_total'), by('entries')];
}

test('what is remembered of logins is shown by how they came out', async () => {
  const state = { hits: { accepted: 5, rejected: 4 }, misses: 3, entries: { accepted: 2, rejected: 1 } };
  assert.deepEqual(await exposed(state), [[5, 4], 3, [2, 1]]);
});

test('and 0 where nothing is', async () => {
  assert.deepEqual(await exposed(null), [[0, 0], 0, [0, 0]]);
});

test('the queue for hashes is shown by rank, with the memory that is in use', async () => {
  const families = new Families();
  const waiting = { known: 1, familiar: 2, clean: 3, doubtful: 4 };
  registerVerifier(families, () => ({ running: 2, memory: 4096, waiting }));
  const text = await families.text();
  assert.deepEqual(
    QUEUE_RANKS.map((rank) => total(text, 'teapop_proxy_verify_queue_length', { rank })),
    [1, 2, 3, 4],
  );
  assert.equal(total(text, 'teapop_proxy_verify_running'), 2);
  assert.equal(total(text, 'teapop_proxy_verify_memory_bytes'), 4096);
});
