import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeChanges } from '../../../src/tables/published/change-log.ts';
import { listenRedis } from '../../../src/tables/redis/client.ts';
import { until } from '../../support/process.ts';
import { publishing } from '../../support/publishing.ts';
import { redisAt } from '../../support/site.ts';

const it = publishing();

async function listeners(count: number): Promise<void> {
  await until(`${count} listen`, async () => {
    const [, found] = (await it.link.command('PUBSUB', 'NUMSUB', 'test:{domains}:changed')) as [
      Buffer,
      number,
    ];
    return found === count;
  });
}

test('each generation is listed and told, the last sixteen stay', async () => {
  const heard: number[] = [];
  const ear = listenRedis(redisAt(it.server.port), 'test:{domains}:changed', () => heard.push(Date.now()));
  await listeners(1);
  for (let version = 1; version <= 18; version++) {
    it.site.write('users', `john:pw:box${version}\nu${version}:pw:box\n`);
    await it.sync();
  }
  await until('a nudge for each', () => heard.length === 18);
  ear.close();
  const fields = ((await it.link.command('HKEYS', 'test:{domains}:changes')) as Buffer[]).map(Number);
  assert.deepEqual(
    fields.toSorted((one, other) => one - other),
    Array.from({ length: 16 }, (_, i) => i + 3),
  );
  const last = decodeChanges((await it.link.command('HGET', 'test:{domains}:changes', 18)) as Buffer);
  assert.deepEqual(last?.domains, []);
  assert.deepEqual(
    [...last!.tables.values()].map((names) => names?.toSorted()),
    [['john', 'u17', 'u18']],
  );
});

test('a nudge is heard again after the connection was lost', async () => {
  let heard = 0;
  const ear = listenRedis(redisAt(it.server.port), 'test:{domains}:changed', () => heard++);
  await listeners(1);
  await it.link.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await listeners(0);
  await listeners(1);
  await it.link.command('PUBLISH', 'test:{domains}:changed', 1);
  await until('the nudge', () => heard === 1);
  ear.close();
});
