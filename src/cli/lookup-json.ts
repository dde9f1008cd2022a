import type { Explanation, RowExplained, Verdict } from '../auth/explain.ts';
import { printableOctets } from '../ops/printable.ts';
import type { Diagnostic } from '../tables/teapop/model.ts';
import type { Examination } from './lookup.ts';
import type { Absent, View } from './lookup-views.ts';

/** A login's decision for programs: one JSON document. Names are shown as in the log. */
export function lookupJson(examination: Examination): string {
  const { question, views, agreement, verdict, upstream, server, unknownServer } = examination;
  const document = {
    login: printableOctets(question.user),
    local_address: question.localAddress || null,
    verdict: verdict && shownVerdict(verdict, rowsOf(views[0]!)),
    upstream: upstream && {
      name: upstream.name,
      unknown_server: unknownServer && printableOctets(unknownServer),
      ...{ server: server?.name ?? null, host: server?.host ?? null, port: server?.port ?? null },
      ...{ tls: upstream.tls, login: upstream.login.mode },
    },
    agree: agreement && agreement.differences.length === 0,
    passwords_compared: agreement?.complete ?? null,
    lines_moved: agreement?.moved ?? null,
    differences: (agreement?.differences ?? []).map(({ what, files, redis }) => ({
      what,
      files: printableOctets(files),
      redis: printableOctets(redis),
    })),
    sources: views.map(shownView),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function shownView(view: View | Absent) {
  if ('unavailable' in view) return view;
  const { source, explanation, domainTable, passwordFile, published, diagnostics } = view;
  const { login, considered, verdict } = explanation;
  return {
    source,
    published: published && {
      generation: published.generation,
      at: published.at === null ? null : new Date(published.at).toISOString(),
      table_generation: published.tableGeneration,
    },
    user: printableOctets(login.userid),
    domain: login.domain === null ? null : printableOctets(login.domain),
    considered: considered.map(({ entry, as, matches }) => ({
      ...{ file: domainTable, line: entry.line, domain: printableOctets(entry.domain) },
      local_address: entry.localAddress || null,
      local_name: entry.localName === undefined ? null : printableOctets(entry.localName),
      ...{ type: entry.type, as, decides: matches, locked_out: entry.lockedOut },
    })),
    rows: shownRows(explanation, passwordFile),
    verdict: shownVerdict(verdict, explanation.rows),
    diagnostics: diagnostics.map(shownDiagnostic),
  };
}

function shownRows({ rows }: Explanation, passwordFile: string | null) {
  return rows.map(({ line, mailbox, path, localUser, scheme, better, mechanisms, problem }) => ({
    file: passwordFile && printableOctets(passwordFile),
    line,
    mailbox: printableOctets(mailbox),
    path: printableOctets(path),
    local_user: localUser && printableOctets(localUser),
    ...{ scheme, upgraded: better, mechanisms, problem },
  }));
}

function rowsOf(view: View | Absent): readonly RowExplained[] {
  return 'explanation' in view ? view.explanation.rows : [];
}

function shownVerdict(verdict: Verdict, rows: readonly RowExplained[]) {
  switch (verdict.result) {
    case 'found':
      return {
        result: verdict.result,
        local_user: verdict.localUser && printableOctets(verdict.localUser),
        upstream_checks: verdict.upstreamChecks,
      };
    case 'accepted':
      return {
        result: verdict.result,
        local_user: printableOctets(verdict.account.localUser),
        upstream_checks: verdict.account.upstreamChecks,
        mailbox: printableOctets(verdict.account.mailbox),
        line: verdict.row === null ? null : (rows[verdict.row]?.line ?? null),
      };
    case 'rejected':
    case 'unavailable':
      return verdict;
  }
}

function shownDiagnostic(diagnostic: Diagnostic) {
  return { ...diagnostic, file: printableOctets(diagnostic.file) };
}
