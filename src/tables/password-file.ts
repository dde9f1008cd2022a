/** A password file, line by line as teapop reads it, in constant memory. */

import type { Diagnostic, PasswordFileRef } from './model.ts';

/** A line that can let somebody in. */
export type PasswordRow =
  | { type: 'textfile'; userid: string; password: string; mailbox: string; line: number }
  | { type: 'htpasswd'; userid: string; hash: string; mailbox: string; line: number };

/** Where reading ended: at the file's end, or at the line that teapop reads no further than. */
export type PasswordFileEnd = {
  reason: 'end-of-file' | 'blank-line' | 'missing-colon' | 'max';
  line: number;
};

export type PasswordFileSummary = {
  /** Rows handed over. */
  rows: number;
  end: PasswordFileEnd;
  /** Users whose line is in the file and lets nobody in. */
  lockedOut: number;
  diagnostics: Diagnostic[];
};

export class PasswordFileReader {
  constructor(_file: string, _options: Pick<PasswordFileRef, 'type' | 'max'>) {}

  /** The rows that these octets complete. */
  push(_octets: Uint8Array | string): PasswordRow[] {
    return [];
  }

  end(): PasswordFileSummary {
    return { rows: 0, end: { reason: 'end-of-file', line: 0 }, lockedOut: 0, diagnostics: [] };
  }
}

/** A whole file at once. */
export function parsePasswordFile(
  octets: Uint8Array | string,
  file: string,
  options: Pick<PasswordFileRef, 'type' | 'max'>,
): PasswordFileSummary & { parsed: PasswordRow[] } {
  const reader = new PasswordFileReader(file, options);
  const parsed = reader.push(octets);
  return { ...reader.end(), parsed };
}
