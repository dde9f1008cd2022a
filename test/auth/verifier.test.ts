import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createVerifier, type Verifier } from '../../src/auth/verifier.ts';

/** Tasks that end when told to, and a record of how many ran at once. */
function bench() {
  const started: number[] = [];
  const ends = new Map<number, (fail?: Error) => void>();
  let running = 0;
  let most = 0;
  const task = (id: number) => () =>
    new Promise<number>((resolve, reject) => {
      started.push(id);
      most = Math.max(most, ++running);
      ends.set(id, (fail) => {
        running--;
        if (fail) reject(fail);
        else resolve(id);
      });
    });
  const end = async (id: number, fail?: Error) => {
    ends.get(id)!(fail);
    await settled();
  };
  return { started, task, end, most: () => most };
}

/** All that wait, whatever their rank. */
function waiting({ state }: Verifier): number {
  return Object.values(state.waiting).reduce((sum, count) => sum + count, 0);
}

/** A turn of the event loop: all promises that can settle have. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the verifier', () => {
  test('runs what its permits allow, lets the queue wait and turns the rest away at once', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 2, queue: 2 });
    const runs = [0, 1, 2, 3].map((id) => verifier.run(task(id)));
    assert.deepEqual(started, [0, 1]);
    assert.deepEqual([verifier.state.running, waiting(verifier)], [2, 2]);
    assert.deepEqual(await verifier.run(task(4)), { ran: false, reason: 'verify-queue-full' });
    await end(1);
    assert.deepEqual(started, [0, 1, 2]);
    assert.deepEqual([verifier.state.running, waiting(verifier)], [2, 1]);
    for (const id of [0, 2, 3]) await end(id);
    assert.deepEqual(
      await Promise.all(runs),
      [0, 1, 2, 3].map((value) => ({ ran: true, value })),
    );
    assert.deepEqual([verifier.state.running, waiting(verifier)], [0, 0]);
    assert.ok(!started.includes(4));
  });

  test('runs what no login waits for only while a permit stays free beside it', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 2, queue: 1 });
    const spare = verifier.runSpare(task(0));
    assert.deepEqual([started, verifier.state.running], [[0], 1]);
    assert.deepEqual(await verifier.runSpare(task(1)), { ran: false });
    const login = verifier.run(task(2));
    assert.deepEqual(started, [0, 2], 'a login has its turn at once');
    const next = verifier.run(task(3));
    await end(0);
    assert.deepEqual(await spare, { ran: true, value: 0 });
    assert.deepEqual(started, [0, 2, 3], 'its permit goes to whoever waits');
    for (const id of [2, 3]) await end(id);
    await Promise.all([login, next]);
    assert.equal(verifier.state.running, 0);

    const busy = verifier.run(task(4));
    assert.deepEqual(await verifier.runSpare(task(5)), { ran: false });
    await end(4);
    await busy;
    const failing = assert.rejects(verifier.runSpare(task(6)), /broken/);
    await end(6, new Error('broken'));
    await failing;
    assert.equal(verifier.state.running, 0);
  });

  test('with a single permit runs it while nothing else runs', async () => {
    const { task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 1 });
    const login = verifier.run(task(0));
    assert.deepEqual(await verifier.runSpare(task(1)), { ran: false });
    await end(0);
    await login;
    const spare = verifier.runSpare(task(2));
    await end(2);
    assert.deepEqual(await spare, { ran: true, value: 2 });
  });

  test('first come, first served', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 10 });
    for (let id = 0; id < 6; id++) void verifier.run(task(id));
    for (let id = 0; id < 6; id++) await end(id);
    assert.deepEqual(started, [0, 1, 2, 3, 4, 5]);
  });

  test('a newcomer does not pass by those that wait when a permit comes free', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 10 });
    const first = verifier.run(task(0)).then(() => void verifier.run(task(2)));
    void verifier.run(task(1));
    await end(0);
    await first;
    assert.deepEqual(started, [0, 1]);
    await end(1);
    assert.deepEqual(started, [0, 1, 2]);
    await end(2);
  });

  test('never more at once than permits: 500 tasks of uneven length', async () => {
    const verifier = createVerifier({ concurrency: 3, queue: 500 });
    let running = 0;
    let most = 0;
    const work = async (id: number) => {
      most = Math.max(most, ++running);
      for (let i = 0; i < id % 7; i++) await settled();
      running--;
      return id;
    };
    const outcomes = await Promise.all(Array.from({ length: 500 }, (_, id) => verifier.run(() => work(id))));
    assert.equal(most, 3);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.ran && outcome.value),
      [...outcomes.keys()],
    );
    assert.deepEqual([verifier.state.running, waiting(verifier)], [0, 0]);
  });

  test('a task that fails gives its permit back and its error to its caller alone', async () => {
    const { task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 5 });
    const failing = assert.rejects(verifier.run(task(0)), /broken/);
    const next = verifier.run(task(1));
    await end(0, new Error('broken'));
    await failing;
    await end(1);
    assert.deepEqual(await next, { ran: true, value: 1 });
    const thrower = () => {
      throw new Error('at once');
    };
    await assert.rejects(verifier.run(thrower), /at once/);
    assert.equal(verifier.state.running, 0);
  });

  test('with a queue of 0 nothing waits', async () => {
    const { task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 0 });
    const run = verifier.run(task(0));
    assert.deepEqual(await verifier.run(task(1)), { ran: false, reason: 'verify-queue-full' });
    await end(0);
    await run;
  });

  test('bounds that make no sense are refused', () => {
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => createVerifier({ concurrency, queue: 1 }), RangeError);
    }
    assert.throws(() => createVerifier({ concurrency: 1, queue: -1 }), RangeError);
  });
});

describe('a client that is gone', () => {
  test('leaves the queue: its task never starts and its place is free', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 2 });
    const gone = new AbortController();
    void verifier.run(task(0));
    const leaving = verifier.run(task(1), { gone: gone.signal });
    void verifier.run(task(2));
    gone.abort();
    assert.deepEqual(await leaving, { ran: false, reason: 'client-gone' });
    assert.equal(waiting(verifier), 1);
    void verifier.run(task(3));
    for (const id of [0, 2, 3]) await end(id);
    assert.deepEqual(started, [0, 2, 3]);
    assert.deepEqual([verifier.state.running, waiting(verifier)], [0, 0]);
  });

  test('before its login was to be checked: nothing starts', async () => {
    const { started, task } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 2 });
    assert.deepEqual(await verifier.run(task(0), { gone: AbortSignal.abort() }), {
      ran: false,
      reason: 'client-gone',
    });
    assert.deepEqual([started.length, verifier.state.running], [0, 0]);
  });

  test('while its task runs: the permit is held to the end of it', async () => {
    const { task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 2 });
    const gone = new AbortController();
    const run = verifier.run(task(0), { gone: gone.signal });
    gone.abort();
    await settled();
    assert.equal(verifier.state.running, 1);
    await end(0);
    assert.deepEqual(await run, { ran: true, value: 0 });
  });

  test('after its turn came out of the queue: the abort changes nothing', async () => {
    const { task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 2 });
    const gone = new AbortController();
    void verifier.run(task(0));
    const run = verifier.run(task(1), { gone: gone.signal });
    await end(0);
    gone.abort();
    await end(1);
    assert.deepEqual(await run, { ran: true, value: 1 });
    assert.deepEqual([verifier.state.running, waiting(verifier)], [0, 0]);
  });

  test('a thousand that leave in any order are no burden', async () => {
    const { started, task, end } = bench();
    const verifier = createVerifier({ concurrency: 1, queue: 1000 });
    void verifier.run(task(0));
    const leaving = Array.from({ length: 1000 }, (_, id) => {
      const gone = new AbortController();
      return { gone, run: verifier.run(task(id + 1), { gone: gone.signal }) };
    });
    for (const [id, { gone }] of leaving.entries()) if (id % 10 !== 3) gone.abort();
    assert.equal(waiting(verifier), 100);
    await end(0);
    for (let id = 3; id < 1000; id += 10) await end(id + 1);
    assert.equal(started.length, 101);
    await Promise.all(leaving.map(({ run }) => run));
    assert.deepEqual([verifier.state.running, waiting(verifier)], [0, 0]);
  });
});
