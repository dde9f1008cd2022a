/** All that is compared, in the order of the tables' rows. */
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { setupOf, type Workload } from '../workloads.ts';
import { bareHash } from './bare-hash.ts';
import { dovecot } from './dovecot.ts';
import { haproxy } from './haproxy.ts';
import { nginx, nginxService } from './nginx.ts';
import { oursOnBun, oursOnNode, oursQuiet } from './ours.ts';
import type { Peer, Way } from './peer.ts';
import { perdition } from './perdition.ts';

export const PEERS: readonly Peer[] = [
  oursOnBun,
  oursOnNode,
  oursQuiet,
  bareHash,
  haproxy,
  nginx,
  nginxService,
  dovecot,
  perdition,
];

/** Servers lie in sbin, which is not in everybody's PATH. */
const FURTHER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export function searchPath(path: string = process.env.PATH ?? ''): string {
  return [path, ...FURTHER_FOLDERS].join(delimiter);
}

/** @returns the packages that are not installed */
export function missingPackages({ needs }: Peer): string[] {
  return needs.filter(({ program }) => !isInstalled(program)).map((need) => need.package);
}

export function isInstalled(program: string): boolean {
  const places = isAbsolute(program)
    ? [program]
    : searchPath()
        .split(delimiter)
        .map((folder) => join(folder, program));
  return places.some((path) => {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @returns why this peer has no part in this workload, or null */
export function leftOut(peer: Peer, workload: Workload): string | null {
  const { only, without } = peer;
  if (only !== undefined && !only.includes(workload.id)) return 'a variant for other workloads';
  if (workload.only?.includes(peer.id) === false) return 'there is nothing to tell of it';
  if (without?.workloads.includes(workload.id) === true) return without.why;
  const unable = isHashed(workload) && peer.hashed === undefined && peer.bare === undefined;
  return unable ? 'no Argon2id hash is checked there' : null;
}

/** How it takes part. */
export function wayOf(peer: Peer, workload: Workload): Way {
  return isHashed(workload) ? (peer.hashed ?? peer) : peer;
}

function isHashed(workload: Workload): boolean {
  return workload.stages.some((stage) => setupOf(workload, stage).argon2id !== null);
}
