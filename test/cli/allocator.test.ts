import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/teapop-proxy', import.meta.url));

/** What the allocator of the runtime says of itself; that of Bun does so at its start. */
function purgeDelay(settings: Record<string, string>): string | undefined {
  const { MIMALLOC_PURGE_DELAY: _, ...inherited } = process.env;
  const env = { ...inherited, TEAPOP_PROXY_RUNTIME: 'bun', MIMALLOC_VERBOSE: '1', ...settings };
  const { stderr } = spawnSync(PROGRAM, ['help'], { env, encoding: 'latin1' });
  return /option 'purge_delay': (\d+)/.exec(stderr)?.[1];
}

describe("Bun's allocator", () => {
  test('keeps what is free for a second', () => {
    assert.equal(purgeDelay({}), '1000');
  });

  test('or for as long as it was told', () => {
    assert.equal(purgeDelay({ MIMALLOC_PURGE_DELAY: '50' }), '50');
  });
});
