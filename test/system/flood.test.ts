/** A flood of wrong passwords against Argon2id: it delays itself, and whoever comes besides hardly at all. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { until } from '../support/process.ts';
import { ADDRESS, JANE, JOHN, type RunningSite, startSite } from '../support/running-site.ts';

const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';
const TOO_MANY = /^-ERR \[SYS\/TEMP\] /;
/** Of which the queue takes a part. */
const FLOOD = 30;
const QUEUE = 10;
const CONCURRENCY = 2;

let site: RunningSite;

before(async () => {
  site = await startSite({
    config: ({ folder }) => ({
      passwords: {
        fingerprint_key_file: `${folder.path}/state/fingerprint.key`,
        // Some 250 ms for each.
        argon2: { memory: '64MiB', time: 10 },
        ...{ concurrency: CONCURRENCY, queue: QUEUE },
      },
      limits: { failure_delay: '0s' },
    }),
  });
});
after(() => site.stop());

/** A login from this address up to its password; what it is told behind that. */
async function ready(from: string, user: string): Promise<(password: string) => Promise<string>> {
  const socket = connect({
    host: ADDRESS,
    port: site.proxy.port('plain'),
    localAddress: from,
    noDelay: true,
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const client = new Pop3Client(socket);
  await client.line();
  await client.ask(`USER ${user}`);
  return async (password) => {
    try {
      client.send(`PASS ${password}\r\n`);
      await until('the answer', () => client.received.split('\r\n').length > 3, 90_000);
      return client.received.split('\r\n')[2]!;
    } finally {
      client.destroy();
    }
  };
}

async function login(from: string, user: string, password: string): Promise<string> {
  return (await ready(from, user))(password);
}

const refused = (answers: readonly string[]) => answers.filter((answer) => answer === REFUSED).length;

const metric = async (name: string, labels: Record<string, string> = {}) =>
  total((await site.admin('/metrics')).body, `teapop_proxy_${name}`, labels);

let round = 0;

/** Wrong passwords, all at once; resolves when the queue is full of them. The answers so far, and all of them. */
async function flood(addressOf: (index: number) => string, userOf: (index: number) => string) {
  round++;
  const answers: string[] = [];
  const all = Promise.all(
    Array.from({ length: FLOOD }, async (_, index) => {
      answers.push(await login(addressOf(index), userOf(index), `wrong ${round} ${index}`));
    }),
  );
  await until('the queue is full', () => answers.some((answer) => TOO_MANY.test(answer)));
  return { answers, all };
}

/** Whoever comes last when the queue is full has most of it behind itself: in the order of coming it would have none. */
function assertFirst(before: number, answers: readonly string[]): void {
  const behind = refused(answers) - before;
  assert.ok(behind >= QUEUE / 2, `${before} wrong ones were hashed before it, ${behind} after it`);
}

describe('while wrong passwords fill the queue', () => {
  beforeEach(() => until('it is empty', async () => (await metric('verify_running')) === 0, 30_000));

  test('of one address, a user from elsewhere has the next turn, and the flood is what is turned away', async () => {
    const john = await ready('127.0.0.1', JOHN.login);
    const { answers, all } = await flood(
      () => '127.0.0.66',
      (index) => `user${index}@acme.com`,
    );
    assert.equal(await john(JOHN.password), LET_IN);
    const before = refused(answers);
    await all;
    assertFirst(before, answers);
    assert.deepEqual(new Set(answers.map((answer) => answer.replace(TOO_MANY, 'later '))).size, 2);
    assert.ok(answers.filter((answer) => TOO_MANY.test(answer)).length >= FLOOD - QUEUE - CONCURRENCY);
  });

  test('of many addresses and for names that are known, whoever logs in as usual comes first', async () => {
    assert.equal(await login('127.0.0.2', JANE.login, JANE.password), LET_IN);
    // So that what is remembered does not answer for it.
    site.write(
      'acme.com.passwd',
      `john:${JOHN.password}:/m/johnacme\njane:${JANE.password}:/m/janeacme\n#\n`,
    );
    assert.equal((await site.sync()).code, 0);
    const jane = await ready('127.0.0.2', JANE.login);
    const { answers, all } = await flood(
      (index) => `127.0.1.${index + 1}`,
      (index) => (index % 2 === 0 ? JANE.login : JOHN.login),
    );
    assert.equal(await jane(JANE.password), LET_IN);
    const before = refused(answers);
    await all;
    assertFirst(before, answers);
  });

  test('whoever is remembered needs no turn', async () => {
    assert.equal(await login('127.0.0.1', JOHN.login, JOHN.password), LET_IN);
    const { answers, all } = await flood(
      () => '127.0.0.67',
      (index) => `user${index}@acme.com`,
    );
    const hashed = await metric('login_cache_misses_total');
    for (let i = 0; i < 10; i++) assert.equal(await login('127.0.0.1', JOHN.login, JOHN.password), LET_IN);
    assert.ok((await metric('login_cache_misses_total')) - hashed <= FLOOD);
    assert.ok(answers.length < FLOOD, 'the flood was not over before');
    await all;
  });

  test('a client that leaves is not hashed for', async () => {
    const hashed = await metric('login_cache_misses_total');
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => Pop3Client.connect(site.proxy.port('plain'))),
    );
    for (const [index, client] of clients.entries())
      client.send(`USER gone${index}@acme.com\r\nPASS wrong ${index}\r\n`);
    const isAnswered = ({ received }: Pop3Client) => received.includes('-ERR');
    await until('the first is hashed', () => clients.some(isAnswered));
    // One that only closes its sending side may still want the answer.
    for (const client of clients) client.reset();
    await until('nobody waits', async () => (await metric('verify_queue_length')) === 0);
    await until('what had begun has ended', async () => (await metric('verify_running')) === 0);
    assert.ok((await metric('login_cache_misses_total')) - hashed < 10 - 2);
  });
});

test('memory for hashing was never more than configured', async () => {
  const { answers, all } = await flood(
    () => '127.0.0.68',
    (index) => `user${index}@acme.com`,
  );
  let most = 0;
  while (answers.length < FLOOD) most = Math.max(most, await metric('verify_memory_bytes'));
  await all;
  assert.ok(most > 0 && most <= CONCURRENCY * 64 * 1024 * 1024, `${most}`);
});
