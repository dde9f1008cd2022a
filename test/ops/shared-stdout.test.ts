import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WHOLE_OCTETS, wholeParts } from '../../src/ops/stdout.ts';

const SCRIPT = fileURLToPath(new URL('shared-writer.ts', import.meta.url));

describe('what is written at once', () => {
  const parts = (text: string) => Array.from(wholeParts(Buffer.from(text)), (part) => part.toString());
  const line = (octets: number) => `${'x'.repeat(octets - 1)}\n`;

  test('is as many whole lines as fit', () => {
    assert.deepEqual(parts(''), []);
    assert.deepEqual(parts('one\ntwo\n'), ['one\ntwo\n']);
    assert.deepEqual(parts(line(4096)), [line(4096)]);
    assert.deepEqual(parts(line(4000) + line(96) + line(1)), [line(4000) + line(96), line(1)]);
    assert.deepEqual(parts(line(4000) + line(97) + line(4096)), [line(4000), line(97), line(4096)]);
  });

  test('is a line of its own where that is longer, and what has no end', () => {
    assert.deepEqual(parts(line(10) + line(9000) + line(10)), [line(10), line(9000), line(10)]);
    assert.deepEqual(parts('x'.repeat(9000)), ['x'.repeat(9000)]);
  });

  test('loses nothing, whatever the lines', () => {
    const lines = Array.from({ length: 500 }, (_, i) => line(1 + ((i * 977) % 5000))).join('');
    assert.equal(parts(lines).join(''), lines);
    for (const part of parts(lines))
      assert.ok(part.length <= WHOLE_OCTETS || part.indexOf('\n') === part.length - 1);
  });
});

test('several processes tear no line of each other’s, on one pipe', { timeout: 60_000 }, async () => {
  const WRITERS = 4;
  const all = '( for worker in 0 1 2 3; do "$0" "$1" $worker & done; wait ) | cat';
  const shell = spawn('sh', ['-c', all, process.execPath, SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = text(shell.stdout);
  const lines = (await output).trimEnd().split('\n');
  const seen = Array.from({ length: WRITERS }, () => 0);
  for (const line of lines) {
    const { worker, index } = JSON.parse(line) as { worker: number; index: number };
    assert.equal(index, seen[worker], 'none is lost, none out of order');
    seen[worker] = index + 1;
  }
  assert.deepEqual(new Set(seen), new Set([3_000]));
});
