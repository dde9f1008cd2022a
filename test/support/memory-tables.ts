import { missingDomainTable, parseDomainTable, withResolved } from '../../src/tables/teapop/domain-table.ts';
import type { Accounts, Diagnostic, DomainEntry, TableId, UserRow } from '../../src/tables/teapop/model.ts';
import { type PasswordRow, parsePasswordFile } from '../../src/tables/teapop/password-file.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';

/** The texts of a site's tables; octet strings. */
export type TableTexts = {
  /** teapop.passwd; null where there is none. */
  domainTable: string | null;
  /** Password files by the paths that the domain table gives them; one that is not here is missing. */
  passwordFiles: Readonly<Record<string, string>>;
  accounts?: Accounts;
  /** Addresses of names in localip fields. */
  hosts?: Readonly<Record<string, string>>;
};

export type MemoryTables = TableStore & { readonly diagnostics: Diagnostic[] };

/** A store of tables that are compiled from texts, with passwords as they are. */
export function memoryTables(texts: TableTexts): MemoryTables {
  const { accounts, hosts = {} } = texts;
  const table =
    texts.domainTable === null
      ? missingDomainTable('teapop.passwd')
      : parseDomainTable(texts.domainTable, 'teapop.passwd', accounts === undefined ? {} : { accounts });
  const domains = Map.groupBy(
    withResolved(table.entries, (name) => hosts[name] ?? null),
    (entry) => entry.domain,
  );
  const diagnostics = [...table.diagnostics];
  const users = new Map<TableId, Map<string, UserRow[]>>();
  for (const ref of table.passwordFiles) {
    const { parsed, diagnostics: found } = parsePasswordFile(
      texts.passwordFiles[ref.path] ?? '',
      ref.path,
      ref,
    );
    diagnostics.push(...found);
    users.set(ref.id, rowsByUserid(parsed));
  }
  return {
    domainEntries: (names) => Promise.resolve(names.map((name): DomainEntry[] => domains.get(name) ?? [])),
    userRows: (id, userid) => Promise.resolve(users.get(id)?.get(userid) ?? []),
    status: () => ({
      usable: true,
      detail: 'in memory',
      publishedAt: null,
      domains: domains.size,
      users: [...users.values()].reduce((sum, rows) => sum + rows.size, 0),
    }),
    close: () => Promise.resolve(),
    diagnostics,
  };
}

function rowsByUserid(parsed: readonly PasswordRow[]): Map<string, UserRow[]> {
  const rows = new Map<string, UserRow[]>();
  for (const row of parsed) {
    const secret = row.type === 'textfile' ? `{PLAIN}${row.password}` : row.hash;
    const list = rows.get(row.userid) ?? [];
    rows.set(row.userid, list);
    list.push({ secret, mailbox: row.mailbox, line: row.line });
  }
  return rows;
}
