import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Rank } from '../../src/auth/fair-queue.ts';
import { type Claim, createVerifier, type VerifierOptions } from '../../src/auth/verifier.ts';

const MIB = 1024 * 1024;

/** A verifier whose tasks end when told to, by name. */
function bench(options: VerifierOptions) {
  const verifier = createVerifier(options);
  const started: string[] = [];
  const refused: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, claim: Partial<Claim> = {}) => {
    const task = () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    };
    void verifier
      .run(task, claim)
      .then((outcome) => outcome.ran || refused.push(`${name}: ${outcome.reason}`));
    return settled();
  };
  const end = async (...names: string[]) => {
    for (const name of names) ends.get(name)!();
    await settled();
  };
  return { verifier, started, refused, run, end };
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const by = (rank: Rank, net = 'a'): Partial<Claim> => ({ standing: { rank, net } });
const taking = (mib: number): Partial<Claim> => ({ memory: mib * MIB });

describe('memory', () => {
  test('what runs at once never claims more than there is, whatever the rows ask for', async () => {
    const { verifier, started, run, end } = bench({ concurrency: 3, queue: 10, memory: 60 * MIB });
    await run('a', taking(20));
    await run('b', taking(20));
    await run('c', taking(30));
    await run('d', taking(10));
    assert.deepEqual(started, ['a', 'b'], 'd waits behind c, that c may have its turn');
    assert.equal(verifier.state.memory, 40 * MIB);
    await end('a');
    assert.deepEqual(started, ['a', 'b', 'c', 'd']);
    assert.equal(verifier.state.memory, 60 * MIB);
    await end('b', 'c', 'd');
    assert.deepEqual([verifier.state.memory, verifier.state.running], [0, 0]);
  });

  test('a row that takes more than all of it is checked while nothing else is', async () => {
    const { started, run, end } = bench({ concurrency: 2, queue: 10, memory: 40 * MIB });
    await run('a', taking(20));
    await run('dear', taking(256));
    await run('b', taking(1));
    assert.deepEqual(started, ['a']);
    await end('a');
    assert.deepEqual(started, ['a', 'dear']);
    await end('dear');
    assert.deepEqual(started, ['a', 'dear', 'b']);
  });

  test('a dear one that leaves holds up nobody any more', async () => {
    const { started, refused, run } = bench({ concurrency: 2, queue: 10, memory: 40 * MIB });
    const gone = new AbortController();
    await run('a', taking(20));
    await run('dear', { ...taking(256), gone: gone.signal });
    await run('b', taking(20));
    assert.deepEqual(started, ['a']);
    gone.abort();
    await settled();
    assert.deepEqual([started, refused], [['a', 'b'], ['dear: client-gone']]);
  });

  test('counts for what no login waits for, too', async () => {
    const { verifier, run, end } = bench({ concurrency: 4, queue: 10, memory: 40 * MIB });
    await run('a', taking(30));
    assert.deepEqual(await verifier.runSpare(async () => {}, 20 * MIB), { ran: false });
    assert.deepEqual(await verifier.runSpare(async () => 1, 10 * MIB), { ran: true, value: 1 });
    await end('a');
    assert.equal(verifier.state.memory, 0);
  });
});

describe('ranks', () => {
  test('whoever is doubtful never takes the last permit', async () => {
    const { verifier, started, run, end } = bench({ concurrency: 3, queue: 10 });
    for (const name of ['x1', 'x2', 'x3', 'x4']) await run(name, by('doubtful', name));
    assert.deepEqual(started, ['x1', 'x2']);
    assert.equal(verifier.state.waiting.doubtful, 2);
    await run('good', by('clean'));
    assert.deepEqual(started, ['x1', 'x2', 'good'], 'it finds one free at once');
    await end('good');
    assert.deepEqual(started.length, 3, 'and leaves it free for the next');
    await end('x1');
    assert.deepEqual(started, ['x1', 'x2', 'good', 'x3']);
  });

  test('but a single permit is for everybody', async () => {
    const { started, run, end } = bench({ concurrency: 1, queue: 10 });
    await run('x1', by('doubtful'));
    await run('x2', by('doubtful'));
    await run('good', by('known', 'b'));
    await end('x1');
    assert.deepEqual(started, ['x1', 'good']);
    await end('good');
    assert.deepEqual(started, ['x1', 'good', 'x2']);
  });

  test('the better one has its turn first', async () => {
    const { started, run, end } = bench({ concurrency: 1, queue: 10 });
    for (const rank of ['clean', 'doubtful', 'clean', 'familiar', 'known'] as const)
      await run(`${rank} ${started.length}`, by(rank));
    const order = ['clean 0', 'known 1', 'familiar 1', 'clean 1', 'doubtful 1'];
    for (const name of order) await end(name);
    assert.deepEqual(started, order);
  });
});

describe('a full queue', () => {
  test('turns away the flood that fills it, not the user who comes then', async () => {
    const { verifier, started, refused, run, end } = bench({ concurrency: 1, queue: 3 });
    for (let i = 0; i < 5; i++) await run(`x${i}`, by('doubtful', 'flood'));
    assert.deepEqual(refused, ['x4: verify-queue-full']);
    await run('good', by('clean', 'home'));
    assert.deepEqual(refused, ['x4: verify-queue-full', 'x3: verify-queue-full']);
    await end('x0');
    assert.deepEqual(started, ['x0', 'good']);
    assert.deepEqual(verifier.state.waiting, { known: 0, familiar: 0, clean: 0, doubtful: 2 });
  });

  test('of one rank turns away whoever has most in it', async () => {
    const { refused, run } = bench({ concurrency: 1, queue: 3 });
    for (let i = 0; i < 4; i++) await run(`x${i}`, by('clean', 'flood'));
    await run('y', by('clean', 'other'));
    await run('z', by('clean', 'third'));
    await run('x4', by('clean', 'flood'));
    assert.deepEqual(
      refused,
      ['x3', 'x2', 'x4'].map((name) => `${name}: verify-queue-full`),
    );
  });

  test('turns nobody away for one who can begin at once', async () => {
    const { started, refused, run } = bench({ concurrency: 2, queue: 1 });
    await run('x0', by('doubtful'));
    await run('x1', by('doubtful'));
    await run('good', by('clean'));
    assert.deepEqual([started, refused], [['x0', 'good'], []]);
  });

  test('drops the listener of whoever it turns away', async () => {
    const { refused, run } = bench({ concurrency: 1, queue: 1 });
    const gone = new AbortController();
    await run('busy');
    await run('x', { ...by('doubtful'), gone: gone.signal });
    await run('good', by('known', 'b'));
    gone.abort();
    await settled();
    assert.deepEqual(refused, ['x: verify-queue-full']);
  });
});
