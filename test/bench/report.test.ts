import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareHash } from '../../bench/compare/peers/bare-hash.ts';
import { dovecot } from '../../bench/compare/peers/dovecot.ts';
import { haproxy } from '../../bench/compare/peers/haproxy.ts';
import { oursOnBun, oursOnNode } from '../../bench/compare/peers/ours.ts';
import type { Peer } from '../../bench/compare/peers/peer.ts';
import { leftOut, wayOf } from '../../bench/compare/peers/peers.ts';
import { page, type Report, verdict } from '../../bench/compare/report.ts';
import { type Cell, mediansOf, startTimes } from '../../bench/compare/run.ts';
import { judge, TARGETS, type Target } from '../../bench/compare/targets.ts';
import { WORKLOADS } from '../../bench/compare/workloads.ts';

const TARGET: Target = {
  ...{ workload: 'w1', figure: 'cpuPerSession', what: 'polls', ours: 'bun' },
  ...{ against: { peer: 'nginx' }, bound: 'at most', limit: 0.8 },
};

function cell(peer: string, cpuPerSession: number, more: Partial<Cell> = {}): Cell {
  return {
    ...{ workload: 'w1', peer, figures: { cpuPerSession }, errors: 0, firstError: null },
    ...{ otherPercent: 1, startMs: 100, ...more },
  };
}

function peer(id: string, title: string, more: Partial<Peer> = {}): Peer {
  return {
    ...{ id, title, needs: [], version: { of: id, command: ['true'] as const } },
    ...{ start: () => ({ command: ['true'] as const }), ...more },
  };
}

function report(more: Partial<Report> = {}): Report {
  return {
    cells: [cell('bun', 50), cell('bun', 90), cell('bun', 60), cell('nginx', 100)],
    workloads: WORKLOADS.filter(({ id }) => id === 'w1'),
    peers: [peer('bun', '**ours**'), peer('nginx', 'nginx mail')],
    targets: [TARGET],
    ...{ absent: [], facts: [['Machine', 'a big one']], command: 'npm run bench', date: '2026-01-02' },
    ...{ accounting: 'by ticks', soaked: [], ...more },
  };
}

test('medians are taken for each peer and figure, errors are added up', () => {
  const cells = [
    cell('bun', 3),
    cell('bun', 1, { errors: 2 }),
    cell('bun', 2, { errors: 1 }),
    cell('nginx', 7),
  ];
  const found = mediansOf(cells).get('w1');
  assert.deepEqual(found?.get('bun'), { cpuPerSession: 2, errors: 3 });
  assert.deepEqual(found?.get('nginx'), { cpuPerSession: 7, errors: 0 });
  assert.deepEqual(
    startTimes(cells),
    new Map([
      ['bun', 100],
      ['nginx', 100],
    ]),
  );
});

test('a target is ours divided by the peer, and judged where both were measured', () => {
  const judged = judge(
    [TARGET, { ...TARGET, against: { peer: 'dovecot' } }],
    mediansOf([cell('bun', 60), cell('nginx', 100)]),
  );
  assert.deepEqual(judged, [{ ...TARGET, measured: 0.6 }]);
});

test('the verdict says by how much', () => {
  const most = (measured: number, limit: number) => verdict({ measured, bound: 'at most', limit });
  assert.equal(most(0.6, 0.8), 'met, 25 % below');
  assert.equal(most(0.8, 0.8), 'met, 0 % below');
  assert.equal(most(1, 0.8), '**missed by 25 %**');
  assert.equal(most(0, 0), 'met');
  assert.equal(most(1, 0), '**missed**');
  assert.equal(verdict({ measured: 99, bound: 'at least', limit: 90 }), 'met, 10 % above');
  assert.equal(verdict({ measured: 45, bound: 'at least', limit: 90 }), '**missed by 50 %**');
});

test('every target is of a column that its workload has', () => {
  for (const { workload, figure } of TARGETS) {
    const columns = WORKLOADS.find(({ id }) => id === workload)?.columns.map(({ key }) => key);
    assert.ok(columns?.includes(figure), `${workload} ${figure}`);
  }
});

test('the page has the targets first, then a row for each peer, those that are ahead included', () => {
  const written = page(report({ cells: [cell('bun', 60), cell('nginx', 50)] }), null);
  assert.match(written, /\| w1: polls \| nginx mail \| at most 0.8 × \| 1.20 × \| \*\*missed by 50 %\*\* \|/);
  assert.match(written, /0 of 1 met/);
  assert.match(written, /\| \*\*ours\*\* \| 60\.0 \| – \| – \| – \| 0 \|\n\| nginx mail \| 50\.0 /);
  assert.match(written, /\| Machine \| a big one \|/);
  assert.match(written, /`npm run bench` \(2026-01-02\)/);
  assert.ok(written.indexOf('## Targets') < written.indexOf('### w1'));
});

test('what was not measured is said, and what was disturbed', () => {
  const without = { workloads: ['w1'], why: 'forks' };
  const written = page(
    report({
      cells: [cell('bun', 60, { otherPercent: 40 }), cell('nginx', 50)],
      peers: [
        peer('bun', 'ours'),
        peer('nginx', 'nginx'),
        peer('perdition', 'perdition', { without }),
        peer('dovecot', 'dovecot', { without }),
      ],
      absent: [{ title: 'Dovecot', why: 'not installed; apt-get install dovecot-core' }],
    }),
    null,
  );
  assert.match(written, /Left out: Dovecot \(not installed; apt-get install dovecot-core\)\./);
  assert.match(written, /Without perdition; dovecot: forks\./);
  assert.match(written, /40 % at most; more than 15 % in: w1 bun\./);
});

test('what was written by hand stays', () => {
  const first = page(report(), null);
  const edited = first.replace('Nothing is noted here yet.', 'The kernel takes most of it.');
  assert.notEqual(edited, first);
  assert.equal(page(report(), edited), edited);
  assert.equal(page(report(), '# A page without markers'), first);
});

test('a target may be of a figure by itself, and one login lost in any repetition is lost', () => {
  const own: Target = { ...TARGET, workload: 'w6a', figure: 'lost', what: 'lost' };
  const cells = [0, 2, 0].map((lost) => cell('bun', 1, { workload: 'w6a', figures: { lost } }));
  const target: Target = { ...own, against: { itself: 'none', unit: '' }, limit: 0 };
  const workloads = WORKLOADS.filter(({ id }) => id === 'w6a');
  const written = page(report({ cells, workloads, targets: [target] }), null);
  assert.match(written, /\| w6a: lost \| none \| at most 0 \| 2 \| \*\*missed\*\* \|/);
});

test('what the log and the metrics cost is told by the proxy without them', () => {
  const written = page(report({ cells: [cell('bun', 110), cell('quiet', 100)] }), null);
  assert.match(written, /\| w1: CPU µs per session \| 100\.0 \| 110\.0 \| \+10\.0 % \|/);
  assert.doesNotMatch(page(report(), null), /### Log and metrics/);
});

test('the start of an instance that is set up otherwise is not told among the others', () => {
  const cells = [cell('bun', 1, { startMs: 200 }), cell('bun', 1, { startMs: null })];
  assert.deepEqual(startTimes(cells), new Map([['bun', 200]]));
});

test('both runtimes have a part in every workload, a peer in those that it can do', () => {
  for (const workload of WORKLOADS) {
    assert.equal(leftOut(oursOnBun, workload), null);
    assert.equal(leftOut(oursOnNode, workload), null);
  }
  const hashed = WORKLOADS.find(({ id }) => id === 'w2')!;
  assert.equal(leftOut(haproxy, hashed), 'no Argon2id hash is checked there');
  assert.match(wayOf(dovecot, hashed).title, /ARGON2ID/);
  assert.equal(leftOut(bareHash, WORKLOADS[0]!), 'a variant for other workloads');
});
