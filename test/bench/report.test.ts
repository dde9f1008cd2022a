import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../bench/compare/peers/peer.ts';
import { byHand, page, type Report, verdict } from '../../bench/compare/report.ts';
import { type Cell, mediansOf, startTimes } from '../../bench/compare/run.ts';
import { judge, TARGETS, type Target } from '../../bench/compare/targets.ts';
import { WORKLOADS } from '../../bench/compare/workloads.ts';

const TARGET: Target = {
  ...{ workload: 'w1', figure: 'cpuPerSession', what: 'polls', ours: 'bun', peer: 'nginx', most: 0.8 },
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
    ...{ accounting: 'by ticks', ...more },
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
    [TARGET, { ...TARGET, peer: 'dovecot' }],
    mediansOf([cell('bun', 60), cell('nginx', 100)]),
  );
  assert.deepEqual(judged, [{ ...TARGET, own: 60, theirs: 100, ratio: 0.6 }]);
});

test('the verdict says by how much', () => {
  assert.equal(verdict({ ratio: 0.6, most: 0.8 }), 'met, 25 % below');
  assert.equal(verdict({ ratio: 0.8, most: 0.8 }), 'met, 0 % below');
  assert.equal(verdict({ ratio: 1, most: 0.8 }), '**missed by 25 %**');
});

test('every target is of a column that its workload has', () => {
  for (const { workload, figure } of TARGETS) {
    const columns = WORKLOADS.find(({ id }) => id === workload)?.columns.map(({ key }) => key);
    assert.ok(columns?.includes(figure), `${workload} ${figure}`);
  }
});

test('the page has the targets first, then a row for each peer, those that are ahead included', () => {
  const written = page(report({ cells: [cell('bun', 60), cell('nginx', 50)] }), null);
  assert.match(written, /\| w1: polls \| nginx mail \| 0.8 × \| 1.20 × \| \*\*missed by 50 %\*\* \|/);
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
      peers: [peer('bun', 'ours'), peer('nginx', 'nginx'), peer('perdition', 'perdition', { without })],
      absent: [{ title: 'Dovecot', why: 'not installed; apt-get install dovecot-core' }],
    }),
    null,
  );
  assert.match(written, /Left out: Dovecot \(not installed; apt-get install dovecot-core\)\./);
  assert.match(written, /Without perdition: forks\./);
  assert.match(written, /40 % at most; more than 15 % in: w1 bun\./);
});

test('what was written by hand stays', () => {
  const first = page(report(), null);
  const edited = first.replace('Nothing is noted here yet.', 'The kernel takes most of it.');
  assert.notEqual(edited, first);
  assert.equal(page(report(), edited), edited);
  assert.equal(byHand('# A page without markers'), byHand(null));
});
