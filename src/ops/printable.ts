/** How text from outside is shown in a log line: nothing in it can break a line, forge one or upset a terminal. */

/** Room for the longest login names in use; a longer one is an attack or an accident. */
const LONGEST_NAME = 256;

/** Room for an error message with a path in it. */
const LONGEST_TEXT = 1024;

const CUT = '…';

/** Graphic ASCII and space without the backslash, which introduces escapes. */
const PLAIN = /^[\x20-\x5b\x5d-\x7e]*$/;

/** One well-formed UTF-8 sequence of the Unicode Standard's table 3-7, or else any one octet. */
const SEQUENCE = new RegExp(
  [
    '[\\xc2-\\xdf][\\x80-\\xbf]',
    '\\xe0[\\xa0-\\xbf][\\x80-\\xbf]',
    '\\xed[\\x80-\\x9f][\\x80-\\xbf]',
    '[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}',
    '\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}',
    '[\\xf1-\\xf3][\\x80-\\xbf]{3}',
    '\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}',
    '[^]',
  ].join('|'),
  'g',
);

/** Controls, format characters (bidirectional overrides), lone surrogates, private and unassigned ones, odd spaces. */
const UNSAFE = /[\p{C}\p{Z}]/u;
const UNSAFE_BUT_SPACE = /(?! )[\p{C}\p{Z}]/gu;

/**
 * An octet string (latin1) as text: UTF-8 where the octets are well-formed UTF-8 of visible characters, `\xNN`
 * for every other octet, `\\` for a backslash. Different octets never look the same. Cut after 256 octets.
 */
export function printableOctets(octets: string): string {
  const kept = octets.length > LONGEST_NAME ? octets.slice(0, LONGEST_NAME) : octets;
  const shown = PLAIN.test(kept) ? kept : kept.replace(SEQUENCE, showSequence);
  return kept === octets ? shown : shown + CUT;
}

function showSequence(sequence: string): string {
  if (sequence === '\\') return '\\\\';
  if (sequence.length === 1) return PLAIN.test(sequence) ? sequence : escapeOctets(sequence);
  const text = Buffer.from(sequence, 'latin1').toString('utf8');
  return UNSAFE.test(text) ? escapeOctets(sequence) : text;
}

function escapeOctets(octets: string): string {
  return Buffer.from(octets, 'latin1').toString('hex').replace(/../g, '\\x$&');
}

/** Text of ours or the system's, an error message for one: invisible characters become `\u{N}`. Cut after 1,024. */
export function printableText(text: string): string {
  const kept = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) + CUT : text;
  return kept.replace(UNSAFE_BUT_SPACE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
