/** Idle sessions, ever more of them, and the memory that they take. */
import { pssKiB } from '../accounting.ts';
import { type Generator, pause } from './generator.ts';

/** Short sessions before the memory of idle ones is read: code is loaded, and little garbage is made. */
const FIRST_SESSIONS = 200;
/** Before memory is read: buffers have been given back, collectors have run. */
const SETTLE = 1_500;
/** Sessions in the making while idle ones are opened. */
const OPENING_AT_ONCE = 32;

/** Opens ever more sessions and reads the memory at each stage; each must still answer at the end. */
export async function hold(load: Generator, stages: readonly number[]): Promise<Record<string, number>> {
  while (load.started < FIRST_SESSIONS) {
    for (let many = 0; many < OPENING_AT_ONCE && load.started < FIRST_SESSIONS; many++) load.open('poll');
    await load.whenNone();
  }
  await pause(SETTLE);
  const empty = memory(load);
  const made: Record<string, number> = { pssEmpty: empty };
  for (const stage of stages) {
    await openTo(load, stage);
    await pause(SETTLE);
    made[`pssPerSession-${stage}`] = (memory(load) - empty) / stage;
  }
  for (const session of [...load.active]) session.resume();
  await load.whenNone();
  return made;
}

function memory({ job }: Generator): number {
  return job.accounts.reduce((total, account) => total + pssKiB(account), 0);
}

function openTo(load: Generator, stage: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const failed = load.errors;
  let waiting = stage - load.active.size;
  let unopened = waiting;
  const further = () => {
    if (waiting === 0 || load.errors > failed) resolve();
    else if (unopened-- > 0) load.open('poll', { waits: true });
  };
  load.onLogin = () => {
    waiting--;
    further();
  };
  load.onEnd = further;
  for (let many = Math.min(OPENING_AT_ONCE, unopened); many > 0; many--, unopened--)
    load.open('poll', { waits: true });
  return promise.finally(() => {
    load.onLogin = () => {};
    load.onEnd = () => {};
  });
}
