import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('stalled-reader.ts', import.meta.url));

test('a pipe that nobody reads stops neither the event loop nor the last line', {
  timeout: 20_000,
}, async () => {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  // Standard output is left alone until the child says, on the other pipe, that it has logged all.
  const [report] = await once(child.stderr, 'data');
  const { longest, dropped } = JSON.parse(String(report));
  const lines = (await text(child.stdout))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(await exited, [0, null]);
  assert.ok(longest < 1_000, `the event loop stood for ${longest} ms`);
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
