import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoginCacheState, registerLoginCache } from '../../src/ops/login-metrics.ts';
import { Registry } from '../../src/ops/registry.ts';
import { total } from '../support/exposition.ts';

async function exposed(state: LoginCacheState | null) {
  const registry = new Registry();
  registerLoginCache(registry, () => state);
  const text = await registry.text();
  // Read twice, a count is not counted twice.
  assert.equal(await registry.text(), text);
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
