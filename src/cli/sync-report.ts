import { printableOctets } from '../ops/printable.ts';
import { SyncRefused } from '../tables/publish/loss.ts';
import type { DomainChange, PublishReport, TableChange } from '../tables/publish/publication.ts';
import type { Diagnostic } from '../tables/teapop/model.ts';
import type { CommandIo } from './io.ts';

/** Domains told without --verbose: what fits on a screen. */
const DOMAINS_TOLD = 10;

/** `file:line: severity: reason (cure)`, as compilers and editors have it. */
export function shownDiagnostic({ file, line, severity, reason, cure }: Diagnostic): string {
  const place = line === 0 ? file : `${file}:${line}`;
  return `${place}: ${severity}: ${reason}\n    cure: ${cure}`;
}

/** What a sync did, for people. */
export function summary(report: PublishReport, diagnostics: readonly Diagnostic[], verbose: boolean): string {
  const { domainCounts, users, tables, domains } = report;
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  return [
    `${headline(report)}: ${domains} domains, ${users} users in ${tables} password tables, ${seconds(report)} s`,
    `users: ${counts(report)}`,
    `passwords: ${report.hashed} ${report.dryRun ? 'would be hashed' : 'hashed'}, ${report.reused} kept`,
    `domains: ${counts(domainCounts)}`,
    ...domainLines(report.domainChanges, verbose),
    ...(verbose ? report.changedTables.flatMap(tableLines) : []),
    `diagnostics: ${errors} errors, ${diagnostics.length - errors} warnings`,
    '',
  ].join('\n');
}

/** The same for programs: one line of JSON. Names are shown as in the log. */
export function jsonReport(report: PublishReport, diagnostics: readonly Diagnostic[]): string {
  const { added, changed, removed, domainCounts } = report;
  const value = {
    status: statusOf(report),
    generation: report.generation,
    seconds: Number(seconds(report)),
    users: { all: report.users, added, changed, removed },
    domains: { all: report.domains, ...domainCounts },
    passwords: { hashed: report.hashed, kept: report.reused },
    tables: {
      all: report.tables,
      changed: report.changedTables.map(shownTable),
      removed: report.removedTables.map(({ path, users }) => ({ path: printableOctets(path), users })),
    },
    changes: report.domainChanges.map((change) => ({ ...change, domain: printableOctets(change.domain) })),
    diagnostics: diagnostics.map(shownFile),
  };
  return `${JSON.stringify(value)}\n`;
}

/** Tells why there was no effect, in JSON where a program waits for it. */
export function tellFailure(error: Error, json: boolean, io: CommandIo): void {
  const { name, message } = error;
  const diagnostics = error instanceof SyncRefused ? error.diagnostics : [];
  if (json) {
    const value = { status: 'failed', error: name, message, diagnostics: diagnostics.map(shownFile) };
    io.out(`${JSON.stringify(value)}\n`);
  } else for (const diagnostic of diagnostics) io.err(`${shownDiagnostic(diagnostic)}\n`);
  io.err(`sync: ${message}\n`);
}

function headline(report: PublishReport): string {
  const { generation } = report;
  switch (statusOf(report)) {
    case 'published':
      return `published generation ${generation}`;
    case 'dry-run':
      return `dry run, would publish generation ${generation}`;
    case 'unchanged':
      return 'nothing had changed';
  }
}

function statusOf({ published, dryRun }: PublishReport): 'published' | 'dry-run' | 'unchanged' {
  if (!published) return 'unchanged';
  return dryRun ? 'dry-run' : 'published';
}

function seconds({ duration }: PublishReport): string {
  return (duration / 1000).toFixed(1);
}

function counts({ added, changed, removed }: { added: number; changed: number; removed: number }): string {
  return `${added} added, ${changed} changed, ${removed} removed`;
}

function domainLines(changes: readonly DomainChange[], verbose: boolean): string[] {
  const told = verbose ? changes : changes.slice(0, DOMAINS_TOLD);
  const more = changes.length - told.length;
  return [...told.map(domainLine), ...(more > 0 ? [`  and ${more} more domains (--verbose lists all)`] : [])];
}

function domainLine({ domain, entry, ...users }: DomainChange): string {
  const own = entry === 'same' ? '' : `${entry}; `;
  return `  ${shownName(domain)}: ${own}users: ${counts(users)}`;
}

/** The names behind the numbers, as far as they are listed. */
function tableLines({ path, movedFrom, names }: TableChange): string[] {
  const from = movedFrom === null ? '' : ` (was ${printableOctets(movedFrom)})`;
  if (names === null) return [`  ${printableOctets(path)}${from}: too many users to list`];
  const list = (what: string, userids: readonly string[]) =>
    userids.length === 0 ? [] : [`    ${what}: ${userids.map(shownName).join(' ')}`];
  return [
    `  ${printableOctets(path)}${from}`,
    ...list('added', names.added),
    ...list('changed', names.changed),
    ...list('removed', names.removed),
  ];
}

function shownTable({ path, movedFrom, names, id: _, ...numbers }: TableChange) {
  return {
    path: printableOctets(path),
    moved_from: movedFrom && printableOctets(movedFrom),
    ...numbers,
    names: names && {
      added: names.added.map(printableOctets),
      changed: names.changed.map(printableOctets),
      removed: names.removed.map(printableOctets),
    },
  };
}

function shownFile(diagnostic: Diagnostic): Diagnostic {
  return { ...diagnostic, file: printableOctets(diagnostic.file) };
}

/** A blank name would not be seen. */
function shownName(name: string): string {
  return name === '' ? "''" : printableOctets(name);
}
