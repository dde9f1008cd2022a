import type { Considered, Explanation, RowExplained, Verdict } from '../auth/explain.ts';
import type { UpstreamConfig } from '../config/schema.ts';
import { printableOctets } from '../ops/printable.ts';
import type { Agreement } from '../tables/inspect/agreement.ts';
import type { Examination } from './lookup.ts';
import type { Absent, View } from './lookup-views.ts';
import { shownDiagnostic } from './sync-report.ts';
import { ago, columns, shownName, shownTime } from './text.ts';

/** A login's decision for people: what an operator reads at night. */
export function lookupText(examination: Examination): string {
  const { question, views, agreement, verdict, upstream, dividers } = examination;
  const [first] = views;
  const login = 'explanation' in first! ? first.explanation.login : null;
  const address = question.localAddress === '' ? 'any address' : question.localAddress;
  const head = columns([
    ['login', `${shownName(question.user)}, connected to ${address}`],
    ...(login === null ? [] : [['split', splitText(login, question.user, dividers)]]),
  ]);
  const parts = views.map((view, i) => {
    const same = i > 0 && agreement?.differences.length === 0 && !agreement.moved;
    return same && 'explanation' in view ? `${titleOf(view)}, the same\n` : viewText(view, question.password);
  });
  const outcome = [
    ...(agreement === null ? [] : [agreementText(agreement)]),
    ...(upstream === null ? [] : [upstreamText(upstream, examination, verdict)]),
    outcomeText(views, question.password),
  ];
  return [head, ...parts, `${outcome.join('\n')}\n`].join('\n');
}

/** Where the tables that decide cannot be asked, what others say is no more than a hint. */
function outcomeText(views: readonly (View | Absent)[], password: string | null): string {
  const [first, other] = views;
  if ('explanation' in first!) return verdictText(first, password);
  const hint =
    other && 'explanation' in other
      ? `; by ${SOURCES[other.source].toLowerCase()}: ${verdictText(other, password)}`
      : '';
  return `UNAVAILABLE: the tables that decide cannot be asked${hint}`;
}

function splitText({ userid, domain }: Explanation['login'], user: string, dividers: string): string {
  const at = Array.from(user).find((octet) => dividers.includes(octet));
  if (at === undefined) return `user ${shownName(userid)}, no domain: none of ${dividers} is in it`;
  const rest = domain === null ? 'no domain' : `domain ${shownName(domain)}`;
  return `user ${shownName(userid)}, ${rest}: divided at the first ${at}`;
}

const SOURCES = { redis: 'Redis', files: 'The files' };

function titleOf(view: View | Absent): string {
  const name = SOURCES[view.source];
  if ('unavailable' in view || view.published === null) return name;
  const { generation, at, tableGeneration } = view.published;
  const when = at === null ? '' : `, published ${shownTime(at)} (${ago(at)})`;
  const table =
    tableGeneration === null || tableGeneration === generation
      ? ''
      : `, the password table in generation ${tableGeneration}`;
  return `${name}, generation ${generation}${when}${table}`;
}

function viewText(view: View | Absent, password: string | null): string {
  const title = titleOf(view);
  if ('unavailable' in view) return `${title}: not available\n  ${view.unavailable}\n`;
  const { explanation, domainTable, passwordFile, diagnostics } = view;
  const file = printableOctets(passwordFile ?? '');
  const steps = columns([
    ...explanation.considered.map((step) => consideredLine(step, domainTable)),
    ...explanation.rows.map((row, i) => rowLine(row, i, explanation, file, password)),
  ]);
  const paragraphs = [
    [steps, ...nothingFound(explanation, file), columns(facts(explanation.rows, file))].join(''),
    diagnostics.map((each) => `${shownDiagnostic(each)}\n`).join(''),
  ];
  const body = paragraphs.filter((paragraph) => paragraph !== '').join('\n');
  return `${title}\n${body.replace(/^(?=.)/gm, '  ')}`;
}

function consideredLine({ entry, as, matches }: Considered, domainTable: string): string[] {
  const address = entry.localName === undefined ? entry.localAddress : entry.localName;
  const name = `${shownName(entry.domain)} for ${address === '' ? 'no address' : printableOctets(address)}`;
  const place = entry.line === 0 ? 'built in' : `${domainTable}:${entry.line}`;
  const verdict = matches ? `decides${as === 'default' ? ', as the default' : ''}` : `no: ${mismatch(entry)}`;
  return [place, name, entry.type, verdict];
}

function mismatch({ localAddress, localName }: Considered['entry']): string {
  if (localAddress === '')
    return localName === undefined ? 'its localip is no address' : 'no address is known';
  const name = localName === undefined ? '' : `, the address of ${printableOctets(localName)}`;
  return `it is for clients of ${localAddress} alone${name}`;
}

function rowLine(
  row: RowExplained,
  place: number,
  { asking, verdict }: Explanation,
  file: string,
  password: string | null,
): string[] {
  const { mechanisms } = row;
  const form = row.better ? `${row.scheme}, upgraded to argon2id` : row.scheme;
  const scheme = mechanisms.length === 0 ? form : `${form}, ${mechanisms.join(', ')} too`;
  const outcome =
    row.problem === null ? rowVerdict(place, verdict, password) : `no password matches: ${row.problem}`;
  return [placeOf(file, row), shownName(asking?.userid ?? ''), scheme, outcome];
}

/** A database's rows have no lines. */
function placeOf(file: string, { line }: RowExplained): string {
  return line === 0 ? file : `${file}:${line}`;
}

function rowVerdict(place: number, verdict: Verdict, password: string | null): string {
  if (password === null) return 'found';
  if (verdict.result === 'accepted' && verdict.row !== null) {
    if (place === verdict.row) return 'the password matches';
    return place > verdict.row ? 'not tried' : 'the password does not match';
  }
  return verdict.result === 'rejected' ? 'the password does not match' : 'not decided';
}

/** What there is to say where no row was found: lines. */
function nothingFound({ considered, asked, entry, asking, rows }: Explanation, file: string): string[] {
  if (entry === null) {
    const names = asked.map(shownName).join(', ');
    return [`${considered.length === 0 ? 'no entry' : 'no further entry'} for ${names}\n`];
  }
  if (entry.lockedOut !== null) return [`nobody gets in by this entry: ${entry.lockedOut}\n`];
  if (asking === null || rows.length > 0) return [];
  return [`no user ${shownName(asking.userid)}${file === '' ? '' : ` in ${file}`}\n`];
}

/** Where rows of one user lead, once where all lead to the same. */
function facts(rows: readonly RowExplained[], file: string): string[][] {
  const [first, ...others] = rows;
  const differ = others.some(({ path, localUser }) => path !== first!.path || localUser !== first!.localUser);
  return (differ ? rows : rows.slice(0, 1)).flatMap((row) => {
    const { path, localUser } = row;
    const of = differ ? ` by ${placeOf(file, row)}` : '';
    const name = localUser === null ? 'none: tables.local_user gives no name' : shownName(localUser);
    return [
      [`mailbox${of}`, shownName(path)],
      [`local user${of}`, name],
    ];
  });
}

function agreementText({ differences, complete, moved }: Agreement): string {
  if (differences.length > 0) {
    const rows = differences.map(({ what, files, redis }) => [
      what,
      `in the files: ${shownName(files)}`,
      `in Redis: ${shownName(redis)}`,
    ]);
    const list = columns(rows)
      .replace(/^(?=.)/gm, '  ')
      .trimEnd();
    return `The files and Redis DIFFER: run teapop-proxy sync\n${list}`;
  }
  const lines = moved ? '; lines have moved since the last sync' : '';
  if (complete) return `The files and Redis agree${lines}`;
  return `The files and Redis agree${lines}; passwords could not be compared without the fingerprint key`;
}

type Place = Pick<Examination, 'server' | 'unknownServer'>;

function upstreamText(upstream: UpstreamConfig, place: Place, verdict: Verdict | null): string {
  const { name, tls, login } = upstream;
  const where = `Mailstore ${name}, ${serverText(upstream, place)}, ${tls === 'off' ? 'in plain' : tls}`;
  const { localUser, upstreamChecks } = sentTo(verdict);
  const user = localUser === null ? 'the local user' : shownName(localUser);
  if (upstreamChecks || login.mode === 'passthrough')
    return `${where}: as ${user} with the client's password`;
  if (login.mode === 'row') return `${where}: as ${user} with the password of the row`;
  if (login.mode === 'master') return `${where}: as ${user}${login.separator}${login.user}, the master user`;
  if (login.mode === 'plain') return `${where}: as ${user}, authorized by ${login.user}`;
  return `${where}: as ${user} with the password that is the same for all`;
}

function serverText({ servers }: UpstreamConfig, { server, unknownServer }: Place): string {
  if (unknownServer !== null) return `which has no server ${shownName(unknownServer)}`;
  if (server === null) return `one of ${servers.length} servers`;
  const place = `${server.host} port ${server.port}`;
  return servers.length === 1 ? place : `${place} of ${servers.length} servers`;
}

/** Null where no row of the user's makes a name. */
export function localUserOf(verdict: Verdict | null): string | null {
  return sentTo(verdict).localUser;
}

function sentTo(verdict: Verdict | null): { localUser: string | null; upstreamChecks: boolean } {
  if (verdict?.result === 'accepted') return verdict.account;
  return verdict?.result === 'found' ? verdict : { localUser: null, upstreamChecks: false };
}

function verdictText({ explanation, passwordFile }: View, password: string | null): string {
  const { verdict, rows } = explanation;
  switch (verdict.result) {
    case 'found':
      return verdict.upstreamChecks
        ? 'FOUND: the mailstore checks the password'
        : 'FOUND: whoever has the password is let in';
    case 'accepted': {
      if (verdict.row === null) return 'ACCEPTED by the proxy: the mailstore checks the password';
      const place = placeOf(printableOctets(passwordFile ?? ''), rows[verdict.row]!);
      return `ACCEPTED by ${place}, as ${shownName(verdict.account.localUser)}`;
    }
    case 'rejected':
      if (verdict.reason === 'wrong-password' && password === null)
        return 'REJECTED: no line of the user has a hash that a password could match';
      return `REJECTED: ${REASONS[verdict.reason]} (${verdict.reason})`;
    case 'unavailable':
      return [`NOT DECIDED, answered [SYS/TEMP]: ${verdict.reason}`, ...verdict.problems].join('\n  ');
  }
}

const REASONS: Record<Extract<Verdict, { result: 'rejected' }>['reason'], string> = {
  'unknown-domain': 'no entry of the domain table takes this login',
  'unknown-user': 'there is no such user',
  'wrong-password': 'no line of the user has this password',
  'domain-rejected': 'the entry lets nobody in',
  'locked-out': 'teapop would let nobody in by this entry',
  'authzid-refused': 'only masters may act as somebody else',
  'mechanism-unavailable': 'its row has nothing to answer this mechanism by',
  malformed: 'NUL, CR or LF in it can be sent to no mailstore',
};
