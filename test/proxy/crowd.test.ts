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
