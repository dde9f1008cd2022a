/** Where it was measured, and with which versions. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { run } from '../../test/support/process.ts';
import type { Peer } from './peers/peer.ts';
import { searchPath } from './peers/peers.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Label and value. */
export async function machine(peers: readonly Peer[]): Promise<[string, string][]> {
  const versions = await Promise.all(
    peers.map(async (peer): Promise<[string, string]> => [peer.version.of, await versionOf(peer)]),
  );
  return [
    [
      'Machine',
      `${cpus()[0]?.model.trim()}, ${cpus().length} CPUs, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    ],
    ['System', `${system()}, Linux ${release()}`],
    ['teapop-proxy', await ownVersion()],
    ...new Map(versions),
  ];
}

/** The first number with a point, of whichever stream. */
async function versionOf({ version }: Peer): Promise<string> {
  const { output } = await run(version.command, { env: { PATH: searchPath() }, timeout: 5_000 });
  return /[0-9]+\.[0-9][^\s()]*/.exec(output)?.[0] ?? 'unknown';
}

async function ownVersion(): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const commit = await run(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD']).catch(() => null);
  const changed = await run(['git', '-C', ROOT, 'status', '--porcelain', 'src', 'bin']).catch(() => null);
  const changes = changed !== null && changed.stdout.length > 0 ? ' with changes' : '';
  return commit?.code === 0 ? `${version}, commit ${commit.output.trim()}${changes}` : version;
}

function system(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  } catch {
    return 'Linux';
  }
}
