import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWorker } from '../../src/server/worker.ts';
import { LISTENERS, UPSTREAMS } from '../config/configs.ts';

const START = {
  ...{ type: 'start', file: 'test.yaml', text: LISTENERS + UPSTREAMS, index: 0, sockets: 'auto' },
  ...{ bound: [], ticketSecret: null, own: 'x' },
};

test('a worker that is long in starting says so all the while, and nothing more when it has failed', async () => {
  const told: unknown[] = [];
  const code = await runWorker({
    channel: {
      send: async (message) => void told.push(message),
      receive: (listener) => listener(START),
      lost: () => {},
    },
    environment: {},
    async transport() {
      while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error('no sockets');
    },
  });
  const expected = [
    { type: 'state', unready: ['starting'] },
    { type: 'failed', detail: 'no sockets' },
  ];
  assert.deepEqual([code, told], [1, expected]);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.deepEqual(told, expected);
});
