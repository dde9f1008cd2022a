import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shareOf } from '../../src/server/shares.ts';
import { good, withRest } from '../config/configs.ts';

const BOUND = [{ name: 'pop3', address: '127.0.0.1', port: 4711 }];

const shares = (text: string) => {
  const { config } = good(withRest(text));
  return Array.from({ length: config.workers }, (_, index) => shareOf(config, index, BOUND));
};
const sum = (numbers: number[]) => numbers.reduce((all, each) => all + each, 0);

describe('what a worker has of the config', () => {
  test('the bounds of the whole, shared out to the last one', () => {
    const all = shares(
      'workers: 3\npasswords: { concurrency: 8, queue: 100 }\nlimits: { connections: 10001 }\n',
    );
    assert.deepEqual(
      all.map(({ passwords }) => passwords.concurrency),
      [3, 3, 2],
    );
    assert.equal(sum(all.map(({ passwords }) => passwords.queue)), 100);
    assert.equal(sum(all.map(({ limits }) => limits.connections)), 10_001);
  });

  test('at least one of each that it cannot do without', () => {
    const all = shares('workers: 4\npasswords: { concurrency: 2, queue: 1 }\nlimits: { connections: 2 }\n');
    assert.deepEqual(
      all.map(({ passwords }) => passwords.concurrency),
      [1, 1, 1, 1],
    );
    assert.deepEqual(
      all.map(({ passwords }) => passwords.queue),
      [1, 0, 0, 0],
    );
    assert.deepEqual(
      all.map(({ limits }) => limits.connections),
      [1, 1, 1, 1],
    );
  });

  test('connections opened ahead: its part of all of them, one at least where there are any', () => {
    const counts = (text: string) =>
      shares(`workers: 3\nupstreams: [{ name: mailstore, host: 127.0.0.1, port: 1110${text} }]\n`).map(
        ({ upstreams }) => upstreams[0]!.preconnect,
      );
    assert.deepEqual(counts(', preconnect: 8'), [3, 3, 2]);
    assert.deepEqual(counts(', preconnect: 1'), [1, 1, 1]);
    assert.deepEqual(counts(''), [0, 0, 0]);
  });

  test('the port that all listen on, and no admin listener', () => {
    const [worker] = shares(
      'workers: 2\nlisteners: [{ name: pop3, port: 0, tls: off, plaintext_auth: always }]\n',
    );
    assert.equal(worker!.listeners[0]!.port, 4711);
    assert.equal(worker!.admin, null);
  });

  test('a snapshot of its own', () => {
    const paths = (text: string) => shares(text).map(({ tables }) => tables.snapshot);
    assert.deepEqual(paths('workers: 3\ntables: { snapshot: /var/s }\n'), ['/var/s', '/var/s.2', '/var/s.3']);
    assert.deepEqual(paths('workers: 2\n'), [null, null]);
  });
});
