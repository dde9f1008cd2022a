import type { LineBuffer } from './line.ts';
import { RESPONSE_LINE_LIMIT } from './sasl.ts';

/**
 * The commands known in AUTHORIZATION. 'http' stands for a request of a browser or scanner. A command that comes
 * later (LANG, UTF8) needs its name here, its case in `fourLetters`, and its handler in authorization.ts.
 */
export type CommandName =
  | 'CAPA'
  | 'USER'
  | 'PASS'
  | 'APOP'
  | 'AUTH'
  | 'STLS'
  | 'NOOP'
  | 'QUIT'
  | 'http'
  | 'unknown';

/** RFC 1939 §3: keywords have three or four letters; those known here have four. */
const KEYWORD_LENGTH = 4;

/** A command line with its terminator (RFC 2449 §4). */
const COMMAND_LIMIT = 255;
/**
 * AUTH with a mechanism's name of at most 20 letters (RFC 4422 §3.1) and an initial response. RFC 5034 §4 wants
 * the client to keep to 255 here too; clients in use do not.
 */
const AUTH_LINE_LIMIT = 'AUTH '.length + 20 + ' '.length + RESPONSE_LINE_LIMIT;

const SPACE = 0x20;
/** Methods that open an HTTP request line; none is a POP3 keyword. */
const HTTP_METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'PATCH',
]);
const LONGEST_METHOD = 7;

/** Takes a command line; 'overlong' and 'forged' (NUL or CR inside) are lines that no command can be read from. */
export function takeCommand(lines: LineBuffer): CommandName | 'overlong' | 'forged' | 'partial' {
  const taken = lines.take(lines.startsWith('auth ') ? AUTH_LINE_LIMIT : COMMAND_LIMIT);
  if (taken !== 'line') return taken;
  if (lines.lineIsForged()) return 'forged';
  return commandName(lines.octets, lines.lineStart, lines.lineEnd);
}

/** What stands behind the keyword and one space of the line taken last; null where not even the space does. */
export function commandArgument(lines: LineBuffer): string | null {
  const start = lines.lineStart + KEYWORD_LENGTH + 1;
  return start > lines.lineEnd ? null : lines.text(start, lines.lineEnd);
}

/** Names the command of `octets[start..end)`, any letter case, without making a string of it. */
function commandName(octets: Uint8Array, start: number, end: number): CommandName {
  let keywordEnd = start;
  while (keywordEnd < end && octets[keywordEnd] !== SPACE) keywordEnd++;
  if (keywordEnd - start === KEYWORD_LENGTH) {
    const name = fourLetters(pack(octets, start));
    if (name !== null) return name;
  }
  return isHttpMethod(octets, start, keywordEnd) ? 'http' : 'unknown';
}

function fourLetters(packed: number): CommandName | null {
  switch (packed) {
    case CAPA:
      return 'CAPA';
    case USER:
      return 'USER';
    case PASS:
      return 'PASS';
    case APOP:
      return 'APOP';
    case AUTH:
      return 'AUTH';
    case STLS:
      return 'STLS';
    case NOOP:
      return 'NOOP';
    case QUIT:
      return 'QUIT';
    default:
      return null;
  }
}

/** Four letters as one number, in lower case: of all octets only a letter becomes a lower-case letter by setting bit 5. */
function pack(octets: Uint8Array, start: number): number {
  const letters =
    (octets[start]! << 24) | (octets[start + 1]! << 16) | (octets[start + 2]! << 8) | octets[start + 3]!;
  return letters | 0x20202020;
}

function packed(keyword: string): number {
  return pack(Buffer.from(keyword, 'latin1'), 0);
}

const CAPA = packed('CAPA');
const USER = packed('USER');
const PASS = packed('PASS');
const APOP = packed('APOP');
const AUTH = packed('AUTH');
const STLS = packed('STLS');
const NOOP = packed('NOOP');
const QUIT = packed('QUIT');

function isHttpMethod(octets: Uint8Array, start: number, end: number): boolean {
  if (end - start > LONGEST_METHOD) return false;
  let word = '';
  for (let at = start; at < end; at++) word += String.fromCharCode(octets[at]!);
  return HTTP_METHODS.has(word);
}
