import type { ErrorCode, YAMLError } from 'yaml';

/** An error of the YAML itself. `structural`: what follows cannot be trusted to stand where it seems to stand. */
export type SyntaxProblem = { offset: number; message: string; hint: string | null; structural: boolean };

/** Own words for all, for the library's may quote the file, and so a secret. */
const WORDS: Partial<Record<ErrorCode, [message: string, hint: string | null]>> = {
  ALIAS_PROPS: ['an alias with an anchor or a tag of its own', null],
  BAD_ALIAS: ['an anchor or alias without a usable name', null],
  BAD_DIRECTIVE: ['an unknown % directive', 'the file needs none'],
  BAD_DQ_ESCAPE: [
    'an unknown escape in a text in double quotes',
    'use single quotes, in which \\ is an ordinary character',
  ],
  BAD_INDENT: [
    'wrong indentation, or a bracket that is never closed',
    'keys of one section begin in one column',
  ],
  BAD_SCALAR_START: ['a value must not begin with this character', 'put the value in quotes'],
  BLOCK_AS_IMPLICIT_KEY: [
    'a second colon or list on one line',
    'put a value that ends in a colon or holds ": " in quotes: "::"',
  ],
  MISSING_CHAR: ['a quote, colon, comma or bracket is missing', null],
  MULTILINE_IMPLICIT_KEY: ['a key without its colon', 'write `key: value`, with a space behind the colon'],
  MULTIPLE_DOCS: ['a second document', 'the file holds one; remove the line ---'],
  TAB_AS_INDENT: ['a tab in the indentation', 'indent with spaces'],
  TAG_RESOLVE_FAILED: ['an unknown tag', 'values need none; put a text that begins with ! in quotes'],
  UNEXPECTED_TOKEN: [
    'text where none is expected',
    'is the indentation right, is a quote or a dash missing before it?',
  ],
};

/** The tree is whole nevertheless, so that the other settings can be checked in the same run. */
const HARMLESS = new Set<ErrorCode>([
  'BAD_DQ_ESCAPE',
  'BAD_SCALAR_START',
  'BLOCK_AS_IMPLICIT_KEY',
  'TAB_AS_INDENT',
  'TAG_RESOLVE_FAILED',
]);

/** What an operator mends in one go; behind these the rest are mostly their consequences. */
const MOST_SHOWN = 20;

export function syntaxProblems(errors: readonly YAMLError[]): SyntaxProblem[] {
  return errors
    .map((error) => {
      const [message, hint] = WORDS[error.code] ?? ['this is not valid YAML', null];
      return { offset: error.pos[0], message, hint, structural: !HARMLESS.has(error.code) };
    })
    .sort((one, other) => one.offset - other.offset)
    .slice(0, MOST_SHOWN);
}
