import { connectRedis } from '../../src/tables/redis/client.ts';
import type { RedisLink, RedisSettings } from '../../src/tables/redis/link.ts';
import { SLOTS, slotOf } from '../../src/tables/redis/slots.ts';
import { freePort } from './ports.ts';
import { until } from './process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { tlsClient, tlsServer } from './redis-tls.ts';
import type { TemporaryFolder } from './temp.ts';
import type { TestCertificates } from './tls.ts';

const MASTERS = 3;
/** A failover takes some of these, in ms. A busy machine must not look dead. */
const NODE_TIMEOUT = 1_200;

/** A key of slot 0. */
const IN_FIRST_SLOT = '{06S}';

export type ClusterNode = {
  /** Where clients reach it. */
  port: number;
  server: RedisServer;
  /** To this node alone. */
  link: RedisLink;
};

export type TestCluster = {
  /** Each with a third of the slots, in their order. */
  masters: ClusterNode[];
  /** Of the first master. */
  replica: ClusterNode;
  settings: RedisSettings;
  /** The `redis:` section of a config whose files are in `folder`. */
  section(folder: TemporaryFolder): Record<string, unknown>;
  /** The index of the master that a key began at. */
  placeOf(key: string): number;
  /** Moves the slot of a key to another master, key by key; `halfway` is called while each of the two has a part. */
  moveSlot(key: string, to: ClusterNode, halfway: () => Promise<void>): Promise<void>;
  /** Until another node serves the slots of this master. */
  successorOf(index: number): Promise<void>;
  stop(): Promise<void>;
};

/** Three masters, one of them with a replica, all with TLS on 127.0.0.1; a slot that is lost does not stop the others. */
export async function startCluster(certificates: TestCertificates, password: string): Promise<TestCluster> {
  const tls = tlsClient(certificates);
  const common = { username: null, password, database: 0, tls, timeout: 5_000 };
  const startNode = async (): Promise<ClusterNode> => {
    const [port, busPort] = [await freePort(), await freePort()];
    const server = await startRedis([
      ...tlsServer(certificates, port),
      ...[
        '--cluster-enabled',
        'yes',
        '--cluster-port',
        String(busPort),
        '--cluster-announce-ip',
        '127.0.0.1',
      ],
      ...['--cluster-node-timeout', String(NODE_TIMEOUT), '--cluster-require-full-coverage', 'no'],
      ...['--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0'],
    ]);
    const link = connectRedis({ ...common, servers: { kind: 'single', host: '127.0.0.1', port } });
    return { port, server, link };
  };
  const masters = await Promise.all(Array.from({ length: MASTERS }, startNode));
  const replica = await startNode();
  const nodes = [...masters, replica];
  await Promise.all(nodes.map(({ link }) => link.whenReady(30_000)));
  await join(masters, replica);
  const seeds = masters.slice(0, 2).map(({ port }) => ({ host: '127.0.0.1', port }));
  return {
    masters,
    replica,
    settings: { ...common, servers: { kind: 'cluster', nodes: seeds } },
    section: (folder) => ({
      cluster: seeds,
      password_file: folder.file('redis.password', `${password}\n`, 0o600),
      tls: { ca_file: certificates.caFile },
      timeout: `${common.timeout}ms`,
    }),
    placeOf: (key) => Math.floor((slotOf(key) * MASTERS) / SLOTS),
    moveSlot: (key, to, halfway) => {
      const from = masters[Math.floor((slotOf(key) * MASTERS) / SLOTS)]!;
      return moveSlot(slotOf(key), from, to, { password, halfway });
    },
    successorOf: async (index) => {
      const { from } = rangeOf(index);
      await until('a successor', async () => (await ownerOf(replica.link, from)) !== masters[index]!.port);
    },
    stop: async () => {
      for (const { link } of nodes) link.close();
      await Promise.all(nodes.map(({ server }) => server.stop()));
    },
  };
}

function rangeOf(index: number): { from: number; to: number } {
  const from = (i: number) => Math.ceil((i * SLOTS) / MASTERS);
  return { from: from(index), to: from(index + 1) - 1 };
}

async function join(masters: readonly ClusterNode[], replica: ClusterNode): Promise<void> {
  for (const [i, { link }] of masters.entries()) {
    const { from, to } = rangeOf(i);
    await link.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    await link.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  }
  const nodes = [...masters, replica];
  // All with all: what they would tell each other takes them seconds.
  for (const { port, link } of nodes) {
    const busPort = await configOf(link, 'cluster-port');
    const others = nodes.filter((node) => node.port !== port);
    await Promise.all(others.map((node) => node.link.command('CLUSTER', 'MEET', '127.0.0.1', port, busPort)));
  }
  await until('all nodes know each other', () => all(nodes, knows(nodes.length)));
  const id = (await masters[0]!.link.command('CLUSTER', 'MYID')) as Buffer;
  await replica.link.command('CLUSTER', 'REPLICATE', id);
  const { link } = masters[0]!;
  // What is written before its first word of thanks does not reach it.
  await until('the replica follows', async () => {
    await link.command('SET', IN_FIRST_SLOT, 'written');
    const told = await link.command('WAIT', 1, 200);
    await link.command('DEL', IN_FIRST_SLOT);
    return told === 1;
  });
  await until('all nodes know of the replica', () => all(nodes, knowsReplicaOf(id)));
}

async function moveSlot(
  slot: number,
  from: ClusterNode,
  to: ClusterNode,
  { password, halfway }: { password: string; halfway: () => Promise<void> },
): Promise<void> {
  const [fromId, toId] = await Promise.all(
    [from, to].map(async ({ link }) => (await link.command('CLUSTER', 'MYID')) as Buffer),
  );
  await to.link.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!);
  await from.link.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!);
  const keys = (await from.link.command('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as Buffer[];
  const move = ['MIGRATE', '127.0.0.1', to.port, '', 0, 2_000, 'AUTH', password, 'KEYS'] as const;
  for (const [i, key] of keys.entries()) {
    await from.link.command(...move, key);
    if (i === 0) await halfway();
  }
  for (const { link } of [to, from]) await link.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId!);
}

async function configOf(link: RedisLink, name: string): Promise<Buffer> {
  return ((await link.command('CONFIG', 'GET', name)) as Buffer[])[1]!;
}

async function all(
  nodes: readonly ClusterNode[],
  holds: (link: RedisLink) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(nodes.map(({ link }) => holds(link)))).every(Boolean);
}

function knows(count: number) {
  return async (link: RedisLink) => {
    const info = String(await link.command('CLUSTER', 'INFO'));
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${count}\r`);
  };
}

function knowsReplicaOf(id: Buffer) {
  return async (link: RedisLink) => {
    // A replica that has nothing to replicate yet is not in CLUSTER SLOTS.
    const nodes = String(await link.command('CLUSTER', 'NODES'));
    return nodes.includes(` slave ${id} `) || nodes.includes(` myself,slave ${id} `);
  };
}

async function ownerOf(link: RedisLink, slot: number): Promise<number | null> {
  const slots = (await link.command('CLUSTER', 'SLOTS')) as [number, number, [Buffer, number]][];
  return slots.find(([from, to]) => from <= slot && slot <= to)?.[2][1] ?? null;
}
