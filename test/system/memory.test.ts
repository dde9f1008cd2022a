/** A side that does not read stops the other side: the proxy holds little, whatever passes through it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { bigMessage } from '../support/messages.ts';
import { pause } from '../support/ports.ts';
import { ADDRESS, JANE, type RunningSite, standardTables, startSite } from '../support/running-site.ts';
import { type ScriptedMailstore, startScriptedMailstore } from '../support/scripted-mailstore.ts';
import { openSession } from '../support/site-clients.ts';

const MEBI = 1024 * 1024;
const BIG = 100 * MEBI;
/**
 * What the proxy's memory may grow by while 100 MB pass through it: the queues, and the garbage between two
 * collections. A proxy that queued for a reader that stands still would grow by all of it.
 */
const GROWTH = 40 * MEBI;
/** How long a reader stands still before it reads on, in ms: at full speed 100 MB take less. */
const STANDSTILL = 800;
/** Octets between two rests of a slow reader. */
const SIP = 4 * MEBI;
const REST = 25;

const UPLOADER = { login: 'uploader@sink.test', password: 's1nk' };

let site: RunningSite;
let sink: ScriptedMailstore;
let reply: Read;

before(async () => {
  sink = await startScriptedMailstore(async (connection) => {
    await connection.logIn();
    connection.socket.removeAllListeners('data');
    connection.socket.pause();
  });
  site = await startSite({
    tables: {
      'teapop.passwd': `${standardTables()['teapop.passwd']}sink.test:*:textfile:/m:0:m:m:{dir}/sink.passwd:9:\n`,
      'sink.passwd': `uploader:${UPLOADER.password}:uploader\n`,
    },
    config: ({ folder, dovecot }) => ({
      tables: {
        domain_table: `${folder.path}/teapop.passwd`,
        domains: { 'sink.test': { upstream: 'sink' } },
      },
      upstreams: [
        {
          ...{ name: 'mailstore', host: ADDRESS, port: dovecot!.port },
          login: { secret: { password_file: folder.file('store.password', 'store-jane', 0o600) } },
        },
        { name: 'sink', host: ADDRESS, port: sink.port },
      ],
    }),
  });
  const message = bigMessage(BIG);
  site.dovecot!.deliver(JANE.localUser, message);
  reply = seen(replyTo(message));
});
after(async () => {
  // First the mailstore: it would keep its half-closed sessions for ever.
  await sink.close();
  await site.stop();
});

/** What RETR is answered with: Dovecot's first line, the message dot-stuffed, the end mark (RFC 1939 §3). */
function replyTo(message: Buffer): Buffer {
  const stuffed = message.toString('latin1').replaceAll('\r\n.', '\r\n..');
  return Buffer.from(`+OK ${message.length} octets\r\n${stuffed}.\r\n`, 'latin1');
}

type Read = { length: number; digest: string };

const seen = (octets: Buffer): Read => ({
  length: octets.length,
  digest: createHash('sha256').update(octets).digest('hex'),
});

/** Runs something while the proxy's memory is watched; by how much it grew at most, in octets. */
async function growth(run: () => Promise<void>): Promise<number> {
  const before = site.proxy.memory();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, site.proxy.memory());
  }, 20);
  try {
    await run();
  } finally {
    clearInterval(timer);
  }
  return Math.max(highest, site.proxy.memory()) - before;
}

function assertFlat(context: TestContext, grown: number): void {
  const shown = `the proxy's memory grew by ${(grown / MEBI).toFixed(1)} MiB at most`;
  context.diagnostic(shown);
  assert.ok(grown < GROWTH, shown);
}

/** Reads so many octets in sips with rests between them. */
function readSlowly(socket: Socket, octets: number): Promise<Read> {
  const hash = createHash('sha256');
  let length = 0;
  let sip = 0;
  return new Promise((resolve, reject) => {
    const rest = async () => {
      socket.pause();
      sip = 0;
      await pause(REST);
      socket.resume();
    };
    socket.on('data', (part: Buffer) => {
      hash.update(part);
      length += part.length;
      sip += part.length;
      if (length >= octets) resolve({ length, digest: hash.digest('hex') });
      else if (sip >= SIP) void rest();
    });
    socket.once('close', () => reject(new Error(`closed after ${length} of ${octets} octets`)));
    socket.resume();
  });
}

async function transferred(direction: string): Promise<number> {
  return total((await site.admin('/metrics')).body, 'teapop_proxy_transferred_bytes_total', { direction });
}

/** The proxy has taken little of what one side has, as long as the other side stands still. */
async function assertHeldBack(direction: string, before: number): Promise<void> {
  await pause(STANDSTILL);
  const taken = (await transferred(direction)) - before;
  assert.ok(taken > 0, 'it has begun');
  assert.ok(taken < BIG / 2, `${taken} octets taken from a side that should wait`);
  await pause(100);
  assert.equal((await transferred(direction)) - before, taken, 'it waits');
}

describe('100 MB', () => {
  before(async () => {
    for (const listener of ['plain', 'pop3s'])
      for (const person of [JANE, UPLOADER]) (await openSession(site, person, listener)).destroy();
  });

  for (const listener of ['plain', 'pop3s']) {
    test(`fetched by a slow reader, ${listener}`, async (context) => {
      const before = await transferred('to-client');
      const { socket } = await openSession(site, JANE, listener);
      socket.removeAllListeners('data').pause();
      let read: Read | null = null;
      const grown = await growth(async () => {
        socket.write('RETR 1\r\n');
        await assertHeldBack('to-client', before);
        read = await readSlowly(socket, reply.length);
      });
      socket.destroy();
      assert.deepEqual(read, reply);
      assertFlat(context, grown);
    });

    test(`sent to a mailstore that does not read, ${listener}`, async (context) => {
      const upload = Buffer.alloc(BIG, `${'0123456789'.repeat(7)}\r\n`);
      const before = await transferred('to-upstream');
      const { socket } = await openSession(site, UPLOADER, listener);
      let read: Read | null = null;
      const grown = await growth(async () => {
        socket.write(upload);
        await assertHeldBack('to-upstream', before);
        read = await readSlowly(sink.connections.at(-1)!.socket, upload.length);
      });
      socket.destroy();
      assert.deepEqual(read, seen(upload));
      assertFlat(context, grown);
    });
  }
});
