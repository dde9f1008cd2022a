/** Where a value stands in the config: keys as the file writes them, and places in lists. */
export type Path = readonly (string | number)[];

/** Offsets in the text: where a setting's key and its value begin, and where the value ends. */
export type Place = { key: number; value: number; end: number; scalar: boolean };

/** Something wrong, told by the path. `source.ts` turns it into a ConfigError with line and column. */
export type Finding = {
  severity: 'error' | 'warning';
  path: Path;
  message: string;
  hint: string | null;
  /** 'key' points at the setting's name; 'value', the default, at what was given. */
  at?: 'key' | 'value';
  /** 'no': the value would tell nothing. 'hide': it might be a secret, so that the line must not show it either. */
  quote?: 'no' | 'hide';
  /** Where it stands, if not at the path. */
  place?: Place;
  /** Other values that the judgement rests on: while one of them is wrong itself, it is not passed. */
  restsOn?: readonly Path[];
};

/** Something wrong with the config, for the operator. Never holds a secret. */
export type ConfigError = {
  severity: 'error' | 'warning';
  file: string;
  /** Line and column from 1; 0 where the file as a whole is meant. */
  line: number;
  column: number;
  /** `listeners[0].port`; '' where no setting is meant. */
  path: string;
  /** What was given, as quoted; null where it would tell nothing, or might be a secret. */
  value: string | null;
  message: string;
  /** What cures it. */
  hint: string | null;
  /** The line of the file; null where it would show a secret. */
  excerpt: string | null;
};

/** So many that nobody reads them: the file is another one, given by mistake. The rest is left out. */
export const MOST_ERRORS = 500;

/** `listeners[0].port`; a key that would look like something else is put in quotes. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^\w[\w-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Whether one path is the other, or leads to it. */
export function touches(one: Path, other: Path): boolean {
  const shorter = Math.min(one.length, other.length);
  return one.slice(0, shorter).every((step, index) => String(step) === String(other[index]));
}

/** `file:line:column: what`, the line with a mark below the column, and the hint. */
export function formatError(error: ConfigError): string {
  const place = error.line === 0 ? error.file : `${error.file}:${error.line}:${error.column}`;
  const severity = error.severity === 'warning' ? 'warning: ' : '';
  const subject = error.path === '' ? '' : `${error.path}: `;
  const found = error.value === null ? '' : `, found ${error.value}`;
  const lines = [`${place}: ${severity}${subject}${error.message}${found}`];
  if (error.excerpt !== null) lines.push(...markedLine(error.excerpt, error.line, error.column));
  if (error.hint !== null) lines.push(`    hint: ${error.hint}`);
  return lines.join('\n');
}

/** A terminal's width; what stands further right is cut off, or cut free. */
const SHOWN_COLUMNS = 100;

function markedLine(excerpt: string, line: number, column: number): string[] {
  const start = column > SHOWN_COLUMNS ? column - SHOWN_COLUMNS / 2 : 0;
  const shown = excerpt
    .slice(start, start + SHOWN_COLUMNS)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .trimEnd();
  const gutter = String(line).padStart(6);
  return [`${gutter} | ${shown}`, `${' '.repeat(6)} | ${' '.repeat(column - 1 - start)}^`];
}
