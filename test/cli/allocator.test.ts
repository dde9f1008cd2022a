import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { PROGRAM, stubHouse } from '../support/stub-house.ts';

/** What the allocator of the runtime says of itself; that of Bun does so at its start. In milliseconds. */
function purging(settings: Record<string, string>) {
  const { MIMALLOC_PURGE_DELAY: _, MIMALLOC_PURGE_HOLES_MIN_INTERVAL: __, ...inherited } = process.env;
  const env = { ...inherited, TEAPOP_PROXY_RUNTIME: 'bun', MIMALLOC_VERBOSE: '1', ...settings };
  const { stderr } = spawnSync(PROGRAM, ['help'], { env, encoding: 'latin1' });
  const option = (name: string) => new RegExp(`option '${name}': (\\d+)`).exec(stderr)?.[1];
  return { delay: option('purge_delay'), holes: option('purge_holes_min_interval') };
}

describe("Bun's allocator", () => {
  test('keeps what is free for a second, and looks for holes every two', () => {
    assert.deepEqual(purging({}), { delay: '1000', holes: '2000' });
  });

  test('or for as long as it was told', () => {
    const told = { MIMALLOC_PURGE_DELAY: '50', MIMALLOC_PURGE_HOLES_MIN_INTERVAL: '70' };
    assert.deepEqual(purging(told), { delay: '50', holes: '70' });
  });
});

/** What a runtime is given. */
function tunables(runtime: 'bun' | 'node', settings: Record<string, string> = {}): string {
  const house = stubHouse(runtime, 'printf %s "$GLIBC_TUNABLES"');
  const { GLIBC_TUNABLES: _, ...inherited } = process.env;
  const env = { ...inherited, TEAPOP_PROXY_RUNTIME: runtime, ...settings };
  const { stdout, status } = spawnSync(`${house.path}/bin/teapop-proxy`, ['help'], {
    env,
    encoding: 'latin1',
  });
  house.remove();
  assert.equal(status, 0);
  return stdout;
}

describe("glibc's allocator", () => {
  test('asks for huge pages under Bun, which has an allocator of its own for itself', () => {
    assert.equal(tunables('bun'), 'glibc.malloc.hugetlb=1');
    assert.equal(tunables('node'), '');
  });

  test('or does as it was told', () => {
    const told = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=0' };
    assert.equal(tunables('bun', told), told.GLIBC_TUNABLES);
  });
});
