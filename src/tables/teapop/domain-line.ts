/** One line of teapop.passwd. */

import { atoi, inetAton } from './c-text.ts';
import { quote, type Report } from './diagnostics.ts';
import {
  accountFaults,
  addressReports,
  domainReports,
  type Fault,
  hashLevels,
  hashReports,
  sourceFaults,
  type TableSource,
} from './domain-checks.ts';
import { lowerCase } from './letter-case.ts';
import { type Accounts, type AuthType, type DomainEntry, FOREIGN_TYPES, type SqlDialect } from './model.ts';
import { isSqlDialect, NO_MAX, parseSqlSource, SQL_FIELDS, sqlPath } from './sql-source.ts';

/** `sql`: whether mysql and pgsql lines are read. */
export type DomainLineOptions = { accounts: Accounts; resolve: boolean; sql: boolean };

/** An entry that waits for its place and its table. */
export type DraftEntry = Omit<DomainEntry, 'ordinal' | 'table'>;

/** `source`: for what is decided by a table, where logins can succeed. */
export type DomainLine = { entry: DraftEntry | null; source: TableSource | null; reports: Report[] };

type LineType = AuthType | SqlDialect;

const FIELDS = ['domain', 'localip', 'authtype', 'maildir', 'hash', 'uid', 'gid', 'passwordfile', 'max'];

const SQL_FORM =
  '<maildir>:<hash>:<uid>:<gid>:<host>:<port>:<db>:<dbuser>:<dbpass>:<table>:<usercol>:<passcol>:<mailcol>:';

const FORMS: Record<LineType, string> = {
  reject: '<domain>:<localip>:reject:',
  passwd: '<domain>:<localip>:passwd:<spool>:<hash>: or, with both, <uid>:<gid>: behind it',
  textfile: '<domain>:<localip>:textfile:<maildir>:<hash>:<uid>:<gid>:<passwordfile>:<max>:',
  htpasswd: '<domain>:<localip>:htpasswd:<maildir>:<hash>:<uid>:<gid>:<passwordfile>:<max>:',
  mysql: `<domain>:<localip>:mysql:${SQL_FORM}`,
  pgsql: `<domain>:<localip>:pgsql:${SQL_FORM}`,
};

/** What of a line counts: all up to the first ';' or '#', without the spaces around it. */
export function effectiveText(text: string): { text: string; cut: boolean } {
  const comment = text.search(/[;#]/);
  let [start, end] = [0, comment < 0 ? text.length : comment];
  while (end > start && text[end - 1] === ' ') end--;
  while (start < end && text[start] === ' ') start++;
  // A mark behind a space or a colon was meant as a comment; inside a field it may not have been.
  const cut = comment > 0 && start < end && !/[ \t:]/.test(text[comment - 1]!);
  return { text: text.slice(start, end), cut };
}

/** Null for a blank line and a comment. */
export function parseDomainLine(raw: string, line: number, options: DomainLineOptions): DomainLine | null {
  const { text, cut } = effectiveText(raw);
  if (text === '') return null;
  const fields = text.split(':');
  const type = lineType(fields, options.sql);
  const fault = type === null ? typeFault(fields, options.sql) : fieldFault(type, fields.length - 1);
  if (type === null || fault !== null) return invalid(fault!, fields[0]!, line, cut);
  const parsed = entryOf(type, fields, line, options);
  if (cut) parsed.reports.push(cutOff(line));
  return parsed;
}

function lineType(fields: string[], sql: boolean): LineType | null {
  const type = lowerCase(fields[2] ?? '');
  return Object.hasOwn(FORMS, type) && (sql || !isSqlDialect(type)) ? (type as LineType) : null;
}

function typeFault(fields: string[], sql: boolean): Fault {
  const written = fields[2];
  const missing = fields.length < 4 ? missingColon(fields.length - 1, FIELDS) : null;
  if (written === undefined) return { ...missing!, cure: `write ${FORMS.textfile}` };
  const type = lowerCase(written);
  if (isSqlDialect(type) || FOREIGN_TYPES.some((foreign) => foreign === type)) {
    const setting = isSqlDialect(type) ? 'set tables.sql to true, or ' : '';
    return {
      code: 'foreign-type',
      reason: `type ${type} is not read from here`,
      cure: `${setting}move these users to a textfile or htpasswd file`,
    };
  }
  if (missing !== null && type === 'reject\r') {
    return {
      code: 'cr-after-reject',
      reason: "the CR before the newline makes the type 'reject\\x0d'",
      cure: 'end the line with reject:, or remove the CR',
    };
  }
  return {
    code: 'unknown-type',
    reason: `there is no type ${quote(written)}`,
    cure: `write one of ${Object.keys(FORMS)
      .filter((known) => sql || !isSqlDialect(known))
      .join(', ')}`,
  };
}

function missingColon(colons: number, fields: readonly string[]): Omit<Fault, 'cure'> {
  return { code: 'missing-colon', reason: `the ':' after <${fields[colons]}> is missing` };
}

function fieldFault(type: LineType, colons: number): Fault | null {
  const cure = `write ${FORMS[type]}`;
  if (type === 'reject') return null;
  const fields = isSqlDialect(type) ? SQL_FIELDS : FIELDS;
  const needed = type === 'passwd' ? fields.indexOf('hash') + 1 : fields.length;
  if (colons < needed) return { ...missingColon(colons, fields), cure };
  if (type !== 'passwd') return null;
  // A colon behind <uid> announces a <gid>, which then must be ended, too.
  const reason = "one ':' too many for a line without <uid> and <gid>, one too few for a line with them";
  return colons === 6 ? { code: 'passwd-colons', reason, cure } : null;
}

function invalid(fault: Fault, domain: string, line: number, cut: boolean): DomainLine {
  const note = cut ? " (a ';' or '#' inside the line cut its rest off)" : '';
  const reason = `${fault.reason}${note}: the line is ignored, logins for ${quote(domain)} are decided without it`;
  return { entry: null, source: null, reports: [{ severity: 'error', line, ...fault, reason }] };
}

function cutOff(line: number): Report {
  return {
    severity: 'warning',
    line,
    code: 'cut-off',
    reason: "a ';' or '#' inside the line cuts its rest off",
    cure: 'put a space before a comment; a field cannot hold either of them',
  };
}

function entryOf(type: LineType, fields: string[], line: number, options: DomainLineOptions): DomainLine {
  const [domain = '', localip = ''] = fields;
  const entry: DraftEntry = {
    line,
    domain: lowerCase(domain),
    ...localAddress(localip, options.resolve),
    type: isSqlDialect(type) ? 'textfile' : type,
    ...(type === 'reject' ? NO_MAILBOX : mailboxFields(type, fields)),
    lockedOut: null,
  };
  const reports = [...domainReports(domain, line), ...addressReports(entry, localip)];
  if (type === 'reject') return { entry, source: null, reports };

  reports.push(...hashReports(fields[4]!, line));
  const { source, faults } = sourceOf(type, fields);
  faults.push(...accountFaults(entry, options.accounts));
  entry.lockedOut = faults[0]?.reason ?? null;
  for (const { code, reason, cure } of faults) {
    const whom = `no login through the entry for ${quote(domain)} succeeds`;
    reports.push({ severity: 'error', line, code, reason: `${reason}: ${whom}`, cure });
  }
  return { entry, source: faults.length === 0 ? source : null, reports };
}

function sourceOf(
  type: Exclude<LineType, 'reject'>,
  fields: string[],
): { source: TableSource | null; faults: Fault[] } {
  if (type === 'passwd') return { source: null, faults: [] };
  if (isSqlDialect(type)) {
    const { sql, faults } = parseSqlSource(type, fields);
    return { source: { type: 'textfile', path: sqlPath(sql), max: NO_MAX, sql }, faults };
  }
  const source = { type, path: fields[7]!, max: atoi(fields[8]!) };
  return { source, faults: sourceFaults(source) };
}

const NO_MAILBOX = { maildir: '', hashLevels: 0, uid: '', gid: '' };

function mailboxFields(type: LineType, fields: string[]): typeof NO_MAILBOX {
  const [, , , maildir = '', hash = '', uid = '', gid = ''] = fields;
  const common = { maildir, hashLevels: hashLevels(hash) };
  if (type !== 'passwd') return { ...common, uid, gid };
  // Of a passwd line that ends behind <hash>, the last text is no field.
  const named = fields.length > FIELDS.indexOf('gid') + 1;
  return { ...common, uid: (named && uid) || '+', gid: (named && gid) || '+' };
}

function localAddress(field: string, resolve: boolean): Pick<DomainEntry, 'localAddress' | 'localName'> {
  if (field === '' || field.startsWith('*')) return { localAddress: '*' };
  // gethostbyname(3) reads what is all digits and dots as an address and asks nobody.
  if (/^[0-9](?:[0-9.]*[0-9])?$/.test(field)) {
    const address = inetAton(field);
    return { localAddress: address !== null && (resolve || address === field) ? address : '' };
  }
  return resolve ? { localAddress: '', localName: field } : { localAddress: '' };
}
