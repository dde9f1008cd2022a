import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requireTool } from '../support/tool.ts';

const SCRIPT = fileURLToPath(new URL('stalled-reader.ts', import.meta.url));
const LOGGER = [process.execPath, SCRIPT];

/** Makes standard output non-blocking, as a pipe is that a neighbour has set so, and becomes the program named. */
const NON_BLOCKING = 'import os, sys; os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])';

const PIPES: [name: string, command: () => string[]][] = [
  ['a pipe', () => LOGGER],
  ['a non-blocking pipe', () => [requireTool('python3', 'python3'), '-c', NON_BLOCKING, ...LOGGER]],
];

for (const [name, command] of PIPES) {
  test(`${name} that nobody reads stops neither the event loop nor the last line`, {
    timeout: 60_000,
  }, async () => {
    const { longest, dropped, output } = await logUnread(command());
    const lines = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    // For good, if it is to wait for the reader; a busy machine may let it stand for a while.
    assert.ok(longest < 10_000, `the event loop stood for ${longest} ms`);
    assert.ok(dropped > 0);
    const told = lines.filter((line) => line.event === 'log-lines-dropped').map((line) => line.lines);
    const kept = lines.filter((line) => line.event === 'line');
    assert.equal(
      told.reduce((sum, count) => sum + count, 0),
      dropped,
    );
    assert.equal(kept.length + dropped, 60_000);
    assert.ok(kept.every((line, place) => place === 0 || line.index > kept[place - 1].index));
    assert.deepEqual([lines.at(-1).event, lines.at(-1).dropped], ['last-words', dropped]);
  });
}

/** Leaves standard output alone until the program says, on the other pipe, that it has logged all; then reads. */
async function logUnread(command: string[]) {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const [report] = await once(child.stderr, 'data');
  const output = await text(child.stdout);
  assert.deepEqual(await exited, [0, null]);
  const { longest, dropped } = JSON.parse(String(report)) as { longest: number; dropped: number };
  return { longest, dropped, output };
}

test('a reader that goes away takes only the lines with it', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const exited = once(child, 'exit');
  const [report] = await once(child.stderr, 'data');
  assert.ok(JSON.parse(String(report)).dropped > 0);
  assert.deepEqual(await exited, [0, null]);
});
