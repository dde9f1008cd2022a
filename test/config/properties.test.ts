import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config/load.ts';
import { type ConfigError, formatError } from '../../src/config/problem.ts';

const EXAMPLE = new URL('../../deploy/teapop-proxy.yaml', import.meta.url);

/** Pieces of which a config is made, and some of which none is. */
const PIECES = [
  ...[
    'listeners',
    'upstreams',
    'tls',
    'tables',
    'domains',
    'login',
    'master',
    'password',
    'name',
    'port',
    'off',
  ],
  ...[
    '110',
    '"::"',
    '::',
    '007',
    '-1',
    '1e99',
    '.nan',
    '10m',
    'true',
    'null',
    '~',
    '<<',
    '__proto__',
    'constructor',
  ],
  ...[
    ': ',
    ':',
    '- ',
    '-',
    '? ',
    '\n',
    '\n  ',
    '\n    ',
    '\t',
    '{',
    '}',
    '[',
    ']',
    ',',
    ', ',
    '"',
    "'",
    '|\n',
    '>-\n',
  ],
  ...[
    '&a ',
    '*a',
    '*b',
    '!!str ',
    '!!binary ',
    '!x ',
    '%YAML 1.1\n',
    '---\n',
    '...\n',
    '#',
    ' # ',
    '\r\n',
    '\0',
    '\u2028',
    '\ud800',
  ],
];

function wellFormed(error: ConfigError, text: string): void {
  const lines = text.split('\n');
  assert.ok(error.line >= 1 && error.line <= lines.length, formatError(error));
  assert.ok(error.column >= 1 && error.column <= lines[error.line - 1]!.length + 1, formatError(error));
  assert.notEqual(error.message, '');
}

test('any text is a config or a list of errors with places inside the text', () => {
  const word = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...PIECES) },
    { weight: 1, arbitrary: fc.string() },
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const text = words.join('');
      const parsed = parseConfig(text, 'test.yaml');
      if (!('errors' in parsed)) return;
      assert.notEqual(parsed.errors.length, 0);
      for (const error of [...parsed.errors, ...parsed.warnings])
        wellFormed(error, text.replace(/^\ufeff/, ''));
    }),
    { numRuns: 2000 },
  );
});

test('cut off anywhere, the example config is taken or refused with places', () => {
  const text = readFileSync(EXAMPLE, 'utf8');
  for (let end = 0; end < text.length; end += 7) {
    const parsed = parseConfig(text.slice(0, end), 'test.yaml');
    if ('errors' in parsed) for (const error of parsed.errors) wellFormed(error, text.slice(0, end));
  }
});
