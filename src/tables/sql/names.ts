/**
 * Names of tables and columns. teapop puts what the line says into its query as it stands; here it only ever names
 * something: what is no name, as SQL writes one, is taken to the letter, and no name leaves its quotes.
 */

import { lowerCase } from '../teapop/letter-case.ts';
import type { SqlDialect } from '../teapop/model.ts';

type Grammar = { bare: string; quoted: string; mark: string; foldsCase: boolean };

const GRAMMARS: Record<SqlDialect, Grammar> = {
  // What PostgreSQL finds unquoted it reads in lower case.
  pgsql: {
    bare: '[A-Za-z_\\x80-\\xff][A-Za-z0-9_$\\x80-\\xff]*',
    quoted: '"(?:[^"]|"")+"',
    mark: '"',
    foldsCase: true,
  },
  mysql: { bare: '[0-9A-Za-z_$\\x80-\\xff]+', quoted: '`(?:[^`]|``)+`', mark: '`', foldsCase: false },
};

/** `users`, `mail.users`, `"Mail"."Users"`: the name's parts as the server keeps them. */
export function nameParts(dialect: SqlDialect, written: string): string[] {
  const { bare, quoted } = GRAMMARS[dialect];
  const part = `(?:${bare}|${quoted})`;
  if (!new RegExp(`^${part}(?:\\.${part})*$`).test(written)) return [written];
  return Array.from(written.matchAll(new RegExp(part, 'g')), ([text]) => plain(dialect, text));
}

/** The column alone, where the line names its table, too. */
export function columnName(dialect: SqlDialect, written: string): string {
  return nameParts(dialect, written).at(-1)!;
}

/** As it goes into a query, whatever it holds. */
export function quoteName(dialect: SqlDialect, parts: readonly string[]): string {
  const { mark } = GRAMMARS[dialect];
  return parts.map((part) => mark + part.replaceAll(mark, mark + mark) + mark).join('.');
}

function plain(dialect: SqlDialect, text: string): string {
  const { mark, foldsCase } = GRAMMARS[dialect];
  if (text.startsWith(mark)) return text.slice(1, -1).replaceAll(mark + mark, mark);
  return foldsCase ? lowerCase(text) : text;
}
