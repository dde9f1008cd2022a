import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The rows of a page's table under a heading, cell by cell. */
export function tableUnder(page: string, heading: string): string[][] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const chapter = text.split(/^## /m).find((each) => each.startsWith(`${heading}\n`));
  assert.ok(chapter !== undefined, `docs/${page} has no chapter ${heading}`);
  const lines = chapter.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands between backticks. */
export const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
