/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import { LEAST_MINUTES, MOST_MINUTES } from '../soak/verdict.ts';

export type Options = {
  reps: number;
  /** Seconds of each timed run, and before it. */
  duration: number;
  warmup: number;
  peers: readonly string[];
  workloads: readonly string[];
  /** Minutes for each of our runtimes; 0 for none. */
  soak: number;
  write: boolean;
  loadCore: number;
  proxyCore: number;
};

export type Choice = { peers: readonly string[]; workloads: readonly string[] };

const MOST_REPS = 99;
const MOST_SECONDS = 600;

export function usage({ peers, workloads }: Choice): string {
  return `npm run bench -- [options]
  --reps N             repetitions; the medians are printed (3)
  --duration S         seconds of each timed run (2); so many times that of first logins and of a flood
  --warmup S           seconds before it; half a second at most for what is compiled beforehand (3)
  --peers A,B,…        ${peers.join(',')}
  --workloads A,B,…    ${workloads.join(',')}
  --load-core N        CPU of the load generator, the mailstore and an auth service (0)
  --proxy-core N       CPU of the proxy (1)
  --soak M             and then minutes of mixed traffic for bun and for node, as far as they are among the peers (0)
  --write              write docs/performance.md; without it the page goes to standard output
`;
}

/** @returns the options, or what is wrong with them. */
export function parseOptions(args: readonly string[], known: Choice): Options | { error: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        reps: { type: 'string', default: '3' },
        duration: { type: 'string', default: '2' },
        warmup: { type: 'string', default: '3' },
        peers: { type: 'string', default: known.peers.join(',') },
        workloads: { type: 'string', default: known.workloads.join(',') },
        'load-core': { type: 'string', default: '0' },
        'proxy-core': { type: 'string', default: '1' },
        soak: { type: 'string', default: '0' },
        write: { type: 'boolean', default: false },
      },
    });
    const duration = number('--duration', values.duration, { least: 0.1, most: MOST_SECONDS });
    return {
      reps: number('--reps', values.reps, { least: 1, most: MOST_REPS, whole: true }),
      duration,
      warmup: number('--warmup', values.warmup, { least: 0, most: MOST_SECONDS }),
      peers: chosen('--peers', values.peers, known.peers),
      workloads: chosen('--workloads', values.workloads, known.workloads),
      soak: soaking(values.soak),
      write: values.write,
      loadCore: number('--load-core', values['load-core'], { least: 0, most: 4095, whole: true }),
      proxyCore: number('--proxy-core', values['proxy-core'], { least: 0, most: 4095, whole: true }),
    };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function soaking(text: string): number {
  const minutes = number('--soak', text, { least: 0, most: MOST_MINUTES });
  if (minutes > 0 && minutes < LEAST_MINUTES) throw new Error(`--soak is at least ${LEAST_MINUTES}, or 0`);
  return minutes;
}

function number(name: string, text: string, range: { least: number; most: number; whole?: boolean }): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const whole = range.whole !== true || Number.isInteger(value);
  if (value >= range.least && value <= range.most && whole) return value;
  throw new Error(
    `${name} is '${text}'; it can be ${range.whole === true ? 'a whole number' : 'a number'} from ${range.least} to ${range.most}`,
  );
}

/** In the order of the known ones, whatever the order on the command line: the tables' rows stay where they are. */
function chosen(name: string, text: string, known: readonly string[]): readonly string[] {
  const wanted = text.split(',').map((part) => part.trim());
  const strange = wanted.find((part) => !known.includes(part));
  if (strange !== undefined) throw new Error(`${name} has '${strange}'; it can have ${known.join(', ')}`);
  return known.filter((one) => wanted.includes(one));
}
