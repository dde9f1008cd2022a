import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { memoryTables } from '../support/memory-tables.ts';
import { decide, disagreement, textsOf, type VectorSet } from '../support/vectors.ts';

const OWN = fileURLToPath(new URL('logins.json', import.meta.url));
const RECORDED = fileURLToPath(new URL('../../../shared/vectors/teapop-0.3.8-logins.json', import.meta.url));

/** Disagreements that are listed; the rest is counted. */
const LISTED = 20;

const named = process.env.TEAPOP_VECTORS;
const recorded = named || (existsSync(RECORDED) ? RECORDED : null);

for (const file of recorded === null ? [OWN] : [OWN, recorded]) {
  test(`decides every login of ${file} as it is recorded`, async () => {
    const sets = JSON.parse(readFileSync(file, 'utf8')) as VectorSet[];
    let logins = 0;
    const differences: string[] = [];
    for (const set of sets) {
      const store = memoryTables(textsOf(set));
      for (const login of set.logins) {
        logins++;
        const difference = disagreement(set, login, await decide(store, set, login));
        if (difference !== null) differences.push(difference);
      }
    }
    process.stdout.write(
      `${logins - differences.length} of ${logins} logins agree in ${sets.length} table sets\n`,
    );
    assert.deepEqual(differences.slice(0, LISTED), [], `${differences.length} disagree`);
    assert.ok(logins > 0, 'the file holds no logins');
  });
}
