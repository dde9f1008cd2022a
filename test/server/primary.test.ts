import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLog } from '../../src/ops/log.ts';
import { Primary } from '../../src/server/primary.ts';
import { pickTransport } from '../../src/transport/pick.ts';
import { good, withRest } from '../config/configs.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { temporaryFolder } from '../support/temp.ts';

const WORKER = fileURLToPath(new URL('scripted-worker.ts', import.meta.url));
const folder = temporaryFolder('primary');
after(() => folder.remove());

/** The processes of the workers, as they were started. */
async function pidOf(place: number): Promise<number> {
  const list = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1');
  return list.trim().split(' ').map(Number)[place]!;
}

type Line = { event: string; [field: string]: unknown };
type Script = Record<string, unknown>;

let stop: () => Promise<void> = async () => {};
afterEach(async () => {
  await stop();
  stop = async () => {};
});

/** Silence after which a worker is killed. */
const LOST = 8_000;

/** A primary of workers that follow these scripts. */
async function primary(...scripts: Script[]) {
  const write = (...all: Script[]) => folder.file('scripts.json', JSON.stringify(all));
  process.env.SCRIPTED_WORKERS = write(...scripts);
  const port = await freePort();
  const text = withRest(
    `listeners: [{ name: pop3, address: 127.0.0.1, port: 0, tls: off, plaintext_auth: always }]
workers: ${scripts.length}
admin: { port: ${port} }
shutdown: { grace: 0s }
`,
  );
  const lines: Line[] = [];
  const log = createLog({
    level: 'info',
    gatherMs: 0,
    write: (batch) => {
      for (const line of batch.trim().split('\n')) lines.push(JSON.parse(line));
    },
  });
  const started = await Primary.start({
    ...{ config: good(text).config, file: 'test.yaml', text, sockets: 'auto', log },
    transport: await pickTransport(),
    command: [WORKER],
    pace: {
      firstPause: 20,
      longestPause: 80,
      sound: 60_000,
      silent: 2_500,
      // A busy machine takes seconds to start a process.
      lost: LOST,
      watch: 20,
      leaving: 300,
    },
  });
  stop = () => started.stop();
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, body: await response.text() };
  };
  const events = (event: string) => lines.filter((line) => line.event === event);
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get('/metrics')).body)?.[1]);
  return { write, get, events, metric };
}

test('a worker that cannot start is why the proxy does not', async () => {
  const failed = { start: 'fail' };
  await assert.rejects(primary({ start: 'listen' }, failed), /^Error: no certificate$/);
  await assert.rejects(primary({ start: 'die' }), /ended with exit code 3/);
});

test('what is no message of a worker’s is not heard', async () => {
  const { get, metric } = await primary({ start: 'garbage' }, { start: 'garbage' });
  assert.equal((await get('/readyz')).status, 200);
  assert.equal(await metric('served_total'), 20);
});

test('one that keeps failing is tried again, after longer and longer pauses', async () => {
  const { write, get, events, metric } = await primary({ start: 'listen' }, { start: 'listen' });
  assert.equal(await metric('served_total'), 20);
  write({ start: 'listen' }, { start: 'fail' });
  process.kill(await pidOf(1), 'SIGKILL');
  await until('it failed some times', () => events('worker-failed').length >= 4);
  assert.deepEqual(
    events('worker-ended')
      .slice(0, 5)
      .map((line) => line.restart_in),
    [20, 40, 80, 80, 80].slice(0, Math.min(5, events('worker-ended').length)),
  );
  assert.equal(events('worker-failed')[0]!.detail, 'no certificate');
  assert.equal((await get('/readyz')).status, 200, 'half of them are enough');
  assert.equal(await metric('served_total'), 20, 'what it had counted stays');
  write({ start: 'listen' }, { start: 'listen' });
  await until('it serves', () => events('worker-started').length === 1);
  await until('it counts', async () => (await metric('served_total')) === 30);
  assert.ok((await metric('teapop_proxy_worker_restarts_total')) >= 5);
  assert.equal(await metric('teapop_proxy_workers_ready'), 2);
});

test('fewer than half are not enough, and the reasons are told', async () => {
  const { write, get } = await primary({ start: 'listen' }, { start: 'listen' }, { start: 'listen' });
  write({ start: 'listen' }, { start: 'fail' }, { start: 'fail' });
  for (const place of [1, 2]) process.kill(await pidOf(place), 'SIGKILL');
  await until('it is told', async () => (await get('/readyz')).status === 503);
  assert.match((await get('/readyz')).body, /^workers: 1 of 3 ready\n/);
});

test('one that ends while its counts are asked for is counted once', async () => {
  const { get, metric, write } = await primary({ start: 'listen' }, { start: 'listen', answers: 1 });
  assert.equal(await metric('served_total'), 20);
  write({ start: 'listen' }, { start: 'fail' });
  const text = get('/metrics');
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.kill(await pidOf(1), 'SIGKILL');
  assert.match((await text).body, /^served_total 20$/m);
});

test('a drain starts no worker in the place of one that has ended', async () => {
  const { get, events, write } = await primary({ start: 'listen', ignoresDrain: true }, { start: 'listen' });
  write({ start: 'listen' }, { start: 'listen', ignoresDrain: true });
  process.kill(await pidOf(1), 'SIGKILL');
  await until('it is gone', () => events('worker-ended').length === 1);
  const stopped = stop();
  stop = async () => {};
  await stopped;
  assert.equal(events('worker-started').length, 0);
  assert.equal(readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1'), '');
  await assert.rejects(get('/readyz'));
});

test('after a time in which the primary itself stood still, nobody is taken to be lost', async () => {
  const { get, events } = await primary({ start: 'listen' }, { start: 'listen' });
  // As `docker pause` does, and a host that moves a virtual machine.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOST + 500);
  await until('it runs again', async () => (await get('/readyz')).status === 200);
  assert.deepEqual([events('worker-silent'), events('worker-ended')], [[], []]);
});

test('one whose event loop stands is not ready, then killed and started again', async () => {
  const { get, events, metric } = await primary({ start: 'listen', silent: true });
  await until('it is missed', async () => (await get('/readyz')).status === 503);
  await until('it is killed', () => events('worker-ended').length > 0);
  assert.equal(events('worker-silent').length, 1);
  assert.equal(events('worker-ended')[0]!.detail, 'ended by SIGKILL');
  assert.equal(await metric('teapop_proxy_workers'), 1);
});

test('one that does not leave is killed', async () => {
  const { events } = await primary({ start: 'listen', ignoresDrain: true }, { start: 'listen' });
  await stop();
  stop = async () => {};
  assert.equal(events('stopped').length, 1);
  assert.equal(events('worker-ended').length, 0, 'as it was to');
});
