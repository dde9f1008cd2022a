/** Starts the sink, the proxies and the services beside them, each on its core, and ends them again. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { freePort, pause, waitForPort } from '../../test/support/ports.ts';
import { type RunningProcess, start } from '../../test/support/process.ts';
import { type Account, makeCgroup, processesOf, removeCgroup } from './accounting.ts';
import { everyUser } from './mailboxes.ts';
import type { Command, Place, RunningPeer, Way } from './peers/peer.ts';
import { searchPath } from './peers/peers.ts';
import { type Setup, USUAL } from './setup.ts';

/** What all instances of one run have in common. */
export type Site = Omit<Place, 'run' | 'port' | 'auxPort' | 'usersFile' | keyof Setup> & {
  folder: string;
  loadCore: number;
  proxyCore: number;
  cgroups: boolean;
};

/** With a million users in its tables, too. */
const START_WITHIN = 120_000;
const LEAVE_WITHIN = 5_000;
/**
 * Runs in a shell: $1 is the number of descriptors or, where it is empty, as many as the system lets it have; $2 a cgroup
 * or nothing, the rest the program.
 */
const PRELUDE =
  'ulimit -n "$([ -n "$1" ] && echo "$1" || ulimit -H -n)" && { [ -z "$2" ] || echo $$ > "$2/cgroup.procs"; } && shift 2 && exec "$@"';

let instances = 0;

/** A program on a core, or on several as taskset takes them, with all the descriptors it can have or as many as said. */
export async function startOn(
  cores: number | string,
  { command, env = {} }: Command,
  options: { cgroup?: string | null; descriptors?: number } = {},
): Promise<RunningProcess> {
  const descriptors = String(options.descriptors ?? '');
  return start(
    [
      ...(['sh', '-c', PRELUDE, 'bench', descriptors, options.cgroup ?? ''] as const),
      ...['taskset', '-c', String(cores), ...command],
    ],
    { env: { PATH: searchPath(), ...env } },
  );
}

/** The proxy's own core, or all that there are. */
export function coresOf({ proxyCore }: Site, { allCores }: Setup): string {
  return allCores ? `0-${availableParallelism() - 1}` : String(proxyCore);
}

/** Made once for each number of them. */
function usersFile({ folder }: Site, count: number): string {
  const path = join(folder, `users-${count}`);
  if (!existsSync(path)) writeFileSync(path, `${everyUser(count).join('\n')}\n`);
  return path;
}

/** @param descriptors that it may open, where it is less than what the system allows */
export async function startPeer(
  site: Site,
  { way, id, descriptors }: { way: Way; id: string; descriptors?: number },
  setup: Partial<Setup> = {},
): Promise<RunningPeer> {
  const run = join(site.folder, `${++instances}-${id}`);
  mkdirSync(run, { mode: 0o755 });
  const whole: Setup = { ...USUAL, ...setup };
  const ports = { port: await freePort(), auxPort: await freePort() };
  const place: Place = { ...site, ...whole, run, ...ports, usersFile: usersFile(site, whole.users) };
  const parts: Part[] = [];
  const stop = async () => {
    for (const part of parts.reverse()) await stopPart(part);
  };
  try {
    const aux = way.aux?.(place);
    if (aux !== undefined) {
      parts.push(await startPart(site, aux, site.loadCore, `${instances}-aux`));
      await upOrOutput(parts[0]!, place.auxPort);
    }
    const command = await way.start(place);
    const began = performance.now();
    const limited = descriptors === undefined ? {} : { descriptors };
    parts.push(await startPart(site, command, coresOf(site, whole), `${instances}-${id}`, limited));
    await upOrOutput(parts.at(-1)!, place.port);
    const startMs = performance.now() - began;
    return { port: place.port, account: parts.map((part) => part.account), startMs, stop };
  } catch (error) {
    await stop();
    throw new Error(`${id}: ${(error as Error).message}`);
  }
}

type Part = { process: RunningProcess; account: Account };

async function startPart(
  site: Site,
  command: Command,
  cores: number | string,
  name: string,
  options: { descriptors?: number } = {},
): Promise<Part> {
  const cgroup = site.cgroups ? makeCgroup(`teapop-proxy-bench-${process.pid}-${name}`) : null;
  const running = await startOn(cores, command, { cgroup, ...options });
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
