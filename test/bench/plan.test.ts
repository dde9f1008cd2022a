import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../bench/compare/peers/peer.ts';
import { PEERS } from '../../bench/compare/peers/peers.ts';
import { estimated, planned, secondsOf } from '../../bench/compare/plan.ts';
import { isSame, USUAL } from '../../bench/compare/setup.ts';
import { isUsual, setupOf, WORKLOADS, type Workload } from '../../bench/compare/workloads.ts';

function peer(id: string, more: Partial<Peer> = {}): Peer {
  const version = { of: id, command: ['true'] as const };
  return { id, title: id, needs: [], version, start: () => ({ command: ['true'] }), ...more };
}

function workload(id: string, more: Partial<Workload> = {}): Workload {
  const traffic = { kind: 'closed', script: 'poll', tls: 'off', atOnce: 64 } as const;
  return { id, title: id, stages: [{ suffix: '', traffic }], columns: [], ...more };
}

test('each repetition has all of it in turn, the second the other way round, growth the first alone', () => {
  const plan = planned(2, [workload('w1'), workload('growth', { once: true })], [peer('a'), peer('b')]);
  assert.deepEqual(
    plan.map((each) => `${each.repetition} ${each.workload.id} ${each.peer.id}`),
    ['0 w1 a', '0 w1 b', '0 growth a', '0 growth b', '1 w1 b', '1 w1 a'],
  );
});

test('what is compiled beforehand warms up shortly, what is fresh not at all, and a flood takes longer', () => {
  const options = { warmup: 3, duration: 2 };
  const { traffic } = workload('w1').stages[0]!;
  assert.deepEqual(secondsOf(traffic, peer('ours', { warms: true }), options), options);
  assert.deepEqual(secondsOf(traffic, peer('theirs'), options), { warmup: 0.5, duration: 2 });
  const open = { kind: 'open', script: 'poll', tls: 'off', rate: 200 } as const;
  assert.deepEqual(secondsOf(open, peer('ours', { warms: true }), options), options);
  const fresh = { ...open, fresh: true } as const;
  assert.deepEqual(secondsOf(fresh, peer('ours', { warms: true }), options), { warmup: 0, duration: 2 });
  const flood = { kind: 'flood', tls: 'off', good: 2, wrong: 20 } as const;
  assert.deepEqual(secondsOf(flood, peer('theirs'), options), { warmup: 0.5, duration: 10 });
});

test('the whole of it is thought to take less than 25 minutes', () => {
  const plan = planned(3, WORKLOADS, PEERS);
  const seconds = plan.reduce((sum, each) => sum + estimated(each, { warmup: 3, duration: 2 }), 0);
  assert.ok(seconds < 25 * 60, `${seconds} s`);
});

test('a stage is set up as its workload is, but for what it says itself', () => {
  const growing = WORKLOADS.find(({ id }) => id === 'users')!;
  const setups = growing.stages.map((stage) => setupOf(growing, stage));
  assert.deepEqual(
    setups.map(({ users }) => users),
    [10_000, 100_000, 1_000_000],
  );
  assert.equal(isSame(setups[0]!, setups[1]!), false);
  assert.ok(isSame(USUAL, setupOf(workload('w1'), workload('w1').stages[0]!)));
  assert.deepEqual([isUsual(workload('w1')), isUsual(growing)], [true, false]);
});
