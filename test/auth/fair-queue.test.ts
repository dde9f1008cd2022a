import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FairQueue, RANKS, type Rank, type Waiter } from '../../src/auth/fair-queue.ts';

type Named = Waiter & { name: string };

function waiter(name: string, net = 'a', rank: Rank = 'clean'): Named {
  return { name, standing: { rank, net }, memory: 0 };
}

/** The names in the order of their turns. */
function drained(queue: FairQueue<Named>, turns = Infinity): string[] {
  const names: string[] = [];
  for (let next = queue.next(); next !== undefined && names.length < turns; next = queue.next()) {
    queue.take(next);
    names.push(next.name);
  }
  return names;
}

describe('the order of turns', () => {
  test('within a net: of arrival', () => {
    const queue = new FairQueue<Named>();
    for (const name of ['1', '2', '3']) queue.add(waiter(name));
    assert.deepEqual(drained(queue), ['1', '2', '3']);
    assert.equal(queue.next(), undefined);
  });

  test('between nets: one each in rotation, however many of one wait', () => {
    const queue = new FairQueue<Named>();
    for (let i = 0; i < 1_000; i++) queue.add(waiter(`a${i}`, 'a'));
    for (const name of ['b0', 'b1']) queue.add(waiter(name, 'b'));
    queue.add(waiter('c0', 'c'));
    assert.deepEqual(drained(queue, 7), ['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3']);
    // Whoever comes again has its place behind the others.
    queue.add(waiter('b2', 'b'));
    assert.deepEqual(drained(queue, 3), ['a4', 'b2', 'a5']);
  });

  test('between ranks: the better first, and one turn in eight for the last', () => {
    const queue = new FairQueue<Named>();
    for (const rank of [...RANKS].reverse())
      for (let i = 0; i < 20; i++) queue.add(waiter(`${rank} ${i}`, 'a', rank));
    const names = drained(queue, 24);
    const of = (rank: Rank) => names.flatMap((name, turn) => (name.startsWith(rank) ? [turn] : []));
    assert.deepEqual(of('doubtful'), [7, 15, 23]);
    assert.deepEqual(of('known').length, 20);
    assert.deepEqual(of('familiar'), [22]);
  });

  test('a rank that has no turn now is passed over', () => {
    const queue = new FairQueue<Named>();
    queue.add(waiter('bad', 'a', 'doubtful'));
    assert.equal(queue.next('doubtful'), undefined);
    queue.add(waiter('good', 'a', 'clean'));
    for (let turn = 0; turn < 20; turn++) assert.equal(queue.next('doubtful')?.name, 'good');
    assert.equal(queue.waiting('doubtful'), 1);
  });

  test('who leaves is not called, and its net keeps its place', () => {
    const queue = new FairQueue<Named>();
    const all = ['a0', 'a1', 'a2'].map((name) => waiter(name, 'a'));
    for (const each of all) queue.add(each);
    queue.add(waiter('b0', 'b'));
    queue.remove(all[0]!);
    queue.remove(all[0]!);
    assert.equal(queue.size, 3);
    assert.deepEqual(drained(queue), ['a1', 'b0', 'a2']);
  });
});

describe('where there is no room', () => {
  test('the last to come of the net with the most waiters goes, of the last rank', () => {
    const queue = new FairQueue<Named>();
    for (const name of ['a0', 'a1', 'a2']) queue.add(waiter(name, 'a', 'doubtful'));
    for (const name of ['b0', 'b1']) queue.add(waiter(name, 'b', 'doubtful'));
    queue.add(waiter('c0', 'c', 'clean'));
    assert.equal(queue.displaced({ rank: 'known', net: 'c' })?.name, 'a2');
    assert.equal(queue.displaced({ rank: 'doubtful', net: 'c' })?.name, 'a2');
    assert.equal(queue.displaced({ rank: 'doubtful', net: 'b' }), null, 'it would have as many itself');
    assert.equal(queue.displaced({ rank: 'doubtful', net: 'a' }), null);
  });

  test('nobody goes for a newcomer of a worse rank', () => {
    const queue = new FairQueue<Named>();
    for (const name of ['a0', 'a1', 'a2']) queue.add(waiter(name, 'a', 'clean'));
    assert.equal(queue.displaced({ rank: 'doubtful', net: 'b' }), null);
    assert.equal(queue.displaced({ rank: 'clean', net: 'b' })?.name, 'a2');
  });
});

/** The same by a list that is searched through. */
function longestOf(waiters: readonly Named[], rank: Rank): number {
  const counts = new Map<string, number>();
  for (const { standing } of waiters)
    if (standing.rank === rank) counts.set(standing.net, (counts.get(standing.net) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

test('whatever comes and goes, nobody is lost or called twice, and whoever is displaced is of the longest net', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({
        do: fc.constant('add' as const),
        net: fc.constantFrom('a', 'b', 'c', 'd'),
        rank: fc.constantFrom(...RANKS),
      }),
      fc.record({ do: fc.constant('take' as const) }),
      fc.record({ do: fc.constant('remove' as const), at: fc.nat(30) }),
    ),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new FairQueue<Named>();
      const inside: Named[] = [];
      const out = (gone: Named) => inside.splice(inside.indexOf(gone), 1);
      for (const [number, step] of list.entries()) {
        if (step.do === 'add') {
          const each = waiter(`${number}`, step.net, step.rank);
          queue.add(each);
          inside.push(each);
        } else if (step.do === 'take') {
          const next = queue.next();
          assert.equal(next === undefined, inside.length === 0);
          if (next !== undefined) {
            assert.ok(inside.includes(next));
            queue.take(next);
            out(next);
          }
        } else if (inside.length > 0) {
          const leaving = inside[step.at % inside.length]!;
          queue.remove(leaving);
          out(leaving);
        }
        assert.equal(queue.size, inside.length);
        for (const rank of RANKS)
          assert.equal(queue.waiting(rank), inside.filter(({ standing }) => standing.rank === rank).length);
        const last = RANKS.findLast((rank) => queue.waiting(rank) > 0);
        if (last === undefined) continue;
        const gone = queue.displaced({ rank: 'known', net: 'new' });
        if (gone === null) continue;
        assert.equal(gone.standing.rank, last);
        const { net } = gone.standing;
        const alike = inside.filter(({ standing }) => standing.rank === last && standing.net === net);
        assert.equal(alike.length, longestOf(inside, last));
        assert.equal(gone, alike.at(-1));
      }
    }),
    { numRuns: 300 },
  );
});
