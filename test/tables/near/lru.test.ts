import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lru } from '../../../src/tables/near/lru.ts';

test('the row used longest ago goes first, and looking it up counts as use', () => {
  const lru = new Lru<number>({ rows: 3, octets: 100 });
  for (const [i, name] of ['a', 'b', 'c'].entries()) lru.set('g', name, i, 1);
  assert.equal(lru.get('g', 'a'), 0);
  lru.set('g', 'd', 3, 1);
  assert.equal(lru.get('g', 'b'), undefined);
  assert.deepEqual(
    ['a', 'c', 'd'].map((name) => lru.get('g', name)),
    [0, 2, 3],
  );
});

test('octets are a bound as well, and what is larger than all of it is not kept', () => {
  const lru = new Lru<string>({ rows: 100, octets: 10 });
  lru.set('g', 'a', 'a', 4);
  lru.set('g', 'b', 'b', 4);
  lru.set('g', 'c', 'c', 4);
  assert.equal(lru.octets, 8);
  assert.equal(lru.get('g', 'a'), undefined);
  lru.set('g', 'b', 'large', 11);
  assert.equal(lru.get('g', 'b'), undefined, 'the one before is gone too');
  assert.equal(lru.get('g', 'c'), 'c', 'the others stay');
});

test('groups do not meet, and go as a whole', () => {
  const lru = new Lru<number>({ rows: 10, octets: 100 });
  lru.set('', 'ab', 1, 1);
  lru.set('a', 'b', 2, 1);
  lru.set('a', 'c', 3, 1);
  assert.equal(lru.deleteGroup('a'), 2);
  assert.equal(lru.deleteGroup('a'), 0);
  assert.equal(lru.get('a', 'b'), undefined);
  assert.equal(lru.get('', 'ab'), 1);
  assert.equal(lru.clear(), 1);
  assert.equal(lru.rows + lru.octets, 0);
});

test('without room nothing is kept', () => {
  const lru = new Lru<number>({ rows: 0, octets: 100 });
  lru.set('g', 'a', 1, 1);
  assert.equal(lru.get('g', 'a'), undefined);
  assert.equal(lru.octets, 0);
});

/** The same, done plainly: a list of what is kept, the newest last. */
class Plain {
  kept: { group: string; name: string; value: number; octets: number }[] = [];
  rows: number;
  octets: number;
  constructor(rows: number, octets: number) {
    this.rows = rows;
    this.octets = octets;
  }
  take(group: string, name: string) {
    const at = this.kept.findIndex((each) => each.group === group && each.name === name);
    return at < 0 ? undefined : this.kept.splice(at, 1)[0];
  }
  get(group: string, name: string) {
    const found = this.take(group, name);
    if (found) this.kept.push(found);
    return found?.value;
  }
  set(group: string, name: string, value: number, octets: number) {
    this.take(group, name);
    if (octets > this.octets) return;
    this.kept.push({ group, name, value, octets });
    while (this.kept.length > this.rows || this.sum() > this.octets) this.kept.shift();
  }
  sum() {
    return this.kept.reduce((sum, { octets }) => sum + octets, 0);
  }
}

test('whatever is done to it, it keeps what a plain list would', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const group = fc.constantFrom('', 'x', 'y');
  const step = fc.oneof(
    fc.tuple(fc.constant('set' as const), group, name, fc.nat(99), fc.nat(6)),
    fc.tuple(fc.constant('get' as const), group, name),
    fc.tuple(fc.constant('delete' as const), group, name),
    fc.tuple(fc.constant('group' as const), group),
  );
  fc.assert(
    fc.property(fc.nat(6), fc.nat(20), fc.array(step, { maxLength: 60 }), (rows, octets, steps) => {
      const lru = new Lru<number>({ rows, octets });
      const plain = new Plain(rows, octets);
      for (const [what, ...args] of steps) {
        const [inGroup, named = '', value = 0, size = 0] = args as [string, string?, number?, number?];
        if (what === 'set') {
          lru.set(inGroup, named, value, size);
          plain.set(inGroup, named, value, size);
        } else if (what === 'get') assert.equal(lru.get(inGroup, named), plain.get(inGroup, named));
        else if (what === 'delete')
          assert.equal(lru.delete(inGroup, named), plain.take(inGroup, named) !== undefined);
        else {
          const gone = plain.kept.filter((each) => each.group === inGroup);
          assert.equal(lru.deleteGroup(inGroup), gone.length);
          for (const each of gone) plain.take(each.group, each.name);
        }
        assert.deepEqual([lru.rows, lru.octets], [plain.kept.length, plain.sum()]);
      }
      for (const each of plain.kept) assert.equal(lru.get(each.group, each.name), each.value);
    }),
    { numRuns: 500 },
  );
});
