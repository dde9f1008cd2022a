/** A server's health by a clock of the test's own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ServerHealth } from '../../src/pool/health.ts';

const SETTINGS = { fall: 3, retryMs: 1_000, mostRetryMs: 60_000 };

/** A server that went down at 100. */
function down(): ServerHealth {
  const health = new ServerHealth(SETTINGS, 0);
  for (let i = 0; i < SETTINGS.fall; i++) health.failed(100, null);
  assert.equal(health.up, false);
  return health;
}

describe('a server that is up', () => {
  test('goes down with the third failure in a row, and says so once', () => {
    const health = new ServerHealth(SETTINGS, 5);
    assert.deepEqual([health.up, health.since], [true, 5]);
    assert.equal(health.failed(10, null), false);
    assert.equal(health.failed(20, 'check'), false);
    assert.equal(health.up, true);
    assert.equal(health.failed(30, null), true);
    assert.deepEqual([health.up, health.since], [false, 30]);
    assert.equal(health.failed(31, null), false);
  });

  test('stays up where a success comes in between', () => {
    const health = new ServerHealth(SETTINGS, 0);
    for (let i = 0; i < 10; i++) {
      assert.equal(health.failed(i, null), false);
      assert.equal(health.failed(i, null), false);
      assert.equal(health.succeeded(i), false);
    }
    assert.equal(health.up, true);
  });

  test('is no trial for anybody', () => {
    const health = new ServerHealth(SETTINGS, 0);
    assert.deepEqual([health.begin(), health.begin(), health.isDue(1e9)], [null, null, false]);
  });
});

describe('a server that is down', () => {
  test('is due after the first wait, for one login', () => {
    const health = down();
    assert.deepEqual([health.isDue(1_099), health.isDue(1_100)], [false, true]);
    assert.equal(health.begin(), 'login');
    assert.equal(health.tried, true);
    assert.equal(health.isDue(1_100), false, 'the others go elsewhere');
  });

  test('comes back with the trial that succeeds, and then needs three failures again', () => {
    const health = down();
    health.begin();
    assert.equal(health.succeeded(1_200), true);
    assert.deepEqual([health.up, health.tried, health.since], [true, false, 1_200]);
    assert.equal(health.failed(1_300, null), false);
    assert.equal(health.failed(1_300, null), false);
    assert.equal(health.failed(1_300, null), true);
    assert.equal(health.retryAt, 2_300, 'and waits as long as the first time');
  });

  test('waits twice as long after each trial that fails, up to the longest', () => {
    const health = down();
    const waits: number[] = [];
    for (let now = health.retryAt; waits.length < 8; now = health.retryAt) {
      health.begin();
      assert.equal(health.failed(now, 'login'), false);
      assert.equal(health.tried, false);
      waits.push(health.retryAt - now);
    }
    assert.deepEqual(waits, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  test('is not put off by logins that were on their way, nor by trials that were not due', () => {
    const health = down();
    for (let i = 0; i < 100; i++) health.failed(1_200, null);
    assert.equal(health.retryAt, 1_100);
    const early = down();
    for (let i = 0; i < 100; i++) early.failed(1_000, early.begin());
    assert.deepEqual([early.retryAt, early.tried], [1_100, false]);
  });

  test('is back also by a login that was on its way', () => {
    const health = down();
    assert.equal(health.succeeded(200), true);
    assert.equal(health.up, true);
  });

  test('may be tried again when the client of a trial has gone; a check ends no login', () => {
    const health = down();
    health.abandoned(health.begin());
    assert.equal(health.isDue(1_100), true);
    health.begin();
    health.failed(1_100, 'check');
    assert.equal(health.tried, true);
  });
});

test('whatever happens, the wait is within its bounds, and a success ends it', () => {
  const event = fc.record({
    what: fc.constantFrom('failed', 'check', 'begin', 'abandon', 'succeed'),
    after: fc.integer({ min: 0, max: 120_000 }),
  });
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const health = new ServerHealth(SETTINGS, 0);
      let now = 0;
      for (const { what, after } of events) {
        now += after;
        const wasUp = health.up;
        if (what === 'failed') health.failed(now, null);
        else if (what === 'check') health.failed(now, 'check');
        else if (what === 'begin') health.failed(now, health.begin());
        else if (what === 'abandon') health.abandoned(health.begin());
        else assert.equal(health.succeeded(now), !wasUp);
        if (what === 'succeed') assert.equal(health.up, true);
        if (!health.up) assert.ok(health.retryAt - now <= SETTINGS.mostRetryMs);
        assert.equal(health.tried, false);
      }
    }),
  );
});
