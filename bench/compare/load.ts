/**
 * The load generator, a process of its own: one job as JSON in, one line of JSON out.
 *
 *     bun bench/compare/load.ts JOB
 */
import { flood } from './load/flood.ts';
import { Generator, type Job } from './load/generator.ts';
import { hold } from './load/hold.ts';
import { closed, first, open } from './load/timed.ts';

export type Result = {
  figures: Record<string, number>;
  errors: number;
  firstError: string | null;
  /** Of this process and the accounts from its start to its end: what of the machine's was nobody else's. */
  cpuSeconds: number;
};

const load = new Generator(JSON.parse(process.argv[2] ?? '') as Job);
const cpuAtStart = load.accountsSeconds();
const figures = await run(load);
const { user, system } = process.cpuUsage();
const { errors, firstError } = load;
const usedSeconds = load.accountsSeconds() - cpuAtStart + (user + system) / 1e6;
const result: Result = { figures, errors, firstError, cpuSeconds: usedSeconds };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);

function run(generator: Generator): Promise<Record<string, number>> {
  const { traffic } = generator.job;
  switch (traffic.kind) {
    case 'closed':
      return closed(generator, traffic);
    case 'open':
      return open(generator, traffic);
    case 'hold':
      return hold(generator, traffic.stages);
    case 'first':
      return first(generator);
    case 'flood':
      return flood(generator, traffic);
  }
}
