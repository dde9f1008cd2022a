import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Deadline, DeadlineWheel } from '../../src/proxy/deadlines.ts';

describe('deadline wheel', () => {
  let now = 0;
  let wheel: DeadlineWheel;
  const advance = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now = Math.min(end, now + 10);
      wheel.turn();
    }
  };
  beforeEach(() => {
    now = 0;
    wheel = new DeadlineWheel(10, () => now);
  });
  afterEach(() => wheel.stop());

  test('runs once, never early, at most a tick late', () => {
    const at: number[] = [];
    wheel.set(new Deadline(() => at.push(now)), 25);
    advance(24);
    assert.deepEqual(at, []);
    advance(1000);
    assert.equal(at.length, 1);
    assert.ok(at[0]! >= 25 && at[0]! <= 40, `ran at ${at[0]}`);
  });

  test('a deadline beyond a turn of the wheel waits for its turn', () => {
    let ran = 0;
    wheel.set(new Deadline(() => ran++), 20_000);
    advance(19_990);
    assert.equal(ran, 0);
    advance(30);
    assert.equal(ran, 1);
  });

  test('moved and cleared', () => {
    let ran = 0;
    const deadline = new Deadline(() => ran++);
    wheel.set(deadline, 20);
    wheel.set(deadline, 100);
    advance(90);
    assert.equal(ran, 0);
    wheel.clear(deadline);
    wheel.clear(deadline);
    advance(100);
    assert.equal(ran, 0);
  });

  test('one that runs may clear, move and arm any other', () => {
    const ran: string[] = [];
    const third = new Deadline(() => ran.push('third'));
    const second = new Deadline(() => ran.push('second'));
    const first = new Deadline(() => {
      ran.push('first');
      wheel.clear(second);
      wheel.set(third, 50);
      wheel.set(first, 30);
    });
    for (const deadline of [first, second, third]) wheel.set(deadline, 10);
    advance(20);
    assert.deepEqual(ran, ['first']);
    advance(25);
    assert.deepEqual(ran, ['first', 'first']);
    wheel.clear(first);
    advance(60);
    assert.deepEqual(ran, ['first', 'first', 'third']);
  });

  test('after a stall everything due runs, each once', () => {
    let ran = 0;
    for (let i = 0; i < 1000; i++) wheel.set(new Deadline(() => ran++), i * 37);
    now = 1_000_000;
    wheel.turn();
    assert.equal(ran, 1000);
    wheel.turn();
    assert.equal(ran, 1000);
  });
});
