/** docs/performance.md: all of it is written here but for the sections between markers, which stay. */
import { type Soaked, soakTable } from '../soak/soak.ts';
import { type Kept, kept, marked, table } from './markdown.ts';
import type { Peer } from './peers/peer.ts';
import { leftOut, wayOf } from './peers/peers.ts';
import { type Cell, type Figures, mediansOf, startTimes } from './run.ts';
import { median } from './statistics.ts';
import { isMet, type Judged, judge, type Target } from './targets.ts';
import type { Column, Workload } from './workloads.ts';

export type Report = {
  cells: readonly Cell[];
  workloads: readonly Workload[];
  peers: readonly Peer[];
  targets: readonly Target[];
  /** Peers that had no part at all, and why. */
  absent: readonly { title: string; why: string }[];
  facts: readonly [string, string][];
  command: string;
  date: string;
  accounting: string;
  soaked: readonly Soaked[];
};

const BY_HAND: Kept = {
  begin: '<!-- by hand: begin -->',
  end: '<!-- by hand: end -->',
  otherwise: '## What the profile shows, and what was tried\n\nNothing is noted here yet.',
};
/** Takes longer than all the rest, and is written by `--soak` alone. */
const SOAK: Kept = {
  begin: '<!-- soak: begin -->',
  end: '<!-- soak: end -->',
  otherwise: '## Soak\n\nNot run yet: `npm run bench -- --soak 30`.',
};
/** More of one CPU than that taken by anything else, and a measurement is named. */
const DISTURBED_PERCENT = 15;

/** @param before the page as it stands, whose hand-written section is kept */
export function page(report: Report, before: string | null): string {
  const figures = mediansOf(report.cells);
  return `${[
    introduction(report),
    `## Targets\n\n${targetTable(report, judge(report.targets, figures))}`,
    kept(before, BY_HAND),
    '## All figures',
    ...report.workloads.map((workload) => workloadSection(report, workload, figures)),
    ...observing(report.workloads, figures),
    `### Start\n\nUntil the port accepts connections; the median of all starts with a few hundred users.\n\n${startTable(report)}`,
    report.soaked.length === 0 ? kept(before, SOAK) : marked(SOAK, soakSection(report)),
    `## How it is measured\n\n${method(report)}`,
  ].join('\n\n')}\n`;
}

function introduction({ facts, command, date, absent }: Report): string {
  const rows = facts.map(([label, value]) => [label, value]);
  const missing = absent.map(({ title, why }) => `Left out: ${title} (${why}).`);
  return [
    '# Performance',
    'What teapop-proxy costs beside the proxies that one would take instead, all measured in one run on one machine.',
    `This page is written by \`${command}\` (${date}); run it yourself, the ratios are what carries over.`,
    table(['', ''], rows),
    ...missing,
  ].join('\n\n');
}

function targetTable(report: Report, judged: readonly Judged[]): string {
  const rows = judged.map((one) => [
    `${one.workload}: ${one.what}${one.ours === 'node' ? ', on Node' : ''}`,
    against(one, report),
    `${one.bound} ${one.limit}${unitOf(one)}`,
    `${rounded(one)}${unitOf(one)}`,
    verdict(one),
  ]);
  if (rows.length === 0) return 'None of the targets was measured in this run.';
  const met = judged.filter(isMet).length;
  return `On Bun where nothing else is said; ${met} of ${judged.length} met.\n\n${table(['workload', 'against', 'target', 'measured', ''], rows)}`;
}

function against({ against, workload }: Judged, { peers, workloads }: Report): string {
  if ('itself' in against) return against.itself;
  const peer = peers.find(({ id }) => id === against.peer);
  const measured = workloads.find(({ id }) => id === workload);
  return peer === undefined || measured === undefined ? against.peer : plain(wayOf(peer, measured).title);
}

function unitOf({ against }: Judged): string {
  return 'itself' in against ? against.unit : ' ×';
}

/** Two digits of what is small. */
function rounded({ measured, limit }: Judged): string {
  return measured.toFixed(limit > 0 && limit < 0.1 ? 4 : limit < 10 && limit > 0 ? 2 : 0);
}

export function verdict(judged: Pick<Judged, 'measured' | 'bound' | 'limit'>): string {
  const { measured, bound, limit } = judged;
  if (limit === 0) return isMet(judged) ? 'met' : '**missed**';
  const percent = Math.abs(100 * (measured / limit - 1)).toFixed(0);
  if (!isMet(judged)) return `**missed by ${percent} %**`;
  return `met, ${percent} % ${bound === 'at most' ? 'below' : 'above'}`;
}

function workloadSection(report: Report, workload: Workload, figures: Figures): string {
  const rows = report.peers.flatMap((peer) => {
    const found = figures.get(workload.id)?.get(peer.id);
    return found === undefined ? [] : [row(peer, workload, found)];
  });
  const heads = ['', ...workload.columns.map(({ title }) => title), 'errors'];
  return [
    `### ${workload.id}`,
    `${workload.title}.`,
    table(heads, rows),
    ...withoutPart(report.peers, workload),
  ].join('\n\n');
}

/** A line for each reason. */
function withoutPart(peers: readonly Peer[], workload: Workload): string[] {
  const titles = new Map<string, string[]>();
  for (const peer of peers) {
    const why = peer.only === undefined && workload.only === undefined ? leftOut(peer, workload) : null;
    if (why !== null) titles.set(why, [...(titles.get(why) ?? []), plain(peer.title)]);
  }
  return [...titles].map(([why, each]) => `Without ${each.join('; ')}: ${why}.`);
}

function row(peer: Peer, workload: Workload, found: Record<string, number>): string[] {
  const values = workload.columns.map(({ key, digits }) => shown(found[key] ?? Number.NaN, digits));
  return [wayOf(peer, workload).title, ...values, String(found.errors ?? 0)];
}

function shown(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const WITH = 'bun';
const WITHOUT = 'quiet';

/** What the log and the metrics cost: ours beside ours without them, by the first column of each workload. */
function observing(workloads: readonly Workload[], figures: Figures): string[] {
  const rows = workloads.flatMap(({ id, columns }) => {
    const [{ key, title, digits }] = columns as [Column];
    const of = (peer: string) => figures.get(id)?.get(peer)?.[key] ?? Number.NaN;
    const more = 100 * (of(WITH) / of(WITHOUT) - 1);
    if (!Number.isFinite(more)) return [];
    const percent = `${more < 0 ? '−' : '+'}${Math.abs(more).toFixed(1)} %`;
    return [[`${id}: ${title}`, shown(of(WITHOUT), digits), shown(of(WITH), digits), percent]];
  });
  if (rows.length === 0) return [];
  const about =
    'A line in the log for each session, the metrics and the admin listener, on Bun; all of them are on by default.';
  return [`### Log and metrics\n\n${about}\n\n${table(['', 'without', 'with', ''], rows)}`];
}

function soakSection({ soaked, date }: Report): string {
  const about =
    'Polls, downloads at once and one by one, TLS full and resumed, slow readers, wrong passwords, clients that are ' +
    'gone in the midst, to two instances at once, one of them with TLS; memory and descriptors of both.';
  return `## Soak\n\n${about} Measured on ${date}.\n\n${soakTable(soaked)}`;
}

function startTable({ cells, peers }: Report): string {
  const times = startTimes(cells);
  const rows = peers.flatMap(({ id, title }) => (times.has(id) ? [[title, times.get(id)!.toFixed(0)]] : []));
  return table(['', 'ms'], rows);
}

function isForAll({ setup, stages }: Workload): boolean {
  return stages.some((stage) => stage.setup?.allCores ?? setup?.allCores === true);
}

function method({ cells, accounting, workloads }: Report): string {
  const onceOnly = workloads.filter(({ once }) => once === true).map(({ id }) => id);
  const others = cells.map(({ otherPercent }) => otherPercent);
  const disturbed = cells.filter(({ otherPercent }) => otherPercent > DISTURBED_PERCENT);
  const named = [...new Set(disturbed.map(({ workload, peer }) => `${workload} ${peer}`))];
  return [
    '- The load generator and the mailstore (`bench/compare/load.ts`, `sink.ts`) have one CPU, the proxy another; all',
    '  is on the loopback. Every reply and every octet of every message is compared; `errors` counts what was wrong.',
    '- Each measurement has a fresh instance. The order of the peers is reversed in every second repetition; the',
    '  figures are medians over the repetitions.',
    ...(onceOnly.length === 0
      ? []
      : [`- Measured once, for they show growth and no tenths: ${onceOnly.join(', ')}.`]),
    ...(workloads.some(isForAll)
      ? [
          '- On all CPUs, beside the load generator, which has little to do there but for `workers`: ' +
            `${workloads
              .filter(isForAll)
              .map(({ id }) => id)
              .join(', ')}.`,
          '- The first logins are counted from when nothing is under way until nothing is again;',
          '  the bare hash is computed by the same library, as many at once as there are CPUs.',
        ]
      : []),
    `- CPU time is the proxy's processes', those that have ended included: ${accounting}. It holds where the load`,
    '  generator is the slower side, which bounds sessions/s and MB/s.',
    '- PSS is what the sessions add to that of the proxy after 200 short ones.',
    '- Login latency is from connect() to the reply to PASS. Where there are less than a hundred logins, as in `w6a`,',
    '  p99 is the slowest of them.',
    `- Meanwhile anything else on the machine took ${median(others).toFixed(0)} % of one CPU (median), ${Math.max(...others).toFixed(0)} % at most${named.length === 0 ? '.' : `; more than ${DISTURBED_PERCENT} % in: ${named.join(', ')}.`}`,
  ].join('\n');
}

function plain(title: string): string {
  return title.replaceAll('**', '');
}
