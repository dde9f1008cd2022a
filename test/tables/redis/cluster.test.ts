/** The router alone, over nodes that do as they are told; real Clusters are in test/system. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisCluster } from '../../../src/tables/redis/cluster.ts';
import { type Command, linkOver, Refusal, type Reply } from '../../../src/tables/redis/link.ts';
import { SLOTS } from '../../../src/tables/redis/slots.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { fakePeers } from '../../support/fake-peers.ts';
import { until } from '../../support/process.ts';

/** Nodes of which each serves what `slots` says. */
function fakes(slots: () => [from: number, to: number, port: number][]) {
  return fakePeers((port, [name]) => {
    if (name !== 'CLUSTER') return Buffer.from(`OK ${port}`);
    return slots().map(([from, to, owner]) => [from, to, [Buffer.from('h'), owner]]);
  });
}

const refuses = (port: number, said: string) => new Refusal(`node ${port}`, said);

/** For one command, in milliseconds. */
const PATIENT = 1_500;

const seeds = [{ host: 'h', port: 1 }];
/** Slots 866 and 12182; see CLUSTER KEYSLOT. */
const HELLO = 'hello';
const FOO = 'foo';
const halves = (): [number, number, number][] => [
  [0, 8191, 1],
  [8192, SLOTS - 1, 2],
];

async function cluster(net: ReturnType<typeof fakes>, timeout = PATIENT) {
  const link = linkOver(new RedisCluster({ seeds, open: net.open, timeout }));
  await link.whenReady(10_000);
  return link;
}

const text = (reply: Reply) => String(reply);

test('each command goes to the master of its slot, and a batch is answered in its order', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  assert.equal(text(await link.command('GET', HELLO)), 'OK 1');
  assert.equal(text(await link.command('GET', FOO)), 'OK 2');
  const replies = await link.batch([
    ['GET', FOO],
    ['GET', HELLO],
    ['GET', FOO],
  ]);
  assert.deepEqual(replies.map(text), ['OK 2', 'OK 1', 'OK 2']);
  assert.equal(link.problem(), null);
  link.close();
});

test('MOVED is followed at once, remembered, and learnt of for the other slots soon', async () => {
  let owner = 2;
  const net = fakes(() => [
    [0, 8191, 1],
    [8192, SLOTS - 1, owner],
  ]);
  const link = await cluster(net);
  owner = 3;
  const moved = (port: number) => (command: Command) =>
    command[0] === 'GET' ? refuses(port, 'MOVED 12182 h:3') : undefined;
  net.node(2).answer = moved(2);
  assert.equal(text(await link.command('GET', FOO)), 'OK 3');
  const asked = net.node(2).heard.length;
  assert.equal(text(await link.command('GET', FOO)), 'OK 3');
  assert.equal(net.node(2).heard.length, asked, 'not asked again');
  await until('a node that serves nothing is left', () => net.node(2).closed);
  link.close();
});

test('ASK is followed for one command alone, with ASKING before it', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  net.node(2).answer = (command) => (command[0] === 'GET' ? refuses(2, 'ASK 12182 h:1') : undefined);
  net.node(1).answer = (command, before) =>
    command[1] === FOO && before?.[0] !== 'ASKING' ? refuses(1, 'MOVED 12182 h:2') : undefined;
  const replies = await link.batch([
    ['GET', FOO],
    ['GET', HELLO],
    ['GET', FOO],
  ]);
  assert.deepEqual(replies.map(text), ['OK 1', 'OK 1', 'OK 1']);
  assert.equal(text(await link.command('SET', FOO, 1)), 'OK 2', 'the slot is still the other node’s');
  link.close();
});

test('what goes round in a circle ends', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  net.node(1).answer = ([name]) => (name === 'GET' ? refuses(1, 'MOVED 12182 h:2') : undefined);
  net.node(2).answer = ([name]) => (name === 'GET' ? refuses(2, 'MOVED 12182 h:1') : undefined);
  await assert.rejects(link.command('GET', FOO), TablesUnavailable);
  assert.ok(net.node(2).heard.filter(([name]) => name === 'GET').length < 6);
  link.close();
});

test('a slot on its way is tried again until it has arrived', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  let left = 2;
  net.node(2).answer = ([name]) =>
    name === 'GET' && left-- > 0 ? refuses(2, 'TRYAGAIN Multiple keys') : undefined;
  assert.equal(text(await link.command('GET', FOO)), 'OK 2');
  link.close();
});

test('many that wait for a slot wait side by side, as long as an answer may take', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  let arrived = false;
  net.node(2).answer = ([name]) =>
    name === 'GET' && !arrived ? refuses(2, 'TRYAGAIN Multiple keys') : undefined;
  // More tries than a command may be sent on, and fewer than there are commands.
  setTimeout(() => {
    arrived = true;
  }, 500);
  const replies = await link.batch(Array.from({ length: 100 }, () => ['GET', FOO]));
  assert.deepEqual(new Set(replies.map(text)), new Set(['OK 2']));
  arrived = false;
  const began = performance.now();
  await assert.rejects(link.command('GET', FOO), /TRYAGAIN/);
  // A timer may be a moment early by this clock.
  assert.ok(performance.now() - began > PATIENT - 5);
  link.close();
});

test('a node that is gone fails its own commands at once, and the others go on', async () => {
  const net = fakes(halves);
  const link = await cluster(net);
  net.node(2).set(false);
  const took = await waited(() => assert.rejects(link.command('GET', FOO), /node 2 is down/));
  assert.ok(took < 50, `${took} ms`);
  assert.equal(text(await link.command('GET', HELLO)), 'OK 1');
  assert.equal(link.problem(), null);
  await assert.rejects(
    link.batch([
      ['GET', HELLO],
      ['GET', FOO],
    ]),
    /node 2 is down/,
  );
  await assert.rejects(link.whenReady(1_000), /node 2 is down/);
  link.close();
});

test('whoever takes over is found, and no flood of questions is asked for it', async () => {
  let owner = 2;
  const net = fakes(() => [
    [0, 8191, 1],
    [8192, SLOTS - 1, owner],
  ]);
  const link = await cluster(net);
  net.node(2).set(false);
  const looks = () => net.node(1).heard.filter(([name]) => name === 'CLUSTER').length;
  const before = looks();
  for (let i = 0; i < 500; i++) await link.command('GET', FOO).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.ok(looks() > before);
  assert.ok(looks() - before < 10, `${looks() - before} questions in 0.4 s`);
  owner = 3;
  await link.whenReady(30_000);
  assert.equal(text(await link.command('GET', FOO)), 'OK 3');
  link.close();
});

test('where no node known is left, the seeds are asked', async () => {
  let served = (): [number, number, number][] => [[0, SLOTS - 1, 7]];
  const net = fakes(() => served());
  const link = await cluster(net);
  for (const port of [1, 7]) net.node(port).set(false);
  assert.match(link.problem() ?? '', /node 7 is down/);
  served = () => [[0, SLOTS - 1, 8]];
  net.node(1).set(true);
  await link.whenReady(30_000);
  assert.equal(text(await link.command('GET', FOO)), 'OK 8');
  link.close();
});

test('slots that nobody serves, and nodes of no Cluster, are told as such', async () => {
  const net = fakes(() => [[0, 8191, 1]]);
  const link = linkOver(new RedisCluster({ seeds, open: net.open, timeout: PATIENT }));
  await assert.rejects(link.command('GET', FOO), /Redis Cluster of h:1: not connected yet/);
  await assert.rejects(link.whenReady(1_000), /no node serves slot 8192/);
  await assert.rejects(link.command('GET', FOO), /no node serves slot 8192/);
  assert.equal(text(await link.command('GET', HELLO)), 'OK 1');
  link.close();
  const none = fakes(() => []);
  const lone = linkOver(new RedisCluster({ seeds, open: none.open, timeout: PATIENT }));
  await assert.rejects(lone.whenReady(1_000), /no slots are assigned/);
  lone.close();
});
