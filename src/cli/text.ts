import { printableOctets } from '../ops/printable.ts';

/** Words for people on a terminal. */

/** Rows of cells, each column as wide as its widest cell; the last one runs free. Ends with a line end. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.slice(0, -1).entries()) {
      widths[i] = Math.max(widths[i] ?? 0, characters(cell));
    }
  }
  const pad = (cell: string, i: number) => cell + ' '.repeat((widths[i] ?? 0) - characters(cell));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : pad(cell, i))).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

function characters(text: string): number {
  return Array.from(text).length;
}

/** A name from a table or a client; a blank one would not be seen. */
export function shownName(name: string): string {
  return name === '' ? "''" : printableOctets(name);
}

/**
 * An octet string from the command line: its UTF-8, with `\xNN` and `\\` read as logs write them, so that a name can
 * be copied from there.
 */
export function octetsOf(argument: string): string {
  const octets = Buffer.from(argument, 'utf8').toString('latin1');
  return octets.replace(/\\(?:\\|x([0-9a-fA-F]{2}))/g, (_, hex?: string) =>
    hex === undefined ? '\\' : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** UTC, to the second. */
export function shownTime(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace(/\..*$/, ' UTC');
}

const UNITS: readonly [name: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** Some clock is always a little ahead: less than a second ago is now, and so is what is to come. */
export function ago(ms: number, now: number = Date.now()): string {
  const past = now - ms;
  const [name, length] = UNITS.find(([, unit]) => past >= unit) ?? ['', 0];
  return length === 0 ? 'just now' : `${Math.floor(past / length)} ${name} ago`;
}
