/** What the operator is told about the tables. No text here holds anything but names, paths and numbers. */

import type { LineFault } from './lines.ts';
import type { Diagnostic, DomainEntry, PasswordFileRef } from './model.ts';

/**
 * Reports of one code that are kept for one file. A file of a million users behind a blank line has one cause:
 * a hundred of them show it, the rest is counted. Counted by code, so that a frequent one hides no rare one.
 */
export const REPORTS_PER_CODE = 100;

/** Names longer than this are cut in a report; no host's account or domain name is as long. */
const QUOTED_OCTETS = 64;

export type Report = Omit<Diagnostic, 'file'>;

/** Collects the reports on one file, within a bound. */
export class DiagnosticLog {
  #file: string;
  #kept: Diagnostic[] = [];
  #counts = new Map<string, { count: number; severity: Diagnostic['severity'] }>();

  constructor(file: string) {
    this.#file = file;
  }

  add(report: Report): void {
    const known = this.#counts.get(report.code) ?? { count: 0, severity: report.severity };
    known.count++;
    this.#counts.set(report.code, known);
    if (known.count <= REPORTS_PER_CODE) this.#kept.push({ file: this.#file, ...report });
  }

  /** In the order of lines, then one "and N more" for each code that went over the bound. */
  list(): Diagnostic[] {
    const kept = this.#kept.toSorted((a, b) => a.line - b.line);
    for (const [code, { count, severity }] of this.#counts) {
      if (count > REPORTS_PER_CODE) kept.push(andMore(this.#file, code, severity, count - REPORTS_PER_CODE));
    }
    return kept;
  }
}

function andMore(file: string, code: string, severity: Diagnostic['severity'], more: number): Diagnostic {
  return {
    severity,
    file,
    line: 0,
    code,
    reason: `and ${more} more of '${code}'`,
    cure: 'as for those above',
  };
}

/** A name from a table, fit for a terminal and a log: octets outside printable ASCII as \xNN, cut when long. */
export function quote(octets: string): string {
  const shown = octets
    .slice(0, QUOTED_OCTETS)
    .replace(/[^\x20-\x7e]|['\\]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `'${shown}${octets.length > QUOTED_OCTETS ? '…' : ''}'`;
}

/** A line that teapop never gets to see, in either kind of file. `whom` says who suffers. */
export function lineFault(line: number, fault: LineFault, whom: string): Report {
  const { code, reason, cure } = LINE_FAULTS[fault];
  return { severity: 'error', line, code, reason: `${reason}: ${whom}`, cure };
}

const LINE_FAULTS: Record<LineFault, { code: string; reason: string; cure: string }> = {
  'too-long': {
    code: 'line-too-long',
    reason: 'the line has more than 510 octets and is ignored',
    cure: 'shorten it',
  },
  'nul-octet': {
    code: 'nul-octet',
    reason: 'the line holds a NUL octet and is ignored, and the next line with it',
    cure: 'remove the NUL',
  },
  'missing-newline': {
    code: 'missing-newline',
    reason: 'the last line has no newline and is ignored',
    cure: 'end it with a newline',
  },
  swallowed: {
    code: 'swallowed',
    reason: 'the line is ignored for the NUL octet in the line before it',
    cure: 'remove the NUL there',
  },
};

/** There is no domain table: the built-in one is in force. */
export function domainTableMissing(file: string, spool: string): Diagnostic {
  return {
    severity: 'warning',
    file,
    line: 0,
    code: 'no-domain-table',
    reason: `there is no such file: served as if it held empty:*:passwd:${spool}, so that a login with a domain fails`,
    cure: 'write the domain table, or correct its path',
  };
}

/** A localip that is a name and did not resolve. */
export function unresolvedName(file: string, entry: DomainEntry): Diagnostic {
  return {
    severity: 'error',
    file,
    line: entry.line,
    code: 'unresolved-localip',
    reason: `localip ${quote(entry.localName ?? '')} has no IPv4 address: the entry for ${quote(entry.domain)} matches no login`,
    cure: 'write the address instead of the name, or * for any',
  };
}

/** Why a password file as a whole is not read. */
export type FileFault = 'missing' | 'unreadable' | 'not-regular' | 'linked';

/**
 * A password file that teapop would not read: nobody it holds can log in.
 * @param file the domain table, whose line names it
 */
export function passwordFileFault(file: string, ref: PasswordFileRef, fault: FileFault): Diagnostic {
  const { what, cure } = FILE_FAULTS[fault];
  return {
    severity: 'error',
    file,
    line: ref.line,
    code: `password-file-${fault}`,
    reason: `the password file ${quote(ref.path)} ${what}: no login through it succeeds`,
    cure,
  };
}

const FILE_FAULTS: Record<FileFault, { what: string; cure: string }> = {
  missing: { what: 'does not exist', cure: 'create it, or correct the path' },
  unreadable: { what: 'cannot be read', cure: 'grant the account that reads the tables access to it' },
  'not-regular': { what: 'is not a regular file', cure: 'put a regular file there' },
  linked: { what: 'has more than one hard link', cure: 'copy it, so that its link count is 1' },
};
