/** Starts the sink, the proxies and the services beside them, each on its core, and ends them again. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, pause, waitForPort } from '../../test/support/ports.ts';
import { type RunningProcess, start } from '../../test/support/process.ts';
import { type Account, makeCgroup, processesOf, removeCgroup } from './accounting.ts';
import type { Command, Peer, Place, RunningPeer } from './peers/peer.ts';
import { searchPath } from './peers/peers.ts';

/** What all instances of one run have in common. */
export type Site = Omit<Place, 'run' | 'port' | 'auxPort' | 'tls'> & {
  folder: string;
  loadCore: number;
  proxyCore: number;
  cgroups: boolean;
};

const START_WITHIN = 15_000;
const LEAVE_WITHIN = 5_000;
/** Runs in a shell: $1 is the number of descriptors, $2 a cgroup or nothing, the rest the program. */
const PRELUDE = 'ulimit -n "$1"; [ -z "$2" ] || echo $$ > "$2/cgroup.procs"; shift 2; exec "$@"';
/** As many as the system lets it have. */
const ALL_DESCRIPTORS = 'hard';

let instances = 0;

/** A program on a core; the descriptors are the most that the system lets it have, unless said otherwise. */
export async function startOn(
  core: number,
  { command, env = {} }: Command,
  options: { cgroup?: string | null; descriptors?: number } = {},
): Promise<RunningProcess> {
  const descriptors = String(options.descriptors ?? ALL_DESCRIPTORS);
  return start(
    [
      ...(['sh', '-c', PRELUDE, 'bench', descriptors, options.cgroup ?? ''] as const),
      ...['taskset', '-c', String(core), ...command],
    ],
    { env: { PATH: searchPath(), ...env } },
  );
}

export async function startPeer(site: Site, peer: Peer, tls: boolean): Promise<RunningPeer> {
  const run = join(site.folder, `${++instances}-${peer.id}`);
  mkdirSync(run, { mode: 0o755 });
  const place: Place = { ...site, run, tls, port: await freePort(), auxPort: await freePort() };
  const parts: Part[] = [];
  const stop = async () => {
    for (const part of parts.reverse()) await stopPart(part);
  };
  try {
    const aux = peer.aux?.(place);
    if (aux !== undefined) {
      parts.push(await startPart(site, aux, site.loadCore, `${instances}-aux`));
      await upOrOutput(parts[0]!, place.auxPort);
    }
    const began = performance.now();
    const limited = peer.descriptors === undefined ? {} : { descriptors: peer.descriptors };
    parts.push(await startPart(site, peer.start(place), site.proxyCore, `${instances}-${peer.id}`, limited));
    await upOrOutput(parts.at(-1)!, place.port);
    const startMs = performance.now() - began;
    return { port: place.port, account: parts.map((part) => part.account), startMs, stop };
  } catch (error) {
    await stop();
    throw new Error(`${peer.id}: ${(error as Error).message}`);
  }
}

type Part = { process: RunningProcess; account: Account };

async function startPart(
  site: Site,
  command: Command,
  core: number,
  name: string,
  options: { descriptors?: number } = {},
): Promise<Part> {
  const cgroup = site.cgroups ? makeCgroup(`teapop-proxy-bench-${process.pid}-${name}`) : null;
  const running = await startOn(core, command, { cgroup, ...options });
  return { process: running, account: { cgroup, root: running.pid } };
}

async function upOrOutput(part: Part, port: number): Promise<void> {
  const left = part.process.exited.then(() => {
    throw new Error(`left before it served: ${part.process.output().slice(-2_000)}`);
  });
  left.catch(() => {});
  await Promise.race([left, waitForPort(port, START_WITHIN)]);
}

/** The whole tree, each process by its id: some leave children behind when they are told to leave. */
async function stopPart({ process: running, account }: Part): Promise<void> {
  const tree = processesOf(account);
  await running.stop();
  const left = () => (account.cgroup === null ? tree.filter(isAlive) : processesOf(account));
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of left()) signalTo(pid, signal);
    const deadline = performance.now() + LEAVE_WITHIN;
    while (left().length > 0 && performance.now() < deadline) await pause(20);
  }
  const deadline = performance.now() + LEAVE_WITHIN;
  // For a moment after its last process a cgroup is still busy.
  while (account.cgroup !== null && !removeCgroup(account.cgroup) && performance.now() < deadline)
    await pause(20);
}

function isAlive(pid: number): boolean {
  return signalTo(pid, 0);
}

function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
