/** docs/performance.md: all of it is written here but for the section between the markers. */
import type { Peer } from './peers/peer.ts';
import { leftOut } from './peers/peers.ts';
import { type Cell, type Figures, mediansOf, startTimes } from './run.ts';
import { median } from './statistics.ts';
import { type Judged, judge, type Target } from './targets.ts';
import type { Workload } from './workloads.ts';

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
};

const BEGIN = '<!-- by hand: begin -->';
const END = '<!-- by hand: end -->';
const NOTHING_YET = `${BEGIN}\n## What the profile shows, and what was tried\n\nNothing is noted here yet.\n${END}`;
/** More of one CPU than that taken by anything else, and a measurement is named. */
const DISTURBED_PERCENT = 15;

/** @param before the page as it stands, whose hand-written section is kept */
export function page(report: Report, before: string | null): string {
  const figures = mediansOf(report.cells);
  return `${[
    introduction(report),
    `## Targets\n\n${targetTable(report, judge(report.targets, figures))}`,
    byHand(before),
    '## All figures',
    ...report.workloads.map((workload) => workloadSection(report, workload, figures)),
    `### Start\n\nUntil the port accepts connections; the median of all starts of the run.\n\n${startTable(report)}`,
    `## How it is measured\n\n${method(report)}`,
  ].join('\n\n')}\n`;
}

/** What stands between the markers, with them. */
export function byHand(before: string | null): string {
  const begin = before?.indexOf(BEGIN) ?? -1;
  const end = before?.indexOf(END) ?? -1;
  return before === null || begin < 0 || end < begin ? NOTHING_YET : before.slice(begin, end + END.length);
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

function targetTable({ peers }: Report, judged: readonly Judged[]): string {
  const titles = new Map(peers.map(({ id, title }) => [id, plain(title)]));
  const rows = judged.map((one) => [
    `${one.workload}: ${one.what}${one.ours === 'node' ? ', on Node' : ''}`,
    titles.get(one.peer) ?? one.peer,
    `${one.most} ×`,
    `${one.ratio.toFixed(2)} ×`,
    verdict(one),
  ]);
  if (rows.length === 0) return 'None of the targets was measured in this run.';
  const met = judged.filter(({ ratio, most }) => ratio <= most).length;
  return `On Bun where nothing else is said; ${met} of ${judged.length} met.\n\n${table(['workload', 'against', 'at most', 'measured', ''], rows)}`;
}

export function verdict({ ratio, most }: { ratio: number; most: number }): string {
  const percent = Math.abs(100 * (ratio / most - 1)).toFixed(0);
  return ratio <= most ? `met, ${percent} % below` : `**missed by ${percent} %**`;
}

function workloadSection(report: Report, workload: Workload, figures: Figures): string {
  const rows = report.peers.flatMap((peer) => {
    const found = figures.get(workload.id)?.get(peer.id);
    return found === undefined ? [] : [row(peer, workload, found)];
  });
  const absent = report.peers.flatMap((peer) => {
    const why = peer.only === undefined ? leftOut(peer, workload.id) : null;
    return why === null ? [] : [`Without ${plain(peer.title)}: ${why}.`];
  });
  const heads = ['', ...workload.columns.map(({ title }) => title), 'errors'];
  return [`### ${workload.id}`, `${workload.title}.`, table(heads, rows), ...absent].join('\n\n');
}

function row(peer: Peer, { columns }: Workload, found: Record<string, number>): string[] {
  const values = columns.map(({ key, digits }) => shown(found[key] ?? Number.NaN, digits));
  return [peer.title, ...values, String(found.errors ?? 0)];
}

function shown(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function startTable({ cells, peers }: Report): string {
  const times = startTimes(cells);
  const rows = peers.flatMap(({ id, title }) => (times.has(id) ? [[title, times.get(id)!.toFixed(0)]] : []));
  return table(['', 'ms'], rows);
}

function method({ cells, accounting }: Report): string {
  const others = cells.map(({ otherPercent }) => otherPercent);
  const disturbed = cells.filter(({ otherPercent }) => otherPercent > DISTURBED_PERCENT);
  const named = [...new Set(disturbed.map(({ workload, peer }) => `${workload} ${peer}`))];
  return [
    '- The load generator and the mailstore (`bench/compare/load.ts`, `sink.ts`) have one CPU, the proxy another; all',
    '  is on the loopback. Every reply and every octet of every message is compared; `errors` counts what was wrong.',
    '- Each measurement has a fresh instance. The order of the peers is reversed in every second repetition; the',
    '  figures are medians over the repetitions.',
    `- CPU time is the proxy's processes', those that have ended included: ${accounting}. It holds where the load`,
    '  generator is the slower side, which bounds sessions/s and MB/s.',
    '- PSS is what the sessions add to that of the proxy after 200 short ones.',
    '- Login latency is from connect() to the reply to PASS.',
    `- Meanwhile anything else on the machine took ${median(others).toFixed(0)} % of one CPU (median), ${Math.max(...others).toFixed(0)} % at most${named.length === 0 ? '.' : `; more than ${DISTURBED_PERCENT} % in: ${named.join(', ')}.`}`,
  ].join('\n');
}

export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(heads), line(rule), ...rows.map(line)].join('\n');
}

function plain(title: string): string {
  return title.replaceAll('**', '');
}
