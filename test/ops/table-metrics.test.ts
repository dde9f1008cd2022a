import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Families } from '../../src/ops/families.ts';
import { LOOKUP_SOURCES, type NearState, registerNearness } from '../../src/ops/table-metrics.ts';
import { samples, total } from '../support/exposition.ts';

const STATE: NearState = {
  lookups: { memory: 90, redis: 8, snapshot: 3, unavailable: 2 },
  ...{ hot: 40, unknown: 5, octets: 32_000, invalidated: 7 },
  ...{ generation: 12, feedTrusted: true, feedAgeSeconds: 0.3 },
  snapshot: { generation: 11, ageSeconds: 0.4, octets: 100_000 },
};

/** What is exposed of a state, by name without the prefix. */
async function exposed(state: NearState | null): Promise<Map<string, number>> {
  const families = new Families();
  registerNearness(families, () => state);
  const text = await families.text();
  // Read twice, a count is not counted twice.
  assert.equal(await families.text(), text);
  for (const source of LOOKUP_SOURCES)
    assert.equal(total(text, 'teapop_proxy_table_lookups_total', { source }), state?.lookups[source] ?? 0);
  const others = samples(text).filter(({ labels }) => labels.source === undefined);
  return new Map(others.map(({ name, value }) => [name.replace('teapop_proxy_tables_', ''), value]));
}

test('what is remembered of the tables is shown', async () => {
  assert.deepEqual(Object.fromEntries(await exposed(STATE)), {
    invalidated_rows_total: 7,
    hot_rows: 40,
    unknown_names: 5,
    memory_bytes: 32_000,
    generation: 12,
    feed_trusted: 1,
    feed_age_seconds: 0.3,
    snapshot_generation: 11,
    snapshot_age_seconds: 0.4,
    snapshot_bytes: 100_000,
  });
});

test('what is not known is left out, and with tables from files all but the counts', async () => {
  const blind = { ...STATE, feedTrusted: false, feedAgeSeconds: null, generation: null, snapshot: null };
  const found = await exposed(blind);
  assert.equal(found.get('feed_trusted'), 0);
  for (const name of ['feed_age_seconds', 'generation', 'snapshot_generation', 'snapshot_age_seconds'])
    assert.equal(found.has(name), false, name);
  assert.deepEqual(Object.fromEntries(await exposed(null)), { invalidated_rows_total: 0 });
});
