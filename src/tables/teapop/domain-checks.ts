/** What is wrong with, or doubtful in, a line of teapop.passwd that has all its fields. */

import { atoi } from './c-text.ts';
import { quote, type Report } from './diagnostics.ts';
import type { Accounts, DomainEntry, SqlSource } from './model.ts';

export type Fault = { code: string; reason: string; cure: string };

/** What a table is compiled from: the password file, or what `sql` says. */
export type TableSource = { type: 'textfile' | 'htpasswd'; path: string; max: number; sql?: SqlSource };

/** teapop keeps the folders in 1,024 octets and ignores a number of levels that could overflow them. */
const MAX_HASH_LEVELS = 510;

export function hashLevels(field: string): number {
  const levels = atoi(field);
  return levels > 0 && levels <= MAX_HASH_LEVELS ? levels : 0;
}

/** Why nobody gets in through the entry's password file. */
export function sourceFaults(source: TableSource): Fault[] {
  const faults: Fault[] = [];
  if (source.max <= 0) {
    faults.push({
      code: 'max-zero',
      reason: '<max> is blank, 0 or no number',
      cure: 'write how many lines of the password file may be read',
    });
  }
  if (source.path === '') {
    faults.push({
      code: 'blank-password-file',
      reason: 'no password file is named',
      cure: 'write its path as the 8th field',
    });
  }
  return faults;
}

/** Why teapop, having checked the password, could not become the account and fails the login. */
export function accountFaults(entry: Pick<DomainEntry, 'uid' | 'gid'>, accounts: Accounts): Fault[] {
  const faults: Fault[] = [];
  const uidKnown = isKnown(entry.uid, accounts.hasUser.bind(accounts), accounts.hasUid?.bind(accounts));
  const gidKnown = isKnown(entry.gid, accounts.hasGroup.bind(accounts), accounts.hasGid?.bind(accounts));
  if (!uidKnown) faults.push(accountFault('uid', entry.uid, 'user'));
  if (!gidKnown) faults.push(accountFault('gid', entry.gid, 'group'));
  return faults;
}

/** A name first, for a name may be all digits; then a number above 0, for 0 is what atoi makes of no number. */
function isKnown(
  field: string,
  hasName: (name: string) => boolean,
  hasId?: (id: number) => boolean,
): boolean {
  if (field.startsWith('+')) return true;
  if (field !== '' && hasName(field)) return true;
  const id = atoi(field);
  return id > 0 && (hasId?.(id) ?? true);
}

function accountFault(field: 'uid' | 'gid', written: string, what: 'user' | 'group'): Fault {
  const cure = `write a ${what} of the mailstore, a number above 0, or + for that of the userid`;
  if (written === '') return { code: `blank-${field}`, reason: `<${field}> is blank`, cure };
  return { code: `unknown-${field}`, reason: `<${field}> ${quote(written)} is no ${what}`, cure };
}

export function domainReports(domain: string, line: number): Report[] {
  if (/^\s|\s$/.test(domain)) {
    return [
      {
        severity: 'warning',
        line,
        code: 'blank-around-domain',
        reason: `white space is part of the domain ${quote(domain)}, which hardly any login will name`,
        cure: 'remove it',
      },
    ];
  }
  if (!domain.includes('*')) return [];
  return [
    {
      severity: 'warning',
      line,
      code: 'no-wildcards',
      reason: `the * in the domain ${quote(domain)} stands for itself alone`,
      cure: "write 'default' to serve all domains without an entry",
    },
  ];
}

export function addressReports(
  entry: Pick<DomainEntry, 'line' | 'domain' | 'localAddress' | 'localName'>,
  written: string,
): Report[] {
  if (entry.localAddress !== '' || entry.localName !== undefined) return [];
  return [
    {
      severity: 'error',
      line: entry.line,
      code: 'bad-localip',
      reason: `localip ${quote(written)} is no address: the entry for ${quote(entry.domain)} matches no login`,
      cure: 'write an IPv4 address as four numbers, or * for any',
    },
  ];
}

export function hashReports(written: string, line: number): Report[] {
  if (/^[0-9]*$/.test(written) && atoi(written) === hashLevels(written)) return [];
  return [
    {
      severity: 'warning',
      line,
      code: 'bad-hash',
      reason: `<hash> ${quote(written)} is taken as ${hashLevels(written)}`,
      cure: `write how many hash folders there are, 0 to ${MAX_HASH_LEVELS}`,
    },
  ];
}
