import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Growth } from '../../src/proxy/growth.ts';
import { logIn, logsIn } from '../support/between.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { startTestProxy } from '../support/proxy.ts';
import { startScriptedMailstore } from '../support/scripted-mailstore.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** How often it collected while as many sessions were open, one number after the other. */
async function collections(numbers: Iterable<number>): Promise<number> {
  let collected = 0;
  const growth = new Growth(() => collected++);
  for (const open of numbers) {
    growth.open(open);
    await turn();
  }
  return collected;
}

function* range(from: number, to: number): Generator<number> {
  const step = Math.sign(to - from);
  for (let number = from; number !== to; number += step) yield number;
}

describe('a collection for sessions that stay', () => {
  test('after each 128 of the first, and ever fewer of many', async () => {
    assert.equal(await collections(range(1, 128)), 0);
    assert.equal(await collections(range(1, 129)), 1);
    assert.equal(await collections(range(1, 1025)), 8);
    assert.ok((await collections(range(1, 50_000))) < 80);
  });

  test('none for sessions that come and go, however many', async () => {
    const polls = function* () {
      for (let round = 0; round < 50; round++) {
        yield* range(1, 100);
        yield* range(100, 1);
      }
    };
    assert.equal(await collections(polls()), 0);
  });

  test('none for a number that sways', async () => {
    const sways = function* () {
      yield* range(1, 1025);
      for (let round = 0; round < 50; round++) {
        yield* range(1024, 900);
        yield* range(900, 1024);
      }
    };
    assert.equal(await collections(sways()), 8);
  });

  test('anew where most have gone and as many come again', async () => {
    const again = function* () {
      yield* range(1, 1025);
      yield* range(1024, 0);
      yield* range(0, 1025);
    };
    const both = await collections(again());
    assert.ok(both >= 14 && both <= 16, `${both}`);
  });

  test('one for all that came within a turn, and not from inside the call', async () => {
    let collected = 0;
    const growth = new Growth(() => collected++);
    for (const open of range(1, 1025)) growth.open(open);
    assert.equal(collected, 0);
    await turn();
    assert.equal(collected, 1);
  });

  test('the proxy tells of its sessions as they log in', async () => {
    const mailstore = await startScriptedMailstore(logsIn);
    let collected = 0;
    const proxy = await startTestProxy({
      upstream: { port: mailstore.port },
      limits: { connections: 1000 },
      collect: () => collected++,
    });
    const clients: Pop3Client[] = [];
    const add = async () => {
      const client = await Pop3Client.connect(proxy.port);
      clients.push(client);
      await logIn(client);
    };
    try {
      while (clients.length < 127) await add();
      assert.equal(collected, 0);
      await add();
      await turn();
      assert.equal(collected, 1);
    } finally {
      for (const client of clients) client.destroy();
      await proxy.close();
      await mailstore.close();
    }
  });
});
