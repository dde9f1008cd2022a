import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitsInLine, LineBuffer } from '../../src/pop3/line.ts';
import { computed } from '../support/clock.ts';
import { latin1, segmentations, text } from './drive.ts';

/** Everything that comes off a buffer, with what is left in it. */
function linesOf(segments: string[], limit: number): { taken: string[]; left: string } {
  const lines = new LineBuffer();
  const taken: string[] = [];
  for (const segment of segments) {
    const octets = latin1(segment);
    lines.append(octets);
    for (let found = lines.take(limit); found !== 'partial'; found = lines.take(limit)) {
      taken.push(found === 'line' ? lines.text(lines.lineStart, lines.lineEnd) : '(overlong)');
    }
    // Whoever received them uses the array again.
    lines.keep();
    octets.fill(0x51);
  }
  return { taken, left: text(lines.rest()) };
}

function expectLines(input: string, limit: number, taken: string[], left = ''): void {
  for (const segments of segmentations(input)) {
    assert.deepEqual(linesOf(segments, limit), { taken, left }, `in ${segments.length} segments`);
  }
}

describe('LineBuffer', () => {
  it('ends a line at CRLF and at a bare LF', () => {
    expectLines('one\r\ntwo\nthree\r\n\r\n\n', 255, ['one', 'two', 'three', '', '']);
  });

  it('keeps what has no end yet', () => expectLines('one\r\ntw', 255, ['one'], 'tw'));

  it('takes one CR off the end and leaves others in the line', () => {
    expectLines('one\r\r\ntw\ro\r\n', 255, ['one\r', 'tw\ro']);
  });

  it('takes a line of exactly the limit, terminator counted', () => {
    expectLines(`${'a'.repeat(8)}\r\n${'b'.repeat(9)}\nend\n`, 10, ['a'.repeat(8), 'b'.repeat(9), 'end']);
  });

  it('tells a longer line once and drops all of it', () => {
    for (const length of [9, 10, 11, 19, 20, 21, 5000]) {
      expectLines(`${'a'.repeat(length)}\r\nnext\r\nla`, 10, ['(overlong)', 'next'], 'la');
    }
  });

  it('keeps nothing of a longer line that has no end', () => {
    const lines = new LineBuffer();
    for (let i = 0; i < 1000; i++) {
      lines.append(latin1('a'.repeat(1999)));
      assert.equal(lines.take(255), i === 0 ? 'overlong' : 'partial');
      assert.equal(lines.length, 0);
    }
    lines.append(latin1('a\nnext\n'));
    assert.equal(lines.take(255), 'line');
    assert.equal(lines.text(lines.lineStart, lines.lineEnd), 'next');
  });

  it('costs the same for each octet of a line, however it comes', () => {
    const lines = new LineBuffer();
    const stores = new Set<Buffer>();
    const took = computed(() => {
      for (let i = 0; i < 200_000; i++) {
        lines.append(latin1('a'));
        lines.take(1_000_000);
        stores.add(lines.octets);
      }
    });
    assert.ok(stores.size < 20, `copied ${stores.size} times`);
    assert.ok(took < 2000, `looked at again and again: ${took} ms`);
  });

  it('keeps no big store for the little that is left of a big read', () => {
    for (const keepsAll of [false, true]) {
      const lines = new LineBuffer();
      lines.append(latin1(`${'NOOP\r\n'.repeat(50_000)}US`));
      if (keepsAll) lines.keep();
      let taken = lines.take(255);
      for (; taken === 'line'; taken = lines.take(255));
      assert.equal(taken, 'partial');
      lines.keep();
      assert.ok(lines.octets.buffer.byteLength <= 1024, `${lines.octets.buffer.byteLength} octets kept`);
      lines.append(latin1('ER john\r\n'));
      assert.equal(lines.take(255), 'line');
      assert.equal(lines.text(lines.lineStart, lines.lineEnd), 'USER john');
    }
  });

  it('reads octets where they are until they are to be kept', () => {
    const lines = new LineBuffer();
    const octets = Buffer.from('one\r\ntwo\r\nthr', 'latin1');
    lines.append(octets);
    assert.equal(lines.take(255), 'line');
    assert.equal(lines.octets, octets);
    lines.keep();
    octets.fill(0x51);
    assert.equal(lines.take(255), 'line');
    assert.equal(lines.text(lines.lineStart, lines.lineEnd), 'two');
    lines.append(latin1('ee\r\n'));
    assert.equal(lines.take(255), 'line');
    assert.equal(lines.text(lines.lineStart, lines.lineEnd), 'three');
    assert.equal(lines.length, 0);
  });

  it('names NUL and CR inside a line, not other octets', () => {
    const forged = (line: string) => {
      const lines = new LineBuffer();
      lines.append(latin1(line));
      assert.equal(lines.take(255), 'line');
      return lines.lineIsForged();
    };
    assert.equal(forged('a\0b\r\n'), true);
    assert.equal(forged('a\rb\r\n'), true);
    assert.equal(forged('\r\r\n'), true);
    assert.equal(forged('a\t \x01\x7f\xff\r\n'), false);
  });

  it('compares a beginning with letter case ignored, and nothing but letters', () => {
    const lines = new LineBuffer();
    lines.append(latin1('AuTh PLAIN'));
    assert.equal(lines.startsWith('auth '), true);
    assert.equal(lines.startsWith('auth  '), false);
    assert.equal(lines.startsWith('auth plain more'), false);
    lines.clear();
    lines.append(latin1('aut\x48\x00'));
    assert.equal(lines.startsWith('auth '), false);
  });
});

describe('fitsInLine', () => {
  it('refuses NUL, CR and LF', () => {
    for (const bad of ['\0', '\r', '\n', 'a\nb', 'a\r', '\0a']) assert.equal(fitsInLine(bad), false);
  });

  it('refuses a character that would be cut to an octet', () => {
    assert.equal(fitsInLine('a\u010aSTAT'), false);
    assert.equal(fitsInLine('\u0100'), false);
  });

  it('takes every other octet', () => {
    for (let code = 0; code < 256; code++) {
      if (code !== 0 && code !== 10 && code !== 13) assert.equal(fitsInLine(String.fromCharCode(code)), true);
    }
    assert.equal(fitsInLine(''), true);
  });
});
