import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseToPrimary, parseToWorker } from '../../src/server/worker-messages.ts';

const START = {
  ...{ type: 'start', file: '/c', text: 'x', index: 0, sockets: 'auto', ticketSecret: null, own: 'w' },
  bound: [{ name: 'pop3', address: '::', port: 110 }],
};
const FAMILY = {
  ...{ name: 'n', help: 'h', type: 'counter', aggregator: 'sum' },
  values: [
    { value: 1, labels: { a: 'b' } },
    { value: 2, labels: { le: 0.5 }, metricName: 'n_bucket' },
  ],
};

test('what a worker is told comes out as it went in', () => {
  for (const message of [
    START,
    { type: 'reload' },
    { type: 'drain' },
    { type: 'abort' },
    { type: 'metrics', id: 3 },
  ])
    assert.deepEqual(parseToWorker(JSON.parse(JSON.stringify(message))), message);
});

test('and what a primary is told', () => {
  for (const message of [
    { type: 'listening' },
    { type: 'failed', detail: 'why' },
    { type: 'state', unready: ['tables: gone'] },
    { type: 'metrics', id: 0, families: [FAMILY] },
  ])
    assert.deepEqual(parseToPrimary(JSON.parse(JSON.stringify(message))), message);
});

test('anything else is nothing', () => {
  const wrong = [
    null,
    undefined,
    7,
    'drain',
    [],
    {},
    { type: 'quit' },
    { type: 'metrics' },
    { type: 'metrics', id: 'x' },
    { ...START, index: -1 },
    { ...START, bound: [{ name: 'pop3', address: '::', port: 65536 }] },
    { type: 'state' },
    { type: 'state', unready: [1] },
  ];
  for (const message of wrong) {
    assert.equal(parseToWorker(message), null, JSON.stringify(message));
    assert.equal(parseToPrimary(message), null, JSON.stringify(message));
  }
  for (const change of [{ values: [{ value: null, labels: {} }] }, { aggregator: 'average' }, { name: 7 }]) {
    const families = [{ ...FAMILY, ...change }];
    assert.equal(parseToPrimary({ type: 'metrics', id: 0, families }), null, JSON.stringify(change));
  }
});
