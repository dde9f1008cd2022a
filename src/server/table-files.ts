import { createPasswordTools } from '../auth/password-tools.ts';
import type { Config } from '../config/schema.ts';
import type { CompileOptions } from '../tables/sources/compile.ts';

/** How the domain table and what it names are read, by whichever command. */
export function tableFiles({ tables, passwords }: Pick<Config, 'tables' | 'passwords'>): CompileOptions {
  const { domainTable, resolveNames, sql, accounts } = tables;
  const { hashProblem } = createPasswordTools(passwords.argon2, null);
  return { domainTable, resolveNames, sql, accounts, hashProblem };
}
