import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { watchEventLoop } from '../../src/ops/event-loop.ts';
import { processState, runtime } from '../../src/ops/process.ts';
import { until } from '../support/process.ts';

test('open files follow what is opened and closed', async () => {
  const count = async () => (await processState()).openFiles!;
  const follows = async () => {
    const before = await count();
    const opened = Array.from({ length: 10 }, () => openSync('/dev/null', 'r'));
    const meanwhile = await count();
    for (const descriptor of opened) closeSync(descriptor);
    return meanwhile === before + 10 && (await count()) === before;
  };
  // What tests of other files in this process have left may still be closing.
  await until('nobody else opens or closes any', follows);
});

test('memory, CPU, limit and start agree with /proc', async () => {
  const state = await processState();
  const resident = 1_024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))![1]);
  assert.ok(Math.abs(state.residentBytes - resident) < 0.25 * resident, `${state.residentBytes} ${resident}`);
  assert.ok(state.heapBytes > 0 && state.heapBytes < state.residentBytes);
  assert.ok(state.maxFiles! >= state.openFiles!);
  assert.ok(Math.abs(Date.now() / 1_000 - process.uptime() - state.startedAt) < 1);
  assert.ok(Math.abs(state.cpuSeconds - cpuSeconds()) < 0.2, `${state.cpuSeconds} ${cpuSeconds()}`);
});

/** Fields 14 and 15 of proc(5)'s stat, user and system time in ticks of 10 ms. */
function cpuSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test('the runtime is called by its own name', () => {
  const { name, version } = runtime();
  assert.equal(name, 'Bun' in globalThis ? 'bun' : 'node');
  assert.match(version, /^\d+\.\d+\.\d+/);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('a stalled event loop shows, an idle one does not', async () => {
  const lags: number[] = [];
  const stop = watchEventLoop((seconds) => void lags.push(seconds));
  await until('it is told of some times', () => lags.length >= 3);
  await until('one without a stall', () => Math.min(...lags) < 0.02);
  lags.length = 0;
  const begun = performance.now();
  const busyUntil = begun + 400;
  while (performance.now() < busyUntil);
  await pause(50);
  stop();
  const elapsed = (performance.now() - begun) / 1_000;
  assert.ok(Math.max(...lags) > 0.25 && Math.max(...lags) < elapsed, `${lags}`);
  const seen = lags.length;
  await pause(250);
  assert.equal(lags.length, seen, 'no more after the stop');
});
