import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { connectRedis } from '../../../src/tables/redis/client.ts';
import {
  type RedisLink,
  type RedisTls,
  type Reply,
  retryDelay,
  script,
} from '../../../src/tables/redis/link.ts';
import { TablesUnavailable } from '../../../src/tables/teapop/store.ts';
import { waited } from '../../support/clock.ts';
import { freePort, pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { redisAt } from '../../support/site.ts';
import { temporaryCertificates } from '../../support/tls.ts';

const PASSWORD = 'r3dis-S3cret';
/** Short, so that what comes after it can be waited for. */
const TIMEOUT = 1_000;
let server: RedisServer;
let link: RedisLink;

before(async () => {
  server = await startRedis(['--requirepass', PASSWORD]);
  link = connectRedis({ ...redisAt(server.port), password: PASSWORD, timeout: TIMEOUT });
  await link.whenReady(30_000);
});

after(async () => {
  link.close();
  await server.stop();
});

/** How a command fails, and after how many ms. */
async function failure(...command: Parameters<RedisLink['command']>) {
  let error: unknown;
  const after = await waited(async () => {
    error = await link.command(...command).then(
      () => assert.fail('answered'),
      (reason: unknown) => reason,
    );
  });
  assert.ok(error instanceof TablesUnavailable);
  return { error, message: error.message, after };
}

test('octets go and come as they are', async () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
  await link.command('HSET', `k${all}`, all, all);
  const [reply] = await link.batch([['HGET', `k${all}`, all]]);
  assert.equal((reply as Buffer).toString('latin1'), all);
});

test('a batch with a refused command rejects when all were answered', async () => {
  await assert.rejects(
    link.batch([
      ['SET', 'a', 1],
      ['RENAME', 'nothing', 'b'],
      ['SET', 'c', 1],
    ]),
    /no such key/,
  );
  assert.equal(String(await link.command('GET', 'c')), '1');
});

test('a script runs once a call, known to the server or not', async () => {
  const double = script('return {KEYS[1], ARGV[1] * 2}');
  const run = async () => {
    const replies = await link.evaluate(double, [
      { keys: ['a'], args: [1] },
      { keys: ['b'], args: [2] },
    ]);
    return (replies as [Buffer, number][]).map(([key, twice]) => [String(key), twice]);
  };
  await link.command('SCRIPT', 'FLUSH');
  const expected = [
    ['a', 2],
    ['b', 4],
  ];
  assert.deepEqual(await run(), expected);
  assert.deepEqual(await run(), expected);
  await assert.rejects(
    link.evaluate(script('return nonsense('), [{ keys: ['a'], args: [] }]),
    TablesUnavailable,
  );
});

test('no error holds an argument of its command', async () => {
  const secret = 'argument-S3cret';
  await link.command('SET', 'text', secret);
  const found = await failure('HSET', 'text', secret, secret);
  const details = JSON.stringify(found.error, Object.getOwnPropertyNames(found.error));
  assert.match(found.message, /WRONGTYPE/);
  assert.ok(!details.includes(secret), details);
});

test('a wrong password is named as such, and no password stands in the message', async () => {
  const refused = connectRedis({ ...redisAt(server.port), password: `${PASSWORD}-wrong` });
  await assert.rejects(refused.whenReady(2_000), (error: Error) => {
    assert.match(error.message, /WRONGPASS/);
    return !error.message.includes(PASSWORD);
  });
  assert.match(refused.problem() ?? '', /WRONGPASS/);
  refused.close();
});

test('a server that answers nothing is given up after the timeout and met again', async () => {
  server.freeze();
  const first = await failure('PING');
  assert.ok(first.after > TIMEOUT / 2 && first.after < 2 * TIMEOUT, `${first.after} ms`);
  await until('the connection is dropped', () => link.problem() !== null);
  const next = await failure('PING');
  assert.ok(next.after < TIMEOUT / 4, `${next.after} ms`);
  server.thaw();
  await link.whenReady(30_000);
  assert.equal(String(await link.command('PING')), 'PONG');
});

/** Passes on what comes and goes; once it is slow, one octet of what comes from the server at a time. */
async function passage(to: number) {
  const port = await freePort();
  const it = { port, slow: false, close: () => void listener.close() };
  const listener = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    client.pipe(upstream);
    upstream.on('data', async (octets: Buffer) => {
      if (!it.slow) client.write(octets);
      for (let i = 0; it.slow && i < octets.length && !client.destroyed; i++) {
        client.write(octets.subarray(i, i + 1));
        await pause(20);
      }
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  return it;
}

test('a server that is too slow but never silent is left after the timeout, and met again', async () => {
  await link.command('SET', 'large', 'x'.repeat(10_000));
  const through = await passage(server.port);
  const slowed = connectRedis({ ...redisAt(through.port), password: PASSWORD, timeout: TIMEOUT });
  await slowed.whenReady(30_000);
  through.slow = true;
  await assert.rejects(slowed.command('GET', 'large'), /timed out/);
  await until('the connection is dropped', () => slowed.problem() !== null);
  through.slow = false;
  await slowed.whenReady(30_000);
  assert.equal(((await slowed.command('GET', 'large')) as Buffer).length, 10_000);
  slowed.close();
  through.close();
});

test('of a server that is loading its data, that is said', async () => {
  const slow = ['--key-load-delay', '4000', '--loading-process-events-interval-bytes', '1024'];
  const loading = await startRedis(slow);
  const other = connectRedis(redisAt(loading.port));
  await other.whenReady(30_000);
  await other.batch(Array.from({ length: 1_000 }, (_, i) => ['SET', `k${i}`, 'x'.repeat(50)]));
  await other.command('SAVE');
  await loading.kill9();
  await until('it is gone', () => /ECONNREFUSED/.test(other.problem() ?? ''));
  await loading.restart();
  await until('it is said', () => /it is loading its data/.test(other.problem() ?? ''));
  await assert.rejects(other.command('GET', 'k0'), /it is loading its data/);
  await other.whenReady(30_000);
  assert.equal(String(await other.command('GET', 'k0')), 'x'.repeat(50));
  other.close();
  await loading.stop();
});

test('a killed server fails what is under way and what comes, at once, and is met again', async () => {
  const underWay = failure('BLPOP', 'nothing', 0);
  await server.kill9();
  assert.ok((await underWay).after < 250);
  await until('the refusal is noticed', async () => /ECONNREFUSED/.test((await failure('PING')).message));
  const next = await failure('PING');
  assert.ok(next.after < 50, `${next.after} ms`);
  assert.match(link.problem() ?? '', /ECONNREFUSED/);

  let changes = 0;
  link.onChange(() => changes++);
  await server.restart();
  await link.whenReady(30_000);
  assert.equal(link.problem(), null);
  assert.ok(changes > 0);
});

test('a scan does not go on at a server that did not begin it', async () => {
  const fields = Array.from({ length: 5_000 }, (_, i) => [`f${i}`, 'x']).flat();
  await link.command('HSET', 'large', ...fields);
  const scan = async (cursor: string) =>
    String(((await link.command('HSCAN', 'large', cursor)) as Reply[])[0]);
  const first = await scan('0');
  assert.notEqual(first, '0');
  const second = await scan(first);
  await link.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no').catch(() => {});
  await until('the connection is dropped', () => link.problem() !== null);
  await link.whenReady(30_000);
  assert.match((await failure('HSCAN', 'large', second)).message, /lost during a scan/);
  let cursor = '0';
  do cursor = await scan(cursor);
  while (cursor !== '0');
});

test('TLS is verified: the authority, and the name or address', async () => {
  const certificates = temporaryCertificates();
  const tlsPort = await freePort();
  const { certificateFile, keyFile } = certificates.ecdsa;
  const tlsServer = await startRedis([
    ...['--tls-port', String(tlsPort), '--tls-cert-file', certificateFile, '--tls-key-file', keyFile],
    ...['--tls-ca-cert-file', certificates.caFile, '--tls-auth-clients', 'no'],
  ]);
  const problemOf = async (tls: RedisTls) => {
    const secure = connectRedis({ ...redisAt(tlsPort), tls });
    const problem = await secure.whenReady(1_500).then(
      async () => String(await secure.command('PING')),
      (error: Error) => error.message,
    );
    secure.close();
    return problem;
  };
  const { ca } = certificates;
  try {
    assert.equal(await problemOf({ ca, serverName: 'mail.test', verify: true }), 'PONG');
    assert.equal(await problemOf({ ca, serverName: null, verify: true }), 'PONG');
    assert.match(
      await problemOf({ ca, serverName: 'other.test', verify: true }),
      /other\.test|altnames|name/i,
    );
    assert.match(await problemOf({ ca, serverName: '127.0.0.2', verify: true }), /127\.0\.0\.2/);
    assert.match(await problemOf({ ca: null, serverName: 'mail.test', verify: true }), /certificate/i);
    assert.equal(await problemOf({ ca: null, serverName: null, verify: false }), 'PONG');
  } finally {
    await tlsServer.stop();
  }
});

test('retries double up to a bound and are spread', () => {
  const least = Array.from({ length: 40 }, (_, attempt) => retryDelay(attempt + 1, () => 0));
  const most = Array.from({ length: 40 }, (_, attempt) => retryDelay(attempt + 1, () => 1));
  assert.deepEqual(most.slice(0, 6), [100, 200, 400, 800, 1600, 2000]);
  assert.equal(most.at(-1), 2000);
  assert.ok(least.every((delay, i) => delay === most[i]! / 2));
});
