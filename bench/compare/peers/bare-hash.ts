/** What the hashes alone cost, with the same library on the same CPUs: no table, no mailstore, no session. */
import { join } from 'node:path';
import { oursOnBun } from './ours.ts';
import type { Peer } from './peer.ts';

const PROGRAM = join(import.meta.dirname, '../hashes.ts');

/** In huge pages, as `bin/teapop-proxy` has glibc ask for them. */
export const bareHash = bare('hash', 'The bare hash, on Bun', ['w2', 'w2s'], {
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
});

/** What those save. */
export const bareHashInSmallPages = bare(
  'hash-small',
  'The bare hash, on Bun, in pages of 4 KiB',
  ['w2'],
  {},
);

function bare(id: string, title: string, only: readonly string[], env: Record<string, string>): Peer {
  return {
    id,
    title,
    needs: [],
    version: oursOnBun.version,
    start: () => {
      throw new Error('the bare hash serves nobody');
    },
    bare: (work) => ({ command: [process.execPath, PROGRAM, JSON.stringify(work)], env }),
    only,
  };
}
