/** A password file, line by line as teapop reads it, in constant memory. */

import { DiagnosticLog, lineFault, quote, type Report } from './diagnostics.ts';
import { type LineFault, LineReader } from './lines.ts';
import type { Diagnostic, PasswordFileRef } from './model.ts';

/** A line that can let somebody in. */
export type PasswordRow =
  | { type: 'textfile'; userid: string; password: string; mailbox: string; line: number }
  | { type: 'htpasswd'; userid: string; hash: string; mailbox: string; line: number };

/**
 * Where reading ended: at the file's end, where `line` is that of the last row, or at the line that teapop reads
 * no further than.
 */
export type PasswordFileEnd = {
  reason: 'end-of-file' | 'blank-line' | 'missing-colon' | 'max';
  line: number;
};

export type PasswordFileSummary = {
  /** Rows handed over. */
  rows: number;
  end: PasswordFileEnd;
  /** Users whose line stands in the file and lets nobody in. */
  lockedOut: number;
  diagnostics: Diagnostic[];
};

export type PasswordFileOptions = Pick<PasswordFileRef, 'type' | 'max'>;

/**
 * Userids that are remembered to tell duplicates: some 20 MB. The rows of larger files are handed over all the
 * same, only their later duplicates are not reported.
 */
export const REMEMBERED_USERIDS = 200_000;

/** Reads octets in any chunks. Never throws, whatever they are. */
export class PasswordFileReader {
  readonly #options: PasswordFileOptions;
  readonly #log: DiagnosticLog;
  readonly #lines = new LineReader((text, line, fault) => this.#read(text, line, fault));
  readonly #seen = new Map<string, number>();
  #ready: PasswordRow[] = [];
  #rows = 0;
  #counted = 0;
  #lastRow = 0;
  #lockedOut = 0;
  #lockedOutByEnd = 0;
  #end: PasswordFileEnd | null = null;

  constructor(file: string, options: PasswordFileOptions) {
    this.#options = options;
    this.#log = new DiagnosticLog(file);
  }

  /** The rows that these octets complete. */
  push(octets: Uint8Array | string): PasswordRow[] {
    this.#lines.push(octets);
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** To be called once, behind the last octet, which completes no further row. */
  end(): PasswordFileSummary {
    this.#lines.end();
    const end = this.#end ?? { reason: 'end-of-file', line: this.#lastRow };
    const report = endReport(end, this.#options.max, this.#lockedOutByEnd);
    if (report !== null) this.#log.add(report);
    return { rows: this.#rows, end, lockedOut: this.#lockedOut, diagnostics: this.#log.list() };
  }

  #read(raw: string, line: number, fault: LineFault | null): void {
    // isspace(3) in the C locale; of a line that is nothing else the CR goes, too.
    const text = raw.replace(/^[ \t\n\v\f\r]+/, '');
    if (text.startsWith('#') || text.startsWith(';')) {
      // A comment may be long or unended; with a NUL it takes the next line along.
      if (fault === 'nul-octet') this.#reportLost(text, line, fault);
    } else if (fault !== null) this.#reportLost(text, line, fault);
    else if (this.#end === null) this.#count(text, line);
    else this.#pastEnd(text, line, this.#end);
  }

  #count(text: string, line: number): void {
    const row = parseRow(this.#options.type, text, line);
    if (++this.#counted > this.#options.max) this.#end = { reason: 'max', line };
    else if (row === null) this.#end = { reason: text === '' ? 'blank-line' : 'missing-colon', line };
    if (this.#end?.reason === 'max') this.#pastEnd(text, line, this.#end);
    if (this.#end !== null || row === null) return;
    this.#rows++;
    this.#lastRow = line;
    this.#ready.push(row);
    this.#reportDoubts(row);
  }

  #pastEnd(text: string, line: number, end: PasswordFileEnd): void {
    const row = parseRow(this.#options.type, text, line);
    if (row === null) {
      // Found before the first cure shows it to be the next end.
      if (text !== '') this.#log.add(corruptLine(this.#options.type, line));
      return;
    }
    this.#lockedOut++;
    this.#lockedOutByEnd++;
    this.#log.add(pastEnd(row, end, this.#options.max));
  }

  #reportLost(text: string, line: number, fault: LineFault): void {
    const colon = text.indexOf(':');
    if (text === '' && fault !== 'nul-octet') return;
    if (colon >= 0) this.#lockedOut++;
    // What is no row might be a password that stands alone.
    const whom =
      colon < 0 ? 'whoever it names cannot log in' : `user ${quote(text.slice(0, colon))} cannot log in`;
    this.#log.add(lineFault(line, fault, whom));
  }

  #reportDoubts(row: PasswordRow): void {
    const first = this.#seen.get(row.userid);
    if (first !== undefined) this.#log.add(duplicate(row, first));
    else if (this.#seen.size < REMEMBERED_USERIDS) this.#seen.set(row.userid, row.line);
    if (row.type === 'textfile' && row.mailbox.includes('\r')) this.#log.add(crInMailbox(row));
    if (row.type === 'htpasswd' && row.hash.includes('\r')) this.#log.add(crInHash(row));
  }
}

/** Null where a colon is missing. */
function parseRow(type: PasswordFileOptions['type'], text: string, line: number): PasswordRow | null {
  const first = text.indexOf(':');
  if (first < 0) return null;
  const userid = text.slice(0, first);
  const second = text.indexOf(':', first + 1);
  if (type === 'htpasswd') {
    const hash = text.slice(first + 1, second < 0 ? text.length : second);
    return { type, userid, hash, mailbox: userid, line };
  }
  if (second < 0) return null;
  return { type, userid, password: text.slice(first + 1, second), mailbox: text.slice(second + 1), line };
}

/** Null where the end was the file's or hit nobody. */
function endReport(end: PasswordFileEnd, max: number, users: number): Report | null {
  const { reason, line } = end;
  if (reason === 'end-of-file' || (reason === 'max' && users === 0)) return null;
  if (reason === 'max') {
    return {
      severity: 'error',
      line,
      code: 'max',
      reason: `only ${max} lines are read, as <max> says: ${users} users from here on cannot log in`,
      cure: 'raise <max> in the domain table',
    };
  }
  return {
    severity: users === 0 ? 'warning' : 'error',
    line,
    code: reason,
    reason: `${END_REASONS[reason]} ends the reading: ${users} users behind it cannot log in`,
    cure: reason === 'blank-line' ? 'remove the line' : 'mend the line, or make it a comment with #',
  };
}

function pastEnd(row: PasswordRow, end: PasswordFileEnd, max: number): Report {
  const common = { severity: 'error', line: row.line } as const;
  const whom = `user ${quote(row.userid)} cannot log in`;
  return end.reason === 'max'
    ? {
        ...common,
        code: 'past-max',
        reason: `${whom}: <max> is ${max}`,
        cure: 'raise <max> in the domain table',
      }
    : {
        ...common,
        code: 'past-end',
        reason: `${whom}: line ${end.line} ends the reading`,
        cure: `mend line ${end.line}`,
      };
}

const END_REASONS = { 'blank-line': 'a blank line', 'missing-colon': 'a line that lacks a colon' };

function corruptLine(type: PasswordFileOptions['type'], line: number): Report {
  return {
    severity: 'error',
    line,
    code: 'corrupt-line',
    reason: 'the line lacks a colon: were it reached, it would end the reading',
    cure: `write ${type === 'textfile' ? '<userid>:<password>:<mailbox>' : '<userid>:<crypt hash>'}, or remove it`,
  };
}

function duplicate({ line, userid }: PasswordRow, first: number): Report {
  return {
    severity: 'warning',
    line,
    code: 'duplicate',
    reason: `user ${quote(userid)} stands in line ${first}, too: each password is tried, in the order of the lines`,
    cure: 'remove the line whose password is not to work',
  };
}

function crInMailbox({ line, userid }: PasswordRow): Report {
  return {
    severity: 'warning',
    line,
    code: 'cr-in-mailbox',
    reason: `the mailbox of ${quote(userid)} holds a CR: no maildrop of that name is opened here`,
    cure: 'save the file with bare newlines',
  };
}

function crInHash({ line, userid }: PasswordRow): Report {
  return {
    severity: 'error',
    line,
    code: 'cr-in-hash',
    reason: `the hash of ${quote(userid)} holds a CR, so that no password matches it`,
    cure: 'save the file with bare newlines',
  };
}

/** A whole file at once. */
export function parsePasswordFile(
  octets: Uint8Array | string,
  file: string,
  options: PasswordFileOptions,
): PasswordFileSummary & { parsed: PasswordRow[] } {
  const reader = new PasswordFileReader(file, options);
  const parsed = reader.push(octets);
  return { ...reader.end(), parsed };
}
