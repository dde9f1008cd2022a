import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { doubtful } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';

/** Far more than any host has cores for; each takes some 50 MiB before it has served anybody. */
const MOST_WORKERS = 256;
const EXPECTED = `expected auto, or a whole number from 1 to ${MOST_WORKERS}`;

export const workers = z
  .union([z.literal('auto'), z.int({ error: EXPECTED }).min(1, EXPECTED).max(MOST_WORKERS, EXPECTED)], {
    error: EXPECTED,
  })
  .transform((value) => (value === 'auto' ? availableParallelism() : value))
  .prefault(1)
  .describe(
    'Processes that share the ports, auto for one for each CPU. `limits.connections`, `passwords.concurrency`, ' +
      '`passwords.queue` and `upstreams[].preconnect` are shared out among them; what else is kept in memory, each keeps for itself.',
  );

const WORKERS: Path = ['workers'];

/** What the workers share out has to suffice for all. */
export function workerRules({ workers: count, passwords }: Config): Finding[] {
  if (count === 1 || passwords.concurrency >= count) return [];
  const hint = `each worker hashes one at a time at least: lower it, or raise passwords.concurrency to ${count}`;
  return [doubtful(WORKERS, 'more than passwords.concurrency', hint, [['passwords', 'concurrency']])];
}
