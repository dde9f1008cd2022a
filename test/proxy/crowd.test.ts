import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Crowd, type Member } from '../../src/proxy/crowd.ts';

const member = (name: number): Member & { name: number } => ({ name, place: 0 });
const byName = (members: Iterable<{ name: number }>) => Array.from(members, ({ name }) => name).sort();

describe('a crowd', () => {
  test('holds who came and has not left, in whatever order they do', () => {
    const step = fc.record({ name: fc.nat(9), comes: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all = Array.from({ length: 10 }, (_, name) => member(name));
        const crowd = new Crowd<(typeof all)[number]>();
        const expected = new Set<(typeof all)[number]>();
        for (const { name, comes } of steps) {
          const each = all[name]!;
          if (!comes) crowd.delete(each);
          else if (!expected.has(each)) crowd.add(each);
          if (comes) expected.add(each);
          else expected.delete(each);
          assert.equal(crowd.size, expected.size);
          assert.deepEqual(byName(crowd.members), byName(expected));
        }
      }),
    );
  });

  test('lets its members leave while they are gone through', () => {
    const crowd = new Crowd<ReturnType<typeof member>>();
    for (let name = 0; name < 5; name++) crowd.add(member(name));
    const seen: number[] = [];
    for (const each of crowd.members) {
      seen.push(each.name);
      crowd.delete(each);
    }
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    assert.equal(crowd.size, 0);
  });
});

/** How many arrays of a kind that nothing else here makes are on Bun's heap. */
async function marksOnHeap(): Promise<number> {
  const { edenGC, heapStats } = await import('bun:jsc');
  edenGC();
  return heapStats().objectTypeCounts.Uint16Array ?? 0;
}

// Node's collector has no such trouble with a Set.
if (process.versions.bun !== undefined)
  test('a crowd lets go on Bun of who has left, at the next young collection', async () => {
    const crowd = new Crowd<Member & { mark: Uint16Array }>();
    const before = await marksOnHeap();
    for (let round = 0; round < 20; round++) {
      const here: (Member & { mark: Uint16Array })[] = [];
      for (let many = 0; many < 1_000; many++) {
        const comes = { place: 0, mark: new Uint16Array(1) };
        crowd.add(comes);
        here.push(comes);
        if (here.length > 32) crowd.delete(here.shift()!);
      }
      for (const goes of here) crowd.delete(goes);
      await marksOnHeap();
    }
    assert.equal(crowd.size, 0);
    // With a Set it was 3,800; what the stack still holds is found there by its look.
    const kept = (await marksOnHeap()) - before;
    assert.ok(kept < 100, `${kept}`);
  });
