import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressBar, progressLine } from '../../src/cli/progress.ts';

const at = (done: number, all: number, files = { done: 1, all: 2 }) => ({
  files,
  octets: { done, all },
  rows: 1234,
  hashed: 100,
});

test('the line says how far it is, how fast, and how long yet', () => {
  assert.equal(
    progressLine(at(25, 100), 50),
    '[######..................] 25% 1/2 files, 1234 rows, 2 hashed/s, ETA 2:30',
  );
  assert.match(progressLine(at(1, 1000), 60), / 0% .* ETA 16:39:00$/);
  assert.match(progressLine(at(100, 100), 1), /^\[#{24}\] 100% .* ETA 0:00$/);
});

test('nothing is divided by nothing', () => {
  assert.match(progressLine(at(0, 100), 0), /^\[\.{24}\] 0% .* 0 hashed\/s, ETA \?$/);
  assert.match(progressLine(at(0, 0), 1), /^\[#{12}\.{12}\] 50% /, 'of empty files the number counts');
  assert.match(progressLine(at(0, 0, { done: 0, all: 0 }), 1), / 0% /);
});

test('it is drawn over itself, not too often, and cleared where it was drawn', () => {
  let now = 1_000;
  const written: string[] = [];
  const bar = progressBar(
    (text) => void written.push(text),
    () => now,
  );
  bar.clear();
  assert.equal(written.length, 0);
  for (let i = 0; i < 10; i++) {
    bar.show(at(i, 10));
    now += 50;
  }
  assert.equal(written.length, 3);
  assert.ok(written.every((text) => text.startsWith('\r\x1b[K[') && !text.includes('\n')));
  bar.clear();
  assert.equal(written.at(-1), '\r\x1b[K');
});
