/** For tests about time on a machine that other tests keep busy: it may stand still for a while at any point. */
import { pause } from './ports.ts';

const TICK = 5;
/** Steps from one end of a connection to the other and back, with a proxy between them, and as many again. */
const TURNS = 20;

/**
 * A clock of the time in which this process' event loop went round, in milliseconds. A stretch in which it did not,
 * because the machine had something else to do, counts as two ticks at most.
 */
export function livedTime(): { now(): number; stop(): void } {
  let sum = 0;
  let last = performance.now();
  const now = () => {
    const at = performance.now();
    sum += Math.min(at - last, 2 * TICK);
    last = at;
    return sum;
  };
  const timer = setInterval(now, TICK);
  return { now, stop: () => clearInterval(timer) };
}

/**
 * How long `action` waited, by that clock. So what comes at once has a small figure however busy the machine is, and
 * what waits for a timer has that timer's time.
 */
export async function waited(action: () => Promise<unknown>): Promise<number> {
  const clock = livedTime();
  try {
    await action();
    return clock.now();
  } finally {
    clock.stop();
  }
}

/** The processor's time that `action` took, in milliseconds: what else the machine does is none of it. */
export function computed(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * Resolves when whatever was written on the loopback before has been read by this process. Time alone does not do: of a
 * process that stood still the timers come first, and the sockets after them.
 */
export async function turns(): Promise<void> {
  await pause(TICK);
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}
