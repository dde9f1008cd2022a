/** The choice of the master alone, among servers that do as they are told; real Sentinels are in test/system. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linkOver, type RedisLink, Refusal } from '../../../src/tables/redis/link.ts';
import { RedisSentinels } from '../../../src/tables/redis/sentinels.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { fakePeers } from '../../support/fake-peers.ts';
import { until } from '../../support/process.ts';

/** Ports below 10 are Sentinels. */
const SENTINELS = [1, 2, 3];

/**
 * What each Sentinel says, which servers say of themselves that they are masters, and of how many other Sentinels each
 * one knows.
 */
type Scene = { told: Record<number, [port: number, epoch: number]>; masters: number[]; others?: number };

function scene(first: Scene, clock?: () => number) {
  const now = { ...first };
  const net = fakePeers((port, [name]) => {
    if (name === 'SENTINEL') {
      const [master, epoch] = now.told[port] ?? [0, 0];
      const { others = SENTINELS.length - 1 } = now;
      const fields = ['name', 'm', 'ip', 'h', 'port', String(master), 'config-epoch', String(epoch)];
      fields.push('num-other-sentinels', String(others));
      return master === 0
        ? new Refusal(`Sentinel ${port}`, 'ERR No such master')
        : fields.map((f) => Buffer.from(f));
    }
    if (name === 'INFO') return Buffer.from(`role:${now.masters.includes(port) ? 'master' : 'slave'}\r\n`);
    return Buffer.from(`OK ${port}`);
  });
  const link = linkOver(
    new RedisSentinels({
      sentinels: SENTINELS.map((port) => ({ host: 'h', port })),
      master: 'm',
      openSentinel: net.open,
      openServer: net.open,
      ...(clock === undefined ? {} : { now: clock }),
    }),
  );
  return { now, net, link };
}

const all = (port: number, epoch: number): Scene['told'] => ({
  1: [port, epoch],
  2: [port, epoch],
  3: [port, epoch],
});
const asked = async (link: RedisLink) => String(await link.command('GET', 'a'));
const follows = (link: RedisLink, port: number) =>
  until(`${port} is asked`, async () => (await asked(link).catch(() => '')) === `OK ${port}`);

test('commands go to the server that the Sentinels name, before that they fail at once', async () => {
  const { link } = scene({ told: all(10, 0), masters: [10] });
  await assert.rejects(
    link.command('GET', 'a'),
    /Redis m of the Sentinels at h:1, h:2, h:3: not connected yet/,
  );
  await link.whenReady(30_000);
  assert.equal(await asked(link), 'OK 10');
  assert.equal(link.problem(), null);
  link.close();
});

test('a master that goes fails what is asked, and its successor is found', async () => {
  const { link, net, now } = scene({ told: all(10, 0), masters: [10] });
  await link.whenReady(30_000);
  net.node(10).set(false);
  await assert.rejects(link.command('GET', 'a'), TablesUnavailable);
  assert.match(link.problem() ?? '', /node 10 is down/);
  Object.assign(now, { told: all(11, 1), masters: [11] });
  await follows(link, 11);
  link.close();
});

test('a master that lives on is left once the Sentinels name another', async () => {
  const { link, net, now } = scene({ told: all(10, 0), masters: [10] });
  await link.whenReady(30_000);
  Object.assign(now, { told: all(11, 1), masters: [10, 11] });
  await follows(link, 11);
  assert.ok(net.node(10).closed);
  link.close();
});

test('of Sentinels that differ, the one that knows of the last failover is believed', async () => {
  const { link, now } = scene({ told: { 1: [10, 3], 2: [11, 4], 3: [10, 3] }, masters: [10, 11] });
  await link.whenReady(30_000);
  assert.equal(await asked(link), 'OK 11');
  // The one that knew more is silent: what the others say is out of date.
  now.told = { 1: [10, 3], 3: [10, 3] };
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.equal(await asked(link), 'OK 11');
  link.close();
});

describe('Sentinels that were set up anew count failovers from the start', () => {
  const anew = async () => {
    const clock = { at: 0 };
    const all3 = scene({ told: all(10, 7), masters: [10, 11] }, () => clock.at);
    await all3.link.whenReady(30_000);
    const looked = async () => {
      const { length } = all3.net.node(3).heard;
      await until('they are asked again', () => all3.net.node(3).heard.length > length + 1);
    };
    return { ...all3, clock, looked };
  };

  test('and are believed once most of them have said so for a while', async () => {
    const { link, now, clock, looked } = await anew();
    now.told = all(11, 0);
    await looked();
    assert.equal(await asked(link), 'OK 10');
    clock.at += 20_000;
    await follows(link, 11);
    // From now on it is this count that goes on.
    now.told = all(10, 1);
    await follows(link, 10);
    link.close();
  });

  test('also where the server is the same, and its connection ends later', async () => {
    const { link, net, now, clock, looked } = await anew();
    now.told = all(10, 0);
    await looked();
    net.node(10).set(false);
    await until('the reason is told', () => /fewer failovers/.test(link.problem() ?? ''));
    clock.at += 20_000;
    net.node(10).set(true);
    await follows(link, 10);
    link.close();
  });

  test('but not where a few of them say so, or for a moment now and then', async () => {
    const { link, now, clock, looked } = await anew();
    const scenes: Scene['told'][] = [{ 1: [11, 0] }, { 1: [11, 0], 2: [10, 7] }, { 1: [11, 0], 3: [11, 0] }];
    for (const told of scenes) {
      now.told = told;
      await looked();
      assert.equal(await asked(link), 'OK 10');
      clock.at += 20_000;
    }
    now.told = all(10, 7);
    await looked();
    now.told = all(11, 0);
    await looked();
    assert.equal(await asked(link), 'OK 10');
    link.close();
  });

  test('nor where most of those in the config are the few that are cut off with an old master', async () => {
    const { link, now, clock, looked } = await anew();
    Object.assign(now, { told: { 2: [11, 6], 3: [11, 6] }, others: 4 });
    await looked();
    clock.at += 20_000;
    await looked();
    assert.equal(await asked(link), 'OK 10');
    link.close();
  });

  test('and the while begins anew where nobody, or too few, could say so in between', async () => {
    const { link, now, clock, looked } = await anew();
    const most: Scene['told'] = { 2: [11, 6], 3: [11, 6] };
    for (const between of [{}, { 2: [11, 6] }] as Scene['told'][]) {
      now.told = most;
      await looked();
      now.told = between;
      await looked();
      clock.at += 20_000;
    }
    now.told = most;
    await looked();
    assert.equal(await asked(link), 'OK 10');
    link.close();
  });
});

test('a server that is no master yet is not asked, and one that is none any more is left', async () => {
  const { link, net, now } = scene({ told: all(10, 0), masters: [] });
  await assert.rejects(link.whenReady(1_500), /Redis at h:10 is not the master yet/);
  assert.ok(net.node(10).heard.every(([name]) => name === 'INFO'));
  now.masters = [10];
  await follows(link, 10);
  net.node(10).answer = ([name]) => (name === 'SET' ? new Refusal('node 10', 'READONLY replica') : undefined);
  Object.assign(now, { told: all(11, 1), masters: [11] });
  await assert.rejects(link.command('SET', 'a', 1), /READONLY/);
  await follows(link, 11);
  link.close();
});

test('without Sentinels the master is asked as long as it lasts, and no longer', async () => {
  const { link, net } = scene({ told: all(10, 0), masters: [10] });
  await link.whenReady(30_000);
  for (const port of SENTINELS) net.node(port).set(false);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.equal(await asked(link), 'OK 10');
  net.node(10).set(false);
  await until('the Sentinels are named', () => /node 1 is down/.test(link.problem() ?? ''));
  net.node(10).set(true);
  net.node(2).set(true);
  await follows(link, 10);
  link.close();
});

test('a name that the Sentinels do not know is told', async () => {
  const { link } = scene({ told: {}, masters: [] });
  await assert.rejects(link.whenReady(1_500), /Sentinel \d: ERR No such master/);
  link.close();
});

test('an outage floods nobody with questions', async () => {
  const { link, net } = scene({ told: all(10, 0), masters: [10] });
  await link.whenReady(30_000);
  net.node(10).set(false);
  const before = net.node(1).heard.length;
  for (let i = 0; i < 500; i++) await link.command('GET', 'a').catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 400));
  const questions = net.node(1).heard.length - before;
  assert.ok(questions > 0 && questions < 10, `${questions} questions in 0.4 s`);
  link.close();
});
