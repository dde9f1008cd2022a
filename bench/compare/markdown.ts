/** What of Markdown is written here. */

/** The first column is text, the others are numbers. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(heads), line(rule), ...rows.map(line)].join('\n');
}

/** A part of a page that is written by something else than the rest, and stays when that is written anew. */
export type Kept = { begin: string; end: string; otherwise: string };

/** What stands between the marks, with them; else what is there otherwise. */
export function kept(before: string | null, { begin, end, otherwise }: Kept): string {
  const from = before?.indexOf(begin) ?? -1;
  const to = before?.indexOf(end) ?? -1;
  return before === null || from < 0 || to < from
    ? marked({ begin, end }, otherwise)
    : before.slice(from, to + end.length);
}

export function marked({ begin, end }: Pick<Kept, 'begin' | 'end'>, text: string): string {
  return `${begin}\n${text}\n${end}`;
}
