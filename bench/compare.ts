/**
 * teapop-proxy beside nginx, Dovecot, perdition and HAProxy, in one run: `npm run bench -- --help`.
 *
 * The page goes to standard output or, with --write, to docs/performance.md; progress to standard error.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '../test/support/temp.ts';
import type { Site } from './compare/instances.ts';
import { machine } from './compare/machine.ts';
import { type Options, parseOptions, usage } from './compare/options.ts';
import { oursOnBun, oursOnNode } from './compare/peers/ours.ts';
import type { Peer } from './compare/peers/peer.ts';
import { isInstalled, missingPackages, PEERS } from './compare/peers/peers.ts';
import { page } from './compare/report.ts';
import { type Cell, runAll } from './compare/run.ts';
import { makeSite, withSink } from './compare/site.ts';
import { TARGETS } from './compare/targets.ts';
import { WORKLOADS } from './compare/workloads.ts';
import { isWell, type Soaked, soak } from './soak/soak.ts';

const PAGE = join(import.meta.dirname, '../docs/performance.md');
/** Without them nothing can be measured; without a peer's, that peer is left out. */
const NEEDED = [
  { program: 'taskset', package: 'util-linux' },
  { program: 'openssl', package: 'openssl' },
];
const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const known = { peers: PEERS.map(({ id }) => id), workloads: WORKLOADS.map(({ id }) => id) };
  if (args.includes('--help')) return print(usage(known), 0);
  const options = parseOptions(args, known);
  if ('error' in options) return complain(`${options.error}\n\n${usage(known)}`, EX_USAGE);
  const impossible = hindrance(options);
  if (impossible !== null) return complain(`${impossible}\n`, EX_UNAVAILABLE);
  return compare(options, args);
}

function hindrance({ loadCore, proxyCore }: Options): string | null {
  if (process.platform !== 'linux') return 'npm run bench reads /proc, which only Linux has';
  const missing = NEEDED.filter(({ program }) => !isInstalled(program)).map((need) => need.package);
  if (missing.length > 0) return `npm run bench needs: apt-get install ${missing.join(' ')}`;
  const cores = availableParallelism();
  if (Math.max(loadCore, proxyCore) < cores) return null;
  return `--load-core ${loadCore} and --proxy-core ${proxyCore} do not exist: this machine has ${cores} CPUs, 0 to ${cores - 1}`;
}

async function compare(options: Options, args: readonly string[]): Promise<number> {
  const chosen = PEERS.filter(({ id }) => options.peers.includes(id));
  const absent = chosen.flatMap(withMissing);
  for (const { title, why } of absent) complain(`left out: ${title} (${why})\n`, 0);
  const peers = chosen.filter((peer) => missingPackages(peer).length === 0);
  const workloads = WORKLOADS.filter(({ id }) => options.workloads.includes(id));
  const folder = temporaryFolder('bench');
  try {
    const site = await makeSite(folder.path, options);
    const say = (line: string) => void complain(`${line}\n`, 0);
    const { cells, soaked } = await withSink(site, async (sinkPid) => ({
      cells: await runAll(site, options, { workloads, peers, sinkPid }, say),
      soaked: await soakAll(site, options, say),
    }));
    const before = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : null;
    const written = page(
      {
        ...{ cells, soaked, workloads, peers, absent, targets: TARGETS, facts: await machine(peers) },
        command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
        date: new Date().toISOString().slice(0, 10),
        accounting: site.cgroups ? 'of a cgroup of its own' : '/proc/PID/stat of the tree, in steps of 10 ms',
      },
      before,
    );
    if (options.write) writeFileSync(PAGE, written);
    else print(written, 0);
    return failures(cells) || (soaked.every(isWell) ? 0 : 1);
  } finally {
    folder.remove();
  }
}

async function soakAll(site: Site, options: Options, say: (line: string) => void): Promise<Soaked[]> {
  const soaked: Soaked[] = [];
  const ours = [oursOnBun, oursOnNode].filter(({ id }) => options.soak > 0 && options.peers.includes(id));
  for (const peer of ours) soaked.push(await soak(site, peer, options.soak, say));
  return soaked;
}

function withMissing(peer: Peer): { title: string; why: string }[] {
  const packages = missingPackages(peer);
  return packages.length === 0
    ? []
    : [{ title: peer.title, why: `not installed; apt-get install ${packages.join(' ')}` }];
}

/** A figure with errors behind it is none: said at the end, and by the exit code. */
function failures(cells: readonly Cell[]): number {
  const wrong = cells.filter(({ errors }) => errors > 0);
  for (const { workload, peer, errors, firstError } of wrong) {
    complain(`${workload} ${peer}: ${errors} errors, the first: ${firstError}\n`, 0);
  }
  return wrong.length === 0 ? 0 : 1;
}

function print(text: string, code: number): number {
  process.stdout.write(text);
  return code;
}

function complain(text: string, code: number): number {
  process.stderr.write(text);
  return code;
}
