/**
 * Lines as teapop gets them, which reads both kinds of file with fgets(3) into a buffer of 512 octets: what does
 * not fit, holds a NUL or lacks its newline is not a line to it, and it reads on until something ends in one.
 */

/** fgets hands over at most one octet less than its buffer holds: 510 and the newline. */
const BUFFER_OCTETS = 512 - 1;

/**
 * Why a line is lost. 'swallowed': it is whole, but the NUL in the line before it made teapop take it for that
 * line's rest.
 */
export type LineFault = 'too-long' | 'nul-octet' | 'missing-newline' | 'swallowed';

/** Gets each line without its newline; of a lost one what came into the buffer first. `line` counts from 1. */
export type LineHandler = (text: string, line: number, fault: LineFault | null) => void;

/** Cuts octets into lines, however they are chunked; holds less than one buffer of them. */
export class LineReader {
  #onLine: LineHandler;
  #buffer = '';
  #line = 1;
  #atLineStart = true;
  #skipping = false;

  constructor(onLine: LineHandler) {
    this.#onLine = onLine;
  }

  push(octets: Uint8Array | string): void {
    const text = typeof octets === 'string' ? octets : latin1(octets);
    let from = 0;
    let newline = -1;
    while (from < text.length) {
      if (newline < from) newline = text.indexOf('\n', from);
      if (newline < 0) newline = text.length;
      const end = Math.min(newline + 1, from + BUFFER_OCTETS - this.#buffer.length);
      this.#buffer += text.slice(from, end);
      from = end;
      if (this.#buffer.length === BUFFER_OCTETS || this.#buffer.endsWith('\n')) this.#take();
    }
  }

  /** Reports what is left over: a last line without a newline. */
  end(): void {
    if (this.#buffer === '') return;
    if (!this.#skipping) this.#onLine(this.#buffer, this.#line, 'missing-newline');
    else if (this.#atLineStart) this.#onLine(this.#buffer, this.#line, 'swallowed');
    this.#buffer = '';
  }

  #take(): void {
    const text = this.#buffer;
    const line = this.#line;
    const startsLine = this.#atLineStart;
    this.#buffer = '';
    this.#atLineStart = text.endsWith('\n');
    if (this.#atLineStart) this.#line++;

    // To C the text ends at a NUL, so that the newline behind one is not seen.
    const hasNul = text.includes('\0');
    const whole = this.#atLineStart && !hasNul;
    const shown = this.#atLineStart ? text.slice(0, -1) : text;
    if (!this.#skipping) this.#onLine(shown, line, whole ? null : hasNul ? 'nul-octet' : 'too-long');
    else if (startsLine) this.#onLine(shown, line, 'swallowed');
    this.#skipping = !whole;
  }
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
}
