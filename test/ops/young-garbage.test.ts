import assert from 'node:assert/strict';
import { test } from 'node:test';
import { youngCollector } from '../../src/ops/young-garbage.ts';

/** So many that a few which a register or the stack still points to do not count. */
const MANY = 5_000;

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

function forgotten(): WeakRef<object>[] {
  return Array.from({ length: MANY }, (_, number) => new WeakRef({ number }));
}

if (process.versions.bun !== undefined)
  test('what was made lately and is used no more is collected', async () => {
    const collect = await youngCollector();
    const objects = forgotten();
    // An object that has just been asked for stays until the turn is over.
    await turn();
    collect();
    await turn();
    const gone = objects.filter((object) => object.deref() === undefined).length;
    assert.ok(gone > MANY / 2, `${gone} of ${MANY}`);
  });

test('to ask for it is harmless', async () => {
  const collect = await youngCollector();
  collect();
  collect();
});
