/**
 * `npm run fuzz -- --minutes 10`: feeds inputs that nobody thought of to what reads a client's and a mailstore's octets,
 * and tells where something throws, hangs, or keeps more than it may. Inputs that reach parts of the sources which no
 * other input reached are changed further, and those that are needed for it stay in test/fuzz/corpus, where
 * corpus.test.ts tries them for ever. It runs on Node: coverage is V8's.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { keepFound } from './corpus.ts';
import { Running } from './running.ts';
import { TARGETS } from './targets.ts';
import type { Task, Told } from './worker.ts';

const NAMES = TARGETS.map(({ name }) => name);
const USAGE = `usage: npm run fuzz -- [--minutes N] [--seed N] [--target NAME]... (${NAMES.join(', ')})\n`;
/** One input takes a thousandth of it. */
const HANG = 10_000;
const LOOK_EVERY = 1_000;
const REPORT_EVERY = 30_000;
/** A process that needs more has kept what it should have let go. */
const MEMORY_MIB = 512;
/** Faults of one kind come in swarms. */
const MOST_FAULTS = 20;

type Sum = { runs: number; kept: number };

function main(): void {
  const task = taskOf(process.argv.slice(2));
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  });
  const sums = new Map<string, Sum>(task.targets.map((name) => [name, { runs: 0, kept: 0 }]));
  let faults = 0;
  let heap = 0;
  let over = false;
  const fault = (target: string, input: Uint8Array, error: string) => {
    faults += 1;
    say(
      `FAULT in ${target}, kept in ${keepFound(target, input)}`,
      `  input ${JSON.stringify(Buffer.from(input).toString('latin1'))}`,
      error,
    );
    if (faults >= MOST_FAULTS) leave(1);
  };
  const report = () => {
    const parts = [...sums].map(([name, { runs, kept }]) => `${name} ${runs} (${kept} kept)`);
    say(`${parts.join(', ')}; ${faults} faults, heap ${Math.round(heap / 1024 / 1024)} MiB`);
  };
  const leave = (code: number) => {
    report();
    process.exit(code);
  };
  worker.on('message', (message: Told) => {
    if (message.told === 'fault') fault(message.target, message.input, message.error);
    else if (message.told === 'over') over = true;
    else {
      const sum = sums.get(message.target)!;
      sum.runs += message.runs;
      sum.kept = message.kept;
      heap = Math.max(heap, message.heap);
    }
  });
  worker.on('error', (error: Error) => {
    say(`the fuzzer itself ended: ${error.stack ?? error.message}`);
    faults += 1;
  });
  worker.on('exit', () => leave(faults > 0 || !over ? 1 : 0));
  watch(new Running(task.shared), (target, input) => {
    fault(target, input, `HANG: it has run for ${HANG / 1000} s`);
    leave(1);
  });
  setInterval(report, REPORT_EVERY).unref();
}

function taskOf(args: string[]): Task {
  const options = {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 0x7fff_ffff) },
    target: { type: 'string', multiple: true, default: NAMES },
  } as const;
  const { minutes, seed, target } = parsed(() => parseArgs({ args, options }).values);
  const numbers = [minutes, seed].map(Number);
  if (numbers.some((number) => !(number > 0)) || target.some((name) => !NAMES.includes(name))) fail();
  say(`seed ${seed}: ${target.join(', ')}, ${minutes} minutes`);
  const { shared } = new Running();
  return { targets: target, seed: numbers[1]!, time: numbers[0]! * 60_000, shared };
}

function parsed<Values>(parse: () => Values): Values {
  try {
    return parse();
  } catch (error) {
    say((error as Error).message);
    return fail();
  }
}

function fail(): never {
  process.stderr.write(USAGE);
  process.exit(2);
}

/** Tells of an input that runs on and on. */
function watch(running: Running, hangs: (target: string, input: Uint8Array) => void): void {
  let last = -1;
  let since = performance.now();
  setInterval(() => {
    const { count } = running;
    if (count !== last) {
      last = count;
      since = performance.now();
    } else if (count > 0 && performance.now() - since > HANG) hangs(NAMES[running.target]!, running.input);
  }, LOOK_EVERY).unref();
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

main();
