/** What the hashes alone cost, with the same library on the same CPUs: no table, no mailstore, no session. */
import { join } from 'node:path';
import { oursOnBun } from './ours.ts';
import type { Peer } from './peer.ts';

const PROGRAM = join(import.meta.dirname, '../hashes.ts');

export const bareHash: Peer = {
  id: 'hash',
  title: 'The bare hash, on Bun',
  needs: [],
  version: oursOnBun.version,
  start: () => {
    throw new Error('the bare hash serves nobody');
  },
  // In huge pages, as bin/teapop-proxy has glibc ask for them.
  bare: (work) => ({
    command: [process.execPath, PROGRAM, JSON.stringify(work)],
    env: { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' },
  }),
  only: ['w2', 'w2s'],
};
