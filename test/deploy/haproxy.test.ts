import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Admin, startAdmin } from '../../src/ops/admin.ts';
import { HeaderReader } from '../../src/proxy/proxy-header.ts';
import { freePort } from '../support/ports.ts';
import { type RunningProcess, run, serving, start, until } from '../support/process.ts';
import { temporaryFolder } from '../support/temp.ts';
import { requireTool } from '../support/tool.ts';

const SNIPPET = fileURLToPath(new URL('../../deploy/haproxy.cfg', import.meta.url));

/** Two proxies on one port of two addresses, both the loopback's, as the snippet has two hosts. */
const HOSTS = { proxy1: '127.0.0.1', proxy2: '127.0.0.2' } as const;
type Name = keyof typeof HOSTS;

const reasons: Record<Name, string[]> = { proxy1: [], proxy2: ['starting'] };
const folder = temporaryFolder('haproxy');
const admins: Admin[] = [];
const backends: Server[] = [];
let haproxy: RunningProcess;
let front: number;

before(async () => {
  const program = requireTool('haproxy', 'haproxy');
  const admin = await both((name, port) => startProxyHealth(name, port));
  const backend = await both((name, port) => startBackend(name, port));
  front = await freePort();
  const other = await freePort();
  const config = readFileSync(SNIPPET, 'utf8')
    .replaceAll('192.0.2.11', HOSTS.proxy1)
    .replaceAll('192.0.2.12', HOSTS.proxy2)
    .replace('check port 9110 inter 2s', `check port ${admin} inter 200ms`)
    .replace('bind :::110 v4v6', `bind 127.0.0.1:${front}`)
    .replace('bind :::995 v4v6', `bind 127.0.0.1:${other}`)
    .replaceAll(/(server \S+ \S+):(?:110|995)$/gm, `$1:${backend}`);
  haproxy = await start([program, '-db', '-f', folder.file('haproxy.cfg', config)]);
  await serving(haproxy, [front]);
});

after(async () => {
  await haproxy?.stop();
  await Promise.all(admins.map((admin) => admin.close()));
  for (const backend of backends) backend.close();
  folder.remove();
});

/** Starts something for each proxy on one and the same port. */
async function both(begin: (name: Name, port: number) => Promise<number>): Promise<number> {
  const port = await begin('proxy1', await freePort());
  return begin('proxy2', port);
}

async function startProxyHealth(name: Name, port: number): Promise<number> {
  const metrics = { contentType: 'text/plain', text: async () => '' };
  const admin = await startAdmin({ address: HOSTS[name], port, readiness: () => reasons[name], metrics });
  admins.push(admin);
  return admin.port;
}

/** Reads the PROXY header, greets with its name and the client's port, and echoes. */
async function startBackend(name: Name, port: number): Promise<number> {
  const server = createServer((socket) => {
    const reader = new HeaderReader();
    socket.on('error', () => {});
    const read = (octets: Buffer) => {
      const reading = reader.read(octets);
      if (reading.state === 'partial') return;
      socket.off('data', read);
      const client = reading.state === 'whole' ? reading.ends?.remote.port : reading.fault;
      socket.write(`+OK ${name} ${client}\r\n`);
      socket.pipe(socket);
    };
    socket.on('data', read);
  });
  await new Promise<void>((resolve) => server.listen(port, HOSTS[name], resolve));
  backends.push(server);
  return (server.address() as { port: number }).port;
}

type Session = { name: string; client: string; socket: Socket };

function open(): Promise<Session> {
  return new Promise((resolve) => {
    const socket = connect(front, '127.0.0.1');
    socket.on('error', () => {});
    socket.once('data', (octets) => {
      const [, name = '', client = ''] = /\+OK (\S+) (\S+)/.exec(String(octets)) ?? [];
      resolve({ name, client, socket });
    });
    socket.once('close', () => resolve({ name: '', client: '', socket }));
  });
}

async function whoServes(connections: number): Promise<Set<string>> {
  const sessions = await Promise.all(Array.from({ length: connections }, open));
  for (const { socket } of sessions) socket.destroy();
  return new Set(sessions.map(({ name }) => name));
}

const served = (by: Name) => async () => {
  const names = await whoServes(6);
  return names.size === 1 && names.has(by);
};

test('HAProxy takes the snippet without a warning', async () => {
  const { code, output } = await run([requireTool('haproxy', 'haproxy'), '-c', '-dW', '-f', SNIPPET]);
  assert.equal(code, 0, output);
});

test('connections go where /readyz says so, and sessions outlive a drain', { timeout: 90_000 }, async () => {
  await until('only the ready proxy serves', served('proxy1'));
  const session = await open();
  assert.equal(session.name, 'proxy1');
  assert.equal(session.client, String(session.socket.localPort));
  reasons.proxy2 = [];
  await until('both serve', async () => (await whoServes(6)).size === 2);
  reasons.proxy1 = ['draining'];
  await until('the draining proxy gets no more', served('proxy2'));
  session.socket.write('NOOP\r\n');
  const [echo] = await once(session.socket, 'data');
  assert.equal(String(echo), 'NOOP\r\n');
  session.socket.destroy();
});
