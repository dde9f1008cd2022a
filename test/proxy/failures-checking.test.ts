/** docs/failures.md where the mailstore checks the password: a refusal is the user's, all else the mailstore's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { fails, isTold, logInAt, REPLIES, reaching, TALKING, wordOf } from '../support/failures-page.ts';
import { MISDEEDS, type Stage, servesAll } from '../support/misdeeds.ts';
import { quoted, tableUnder } from '../support/page-table.ts';
import { accepted } from '../support/proxy.ts';

const CHECKING = tableUnder('failures.md', 'Where the mailstore checks the password');

describe('where it checks the password, a mailstore that', () => {
  const decide = () => accepted('john', true);
  const refusals = CHECKING.map(([what = '', at = '', hears = '', reason = '']) => ({
    ...{ what, stages: quoted(at), reply: REPLIES[wordOf(hears)]!, reason: wordOf(reason) },
  }));

  for (const { what, stages, reply, reason } of refusals) {
    for (const stage of stages.length > 0 ? stages : [null]) {
      test(`${what}${stage === null ? '' : `, at ${stage}`}: the user is refused`, async () => {
        const script = stage === null ? servesAll : fails(stage as Stage, what);
        const user = stage === null ? 'x'.repeat(250) : 'john';
        const told = await logInAt(script, { decide: () => accepted(user, true) });
        assert.equal(told.reply, reply);
        assert.deepEqual(told.events, []);
        assert.deepEqual([told.record.result, told.record.reason], ['rejected', reason]);
        assert.equal(total(told.text, 'teapop_proxy_logins_total', { result: 'rejected', reason }), 1);
        assert.equal(total(told.text, 'teapop_proxy_upstream_failures_total'), 0);
      });
    }
  }

  const isRefusal = (what: string) => refusals.some((each) => each.what === what);
  for (const row of TALKING.filter(({ what }) => MISDEEDS[what] !== undefined && !isRefusal(what))) {
    // USER and PASS it is, always: with the client's own password.
    for (const stage of row.stages.filter((each) => each !== 'challenge')) {
      test(`${row.what}, at ${stage}: nobody is`, async () => {
        const script = fails(stage as Stage, row.what);
        const options = { ...(await reaching(stage, row.what)), decide };
        const { mailstore: _, ...told } = await logInAt(script, options);
        isTold(told, row, stage);
      });
    }
  }
});
