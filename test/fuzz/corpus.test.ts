/** The inputs that the fuzzer has kept, and those that it begins with: what held once holds for ever. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { readKept } from './corpus.ts';
import { chanceOf, mutated } from './mutate.ts';
import { closeSessions } from './session-target.ts';
import { latin1, text } from './target.ts';
import { TARGETS } from './targets.ts';

/** Changed inputs for each target, the same each time: a fuzzer's run in little. */
const CHANGED = 300;

after(closeSessions);

for (const target of TARGETS) {
  describe(target.name, () => {
    test('the seeds', async () => {
      for (const seed of target.seeds) await target.run(latin1(seed));
    });

    test('what is kept', async () => {
      const corpus = readKept(target.name);
      assert.ok(corpus.length > 0, 'there is none');
      for (const input of corpus) await target.run(input);
    });

    test('inputs made of them', async () => {
      const pool = [...target.seeds, ...readKept(target.name).map(text)];
      const chance = chanceOf(4_711);
      for (let count = 0; count < CHANGED; count++)
        await target.run(latin1(mutated(pool[chance(pool.length)]!, target.words, pool, chance)));
    });
  });
}
