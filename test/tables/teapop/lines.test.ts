import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LineFault, LineReader } from '../../../src/tables/teapop/lines.ts';

type Seen = [text: string, line: number, fault: LineFault | null];

function read(...chunks: (string | Uint8Array)[]): Seen[] {
  const seen: Seen[] = [];
  const reader = new LineReader((text, line, fault) => seen.push([text, line, fault]));
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return seen;
}

const LONG = 'x'.repeat(511);

test('cuts octets at newlines, in whatever chunks they come', () => {
  const expected: Seen[] = [
    ['a', 1, null],
    ['', 2, null],
    ['\r', 3, null],
    ['\xff', 4, null],
  ];
  const text = 'a\n\n\r\n\xff\n';
  assert.deepEqual(read(text), expected);
  assert.deepEqual(read(...text), expected);
  assert.deepEqual(read(Buffer.from(text, 'latin1')), expected);
  assert.deepEqual(read(Buffer.from(`zz${text}zz`, 'latin1').subarray(2, -2)), expected, 'a view into more');
});

test('has nothing to say of nothing', () => {
  assert.deepEqual(read(), []);
  assert.deepEqual(read('', ''), []);
});

test('takes 510 octets and the newline, and no more', () => {
  const fits = 'x'.repeat(510);
  assert.deepEqual(read(`${fits}\nb\n`), [
    [fits, 1, null],
    ['b', 2, null],
  ]);
  assert.deepEqual(read(`${LONG}\nb\n`), [
    [LONG, 1, 'too-long'],
    ['b', 2, null],
  ]);
});

test('drops all of a line that fills several buffers', () => {
  assert.deepEqual(read(`${LONG}${LONG}${LONG}yy\nb\n`), [
    [LONG, 1, 'too-long'],
    ['b', 2, null],
  ]);
});

test('loses a last line without its newline', () => {
  assert.deepEqual(read('a\nb'), [
    ['a', 1, null],
    ['b', 2, 'missing-newline'],
  ]);
  assert.deepEqual(read(LONG), [[LONG, 1, 'too-long']]);
  assert.deepEqual(read(`${LONG}rest`), [[LONG, 1, 'too-long']], 'the rest is no line of its own');
});

test('loses the line behind one with a NUL, for it is taken for its rest', () => {
  assert.deepEqual(read('a\0b\nc\nd\n'), [
    ['a\0b', 1, 'nul-octet'],
    ['c', 2, 'swallowed'],
    ['d', 3, null],
  ]);
  assert.deepEqual(
    read('\0\n\0\nc\nd\n').map(([, line, fault]) => [line, fault]),
    [
      [1, 'nul-octet'],
      [2, 'swallowed'],
      [3, 'swallowed'],
      [4, null],
    ],
  );
  assert.deepEqual(read('a\0\nlast').at(-1), ['last', 2, 'swallowed']);
});

test('loses no further line where the NUL stands in one that is too long', () => {
  assert.deepEqual(read(`\0${LONG}\nb\n`), [
    [`\0${LONG}`.slice(0, 511), 1, 'nul-octet'],
    ['b', 2, null],
  ]);
});
