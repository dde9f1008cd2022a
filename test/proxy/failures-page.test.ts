/** docs/failures.md, run row for row: what a mailstore does, and what the client, the log and the metrics tell of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UPSTREAM_FAILURES } from '../../src/ops/outcome.ts';
import type { LoginFailure } from '../../src/proxy/pool-opening.ts';
import { FAILING } from '../support/failing-mailstores.ts';
import {
  BEFORE,
  fails,
  isTold,
  LINE_BY_LINE,
  logInAt,
  logInOnce,
  type Row,
  reaching,
  runtime,
  TALKING,
  UNASKED,
  UNSPEAKABLE,
} from '../support/failures-page.ts';
import { MISDEEDS, type Stage, servesAll } from '../support/misdeeds.ts';
import { accepted } from '../support/proxy.ts';

/** Every one there is: the type checker says where one is missing here, and a test where it is on the page. */
const ALL_FAILURES: Readonly<Record<LoginFailure, true>> = {
  'not-resolved': true,
  'connect-refused': true,
  'connect-failed': true,
  'connect-timeout': true,
  'tls-failed': true,
  'certificate-invalid': true,
  'login-timeout': true,
  'greeting-refused': true,
  'greeting-invalid': true,
  'own-greeting': true,
  'reply-too-long': true,
  'reply-invalid': true,
  'stls-refused': true,
  'octets-before-tls': true,
  'octets-after-greeting': true,
  'octets-out-of-turn': true,
  'unexpected-continuation': true,
  'user-refused': true,
  'login-refused': true,
  'login-auth-refused': true,
  'in-use': true,
  'login-delay': true,
  'sys-temp': true,
  'sys-perm': true,
  closed: true,
  'cannot-express': true,
  'server-down': true,
  'unknown-server': true,
  'nested-login': true,
};

describe('the page', () => {
  test('has a row for everything that the tests know, and no other', () => {
    const known = [...Object.keys(MISDEEDS), ...Object.keys(FAILING), UNSPEAKABLE];
    const rows = [...BEFORE, ...TALKING].map(({ what }) => what);
    assert.deepEqual([...new Set(rows)].sort(), known.sort());
  });

  test('has every failure, and every word that is counted for one', () => {
    const rows = [...BEFORE, ...TALKING, ...UNASKED];
    const column = (read: (row: Row) => string) => [...new Set(rows.map(read))].sort();
    const [others, told] = [Object.keys(ALL_FAILURES), column(({ failure }) => failure)];
    // Bun has one word for two, which is said in the row.
    const missing = others.filter((failure) => !told.includes(failure));
    assert.deepEqual(missing, runtime === 'bun' ? ['connect-failed'] : []);
    const uncounted = UPSTREAM_FAILURES.filter((word) => !column(({ counted }) => counted).includes(word));
    assert.deepEqual(uncounted, runtime === 'bun' ? ['unreachable'] : []);
  });
});

describe('before it greets, a mailstore that', () => {
  for (const row of [...BEFORE, ...TALKING].filter(({ what }) => FAILING[what] !== undefined)) {
    test(row.what, async () => {
      const { options, stop } = await FAILING[row.what]!();
      try {
        isTold(await logInOnce(options), row, row.stages[0] ?? null);
      } finally {
        await stop();
      }
    });
  }
});

describe('when it is its turn, a mailstore that', () => {
  for (const row of TALKING.filter(({ what }) => MISDEEDS[what] !== undefined)) {
    for (const stage of row.stages) {
      test(`${row.what}, at ${stage}`, async () => {
        const script = fails(stage as Stage, row.what);
        const { mailstore, ...told } = await logInAt(script, await reaching(stage, row.what));
        isTold(told, row, stage);
        assert.equal(mailstore.connections.length, 1, 'it is not tried again');
        assert.ok(!mailstore.connections[0]!.received.includes('QUIT'));
      });
    }
  }

  test(UNSPEAKABLE, async () => {
    const row = TALKING.find(({ what }) => what === UNSPEAKABLE)!;
    const options = { decide: () => accepted('x'.repeat(250)), settings: {} };
    const { mailstore, ...told } = await logInAt(servesAll, options);
    isTold(told, row, row.stages[0]!);
    assert.equal(mailstore.connections.length, 0, 'nobody is asked');
  });
});

describe('with PIPELINING, a mailstore that', () => {
  const rows = TALKING.filter(({ what }) => MISDEEDS[what] !== undefined && what !== LINE_BY_LINE);
  for (const row of rows) {
    for (const stage of row.stages.filter((each) => each === 'user' || each === 'login')) {
      test(`${row.what}, at ${stage}`, async () => {
        const { settings } = await reaching(stage, row.what);
        const options = { settings: { ...settings, pipelining: 'on' } };
        const { mailstore, ...told } = await logInAt(fails(stage as Stage, row.what), options);
        isTold(told, row, stage);
        assert.equal(mailstore.connections[0]!.received, 'USER johnacme\r\nPASS upstream-secret\r\n');
      });
    }
  }
});
