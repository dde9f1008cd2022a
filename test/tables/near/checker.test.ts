import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTables } from '../../support/tables-checker.ts';

// bench/tables-checker.ts does the same over 10,000 changes.
test('while users change, no login is accepted with what was replaced a second ago, none refused that is right', async () => {
  const report = await checkTables({ changes: 300, changesAtOnce: 4, clients: 8 });
  const { stale, refused, unavailable, behind, accepted, rejected, hot } = report;
  assert.deepEqual({ stale, refused, unavailable }, { stale: 0, refused: 0, unavailable: 0 });
  assert.ok(accepted > 500 && rejected > 200, 'there was something to judge');
  assert.ok(hot > 0.5, `${hot} of the lookups were hot`);
  assert.ok(behind.polling > behind.nudged, 'the proxy without nudges believes longer');
});
