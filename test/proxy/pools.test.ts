/** Several servers of one mailstore, on real sockets: who gets a login, and what becomes of one that fails there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { waited } from '../support/clock.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { accepted, startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import {
  type Script,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';

const LET_IN = '+OK logged in';
const PERM = '-ERR [SYS/PERM] Login is not possible, ask your postmaster';
const TEMP = '-ERR [SYS/TEMP] Login is not possible now, try again later';

/** Lets everybody in, and closes when the proxy does. */
const serves: Script = async (connection) => {
  await connection.logIn();
  if ((await connection.line()) === null) connection.end();
};

/** johnacme's own is the second of the two, as the hash has it. */
const NAMES = ['m1', 'm2'];
const OWN = 1;
const OTHER = 0;

type Event = Record<string, unknown>;
type Pair = {
  proxy: TestProxy;
  stores: ScriptedMailstore[];
  /** Logs john in: the reply, and the server that the session's line names. */
  logIn(): Promise<{ reply: string; server: unknown; reason: unknown; ms: number; idle: number }>;
  events(name: string): Event[];
  counted(series: string): Promise<number>;
};

async function pair(
  scripts: readonly Script[],
  options: Omit<TestProxyOptions, 'upstream' | 'servers'> & {
    upstream?: Partial<TestProxyOptions['upstream']>;
    weights?: readonly number[];
  },
  run: (pair: Pair) => Promise<void>,
): Promise<void> {
  const stores = await Promise.all(scripts.map((script) => startScriptedMailstore(script)));
  const servers = stores.map(({ port }, index) => {
    return { name: NAMES[index]!, port, weight: options.weights?.[index] ?? 1 };
  });
  const proxy = await startTestProxy({ ...options, upstream: { port: 0, ...options.upstream }, servers });
  let sessions = 0;
  const logIn = async () => {
    const client = await Pop3Client.connect(proxy.port);
    const began = performance.now();
    let reply = '';
    const idle = await waited(async () => {
      await client.line();
      await client.ask('USER john');
      reply = await client.ask('PASS secret');
    });
    const ms = performance.now() - began;
    client.destroy();
    const line = (await proxy.logged(++sessions)).at(-1) as unknown as Event;
    return { reply, server: (line.upstream as Event | null)?.server, reason: line.reason, ms, idle };
  };
  const events = (name: string) =>
    proxy.lines.map((line) => JSON.parse(line) as Event).filter(({ event }) => event === name);
  const counted = async (series: string) => {
    const lines = (await proxy.metrics.text()).split('\n');
    return Number(
      lines
        .find((line) => line.startsWith(`teapop_proxy_${series} `))
        ?.split(' ')
        .at(-1),
    );
  };
  try {
    await run({ proxy, stores, logIn, events, counted });
  } finally {
    await proxy.close();
    await Promise.all(stores.map((store) => store.close()));
  }
}

/** A login of john's that has not been answered. */
async function begin(proxy: TestProxy, password = 'secret'): Promise<Pop3Client> {
  const client = await Pop3Client.connect(proxy.port);
  await client.line();
  await client.ask('USER john');
  client.send(`PASS ${password}\r\n`);
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3_000 && !condition(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition(), String(condition));
}

/** What a login comes to. */
async function brief(logIn: Pair['logIn']): Promise<[string, unknown, unknown]> {
  const { reply, server, reason } = await logIn();
  return [reply, server, reason];
}

const series = (name: string, index: number, more = '') =>
  `upstream_server_${name}{upstream="mailstore",server="${NAMES[index]}"${more}}`;

/** Other connections ask for capabilities. */
const logins = ({ connections }: ScriptedMailstore) =>
  connections.filter(({ received }) => received.startsWith('USER ')).length;

/** What a server may do before the login command is out, and what it is called. */
const FAULTS: Record<string, { script: Script; failure: RegExp }> = {
  closes: { script: (connection) => connection.end(), failure: /^closed$/ },
  'says -ERR': { script: (connection) => connection.send('-ERR busy\r\n'), failure: /^greeting-refused$/ },
  'sends garbage': { script: (connection) => connection.send('* OK\r\n'), failure: /^greeting-invalid$/ },
  'says nothing': { script: () => {}, failure: /^login-timeout$/ },
  'closes after USER': {
    script: async (connection) => {
      connection.send('+OK ready\r\n');
      await connection.line();
      connection.end();
    },
    failure: /^closed$/,
  },
};

describe('a login', () => {
  test("goes to the user's own server, each time", async () => {
    await pair([serves, serves], {}, async ({ logIn, stores, counted }) => {
      for (let i = 0; i < 5; i++) assert.equal((await logIn()).server, NAMES[OWN]);
      assert.equal(stores[OTHER]!.connections.length, 0);
      assert.equal(await counted(series('up', OWN)), 1);
      assert.equal(await counted(series('sessions', OWN)), 0);
    });
  });

  for (const [name, { script, failure }] of Object.entries(FAULTS)) {
    test(`is at the next one when the own ${name}`, async () => {
      await pair([serves, script], { upstream: { connectTimeoutMs: 1_000 } }, async (it) => {
        const { reply, server } = await it.logIn();
        assert.deepEqual([reply, server], [LET_IN, NAMES[OTHER]]);
        const [event, ...others] = it.events('upstream-failed');
        assert.deepEqual(others, []);
        assert.deepEqual([event?.level, event?.server], ['warn', NAMES[OWN]]);
        assert.match(String(event?.failure), failure);
        assert.equal(await it.counted(series('failures_total', OWN)), 1);
        assert.equal(await it.counted(series('failures_total', OTHER)), 0);
        assert.equal(await it.counted('logins_total{result="accepted",reason="none"}'), 1);
        const heard = it.stores[OWN]!.connections.map(({ received }) => received).join('');
        assert.ok(!heard.includes('PASS'), 'no password was said there');
      });
    });
  }

  test('refused at the TCP port, the quickest of faults, is at the next one', async () => {
    await pair([serves, serves], {}, async ({ logIn, stores }) => {
      await stores[OWN]!.close();
      assert.deepEqual((await logIn()).server, NAMES[OTHER]);
    });
  });

  const AFTER: Record<string, (connection: Parameters<Script>[0]) => void> = {
    closes: (connection) => connection.end(),
    resets: (connection) => connection.reset(),
    refuses: (connection) => connection.send('-ERR [SYS/TEMP] not now\r\n'),
    'says nothing': () => {},
  };
  for (const [name, deed] of Object.entries(AFTER)) {
    test(`is never said twice: the own server ${name} after PASS`, async () => {
      const script: Script = async (connection) => {
        connection.send('+OK ready\r\n');
        await connection.line();
        connection.send('+OK\r\n');
        await connection.line();
        deed(connection);
      };
      const upstream = { timeoutMs: name === 'says nothing' ? 1_100 : 5_000, connectTimeoutMs: 1_000 };
      await pair([serves, script], { upstream }, async ({ logIn, stores, events, counted }) => {
        for (let i = 0; i < 4; i++) assert.equal((await logIn()).reply, TEMP);
        assert.equal(stores[OTHER]!.connections.length, 0);
        assert.equal(logins(stores[OWN]!), 4);
        // The maildrop's trouble, or the user's: the server has greeted.
        assert.deepEqual(events('upstream-server-down'), []);
        assert.equal(await counted(series('failures_total', OWN)), 4);
        assert.equal(events('upstream-failed').length, 1, 'one line a minute');
      });
    });
  }

  test('has one deadline over all servers', async () => {
    const silent: Script = () => {};
    const upstream = { timeoutMs: 600, connectTimeoutMs: 5_000 };
    await pair([silent, silent], { upstream }, async ({ logIn, stores }) => {
      const { reply, ms, idle, reason } = await logIn();
      assert.deepEqual([reply, reason], [TEMP, 'upstream-timeout']);
      assert.ok(ms >= 590 && idle < 1_500, `${ms} ms, ${idle} ms`);
      assert.deepEqual([stores[OWN]!.connections.length, stores[OTHER]!.connections.length], [1, 1]);
    });
  });
});

test('the only server with a weight has all of the time', async () => {
  const slow: Script = async (connection) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await serves(connection);
  };
  const options = { upstream: { connectTimeoutMs: 100 }, weights: [0, 1] };
  await pair([serves, slow], options, async ({ logIn }) => {
    const { reply, server } = await logIn();
    assert.deepEqual([reply, server], [LET_IN, NAMES[OWN]]);
  });
});

describe('a server that fails logins', () => {
  // Long against what two logins may take on a busy machine: they are to come before the next trial.
  const RETRY = 1_500;
  const health = { fall: 2, retryMs: RETRY, mostRetryMs: RETRY };
  const hangsUp: Script = async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    connection.end();
  };

  for (const upstreamChecks of [true, false]) {
    const is = upstreamChecks
      ? 'is not down, where a stranger may have chosen it'
      : 'is down, where the user is known';
    test(`behind the name alone ${is}`, async () => {
      const script: Script = async (connection) => {
        connection.send('+OK ready\r\n');
        await connection.line();
        connection.end();
      };
      const options = { health, decide: () => accepted('johnacme', upstreamChecks) };
      await pair([serves, script], options, async ({ logIn, events }) => {
        for (let i = 0; i < 5; i++) assert.equal((await logIn()).server, NAMES[OTHER]);
        assert.equal(events('upstream-server-down').length, upstreamChecks ? 0 : 1);
      });
    });
  }

  test('is down after some, left alone, tried by one login and back with it', async () => {
    let well = false;
    const script: Script = (connection) => (well ? serves(connection) : hangsUp(connection));
    await pair([serves, script], { health }, async ({ logIn, stores, events, counted }) => {
      const own = stores[OWN]!;
      for (let i = 0; i < 4; i++) assert.equal((await logIn()).server, NAMES[OTHER]);
      assert.equal(logins(own), 2, 'it was asked no more once it was down');
      const [down, ...others] = events('upstream-server-down');
      assert.deepEqual(others, []);
      assert.deepEqual([down?.server, down?.failure, down?.level], [NAMES[OWN], 'closed', 'warn']);
      assert.equal(await counted(series('up', OWN)), 0);
      assert.deepEqual(events('upstream-down'), [], 'the other one is up');
      well = true;
      await new Promise((resolve) => setTimeout(resolve, RETRY + 50));
      assert.equal((await logIn()).server, NAMES[OWN]);
      assert.equal(events('upstream-server-up')[0]?.server, NAMES[OWN]);
      assert.equal(await counted(series('up', OWN)), 1);
    });
  });

  test('a trial that fails costs its one login time and no more', async () => {
    await pair([serves, hangsUp], { health }, async ({ logIn, stores }) => {
      for (let i = 0; i < 2; i++) await logIn();
      await new Promise((resolve) => setTimeout(resolve, RETRY + 50));
      const { reply, server } = await logIn();
      assert.deepEqual([reply, server], [LET_IN, NAMES[OTHER]]);
      assert.equal(logins(stores[OWN]!), 3);
      await logIn();
      assert.equal(logins(stores[OWN]!), 3);
    });
  });
});

describe('where all servers are down', () => {
  test('one login tries, the others hear at once, and the first success ends it', async () => {
    let well = false;
    const script: Script = (connection) => (well ? serves(connection) : connection.send('+OK ready\r\n'));
    const options = {
      health: { fall: 1, retryMs: 60_000, mostRetryMs: 60_000 },
      upstream: { timeoutMs: 3_000, connectTimeoutMs: 1_000 },
    };
    await pair([script, script], options, async ({ proxy, stores, events, counted, logIn }) => {
      assert.equal((await logIn()).reply, TEMP);
      assert.deepEqual(
        events('upstream-down').map(({ level }) => level),
        ['error'],
      );
      const before = stores.map(logins);
      const began = performance.now();
      const clients = await Promise.all(Array.from({ length: 5 }, () => Pop3Client.connect(proxy.port)));
      const replies = clients.map(async (client) => {
        await client.line();
        await client.ask('USER john');
        return { reply: await client.ask('PASS secret'), ms: performance.now() - began };
      });
      const settled = (await Promise.all(replies)).sort((one, other) => one.ms - other.ms);
      assert.ok(settled.every(({ reply }) => reply === TEMP));
      // Two servers, each tried by one login at a time: the third one on is told without a try.
      assert.ok(settled[4]!.ms >= 990, JSON.stringify(settled));
      for (const client of clients) client.destroy();
      assert.equal(await counted('upstream_failures_total{upstream="mailstore",reason="down"}'), 3);
      assert.equal(await counted('logins_total{result="unavailable",reason="upstream-down"}'), 3);
      stores.forEach((store, index) => {
        assert.ok(logins(store) - before[index]! <= 2, 'one at a time');
      });
      await proxy.logged(6);
      well = true;
      const client = await Pop3Client.connect(proxy.port);
      await client.line();
      await client.ask('USER john');
      assert.equal(await client.ask('PASS secret'), LET_IN, 'though no trial was due');
      assert.equal(events('upstream-up').length, 1);
      client.destroy();
    });
  });

  test('the client of a trial that goes away leaves it to the next login', async () => {
    let script: Script = (connection) => connection.end();
    const options = { health: { fall: 1 }, upstream: { timeoutMs: 10_000 } };
    await pair([(connection) => script(connection)], options, async ({ proxy, stores, logIn }) => {
      await logIn();
      script = (connection) => connection.send('+OK ready\r\n');
      const gone = await begin(proxy);
      await until(() => logins(stores[0]!) === 1);
      const second = await begin(proxy);
      assert.equal(await second.line(), TEMP, 'the trial is under way');
      gone.reset();
      await proxy.logged(2);
      script = serves;
      second.send('USER john\r\nPASS secret\r\n');
      assert.deepEqual([await second.line(), await second.line()], ['+OK Send the password', LET_IN]);
      second.destroy();
    });
  });
});

describe('a login whose row names a server', () => {
  const named = (server: string) => () => {
    const account = { localUser: 'johnacme', mailbox: '', domain: '', upstreamChecks: false, server };
    return { result: 'accepted', account } as const;
  };

  test('is at that one, whatever the hash says and the weight', async () => {
    await pair([serves, serves], { decide: named(NAMES[OTHER]!) }, async ({ logIn, stores }) => {
      assert.deepEqual(await brief(logIn), [LET_IN, NAMES[OTHER], 'none']);
      assert.equal(stores[OWN]!.connections.length, 0);
    });
  });

  test('is at no other while it is down: the maildrop is not there', async () => {
    const options = { decide: named(NAMES[OTHER]!), health: { fall: 1 } };
    await pair([(connection) => connection.end(), serves], options, async ({ logIn, stores }) => {
      for (let i = 0; i < 3; i++) assert.deepEqual((await brief(logIn))[0], TEMP);
      assert.equal(stores[OWN]!.connections.length, 0);
    });
  });

  test('is at none where no server has the name, and connects nowhere', async () => {
    const decide = named('192.0.2.1:25');
    await pair([serves, serves], { decide }, async ({ logIn, stores, events }) => {
      assert.deepEqual(await brief(logIn), [PERM, undefined, 'unknown-server']);
      assert.deepEqual(
        stores.map(({ connections }) => connections.length),
        [0, 0],
      );
      assert.deepEqual(
        events('upstream-failed').map(({ failure }) => failure),
        ['unknown-server'],
      );
      assert.ok(
        !JSON.stringify(events('upstream-failed')).includes('192.0.2.1'),
        'its text is not passed on',
      );
    });
  });
});

describe("a mailstore that is to have the row's password", () => {
  const login = { mode: 'row' } as const;
  const account = { localUser: 'johnacme', mailbox: '', domain: '', upstreamChecks: false } as const;
  const heard = ({ stores }: Pair) =>
    stores.flatMap(({ connections }) => connections.map(({ received }) => received));

  test('is sent that, and not what the client has sent', async () => {
    const decide = () => ({ result: 'accepted', account, rowPassword: 'of the row' }) as const;
    await pair([serves], { login, decide }, async (it) => {
      assert.equal((await it.logIn()).reply, LET_IN);
      assert.deepEqual(heard(it), ['USER johnacme\r\nPASS of the row\r\n']);
      assert.ok(!it.proxy.lines.join().includes('of the row'));
    });
  });

  test("is sent the client's, where the row has a hash", async () => {
    await pair([serves], { login, decide: () => ({ result: 'accepted', account }) }, async (it) => {
      assert.equal((await it.logIn()).reply, LET_IN);
      assert.deepEqual(heard(it), ['USER johnacme\r\nPASS secret\r\n']);
    });
  });

  test('is not logged in to where neither is known', async () => {
    const vouched = { ...account, vouched: true } as const;
    await pair([serves], { login, decide: () => ({ result: 'accepted', account: vouched }) }, async (it) => {
      const { reply, reason } = await it.logIn();
      assert.deepEqual([reply, reason, heard(it)], [PERM, 'password-needed', []]);
    });
  });
});

test('logins of one user that begin each other without end are ended', async () => {
  const silent: Script = (connection) => {
    connection.send('+OK ready\r\n');
  };
  await pair([silent], { limits: { connections: 1_000 } }, async ({ proxy, events }) => {
    const clients = await Promise.all(Array.from({ length: 256 }, () => begin(proxy)));
    const last = await begin(proxy);
    assert.equal(await last.line(), TEMP);
    assert.equal(events('upstream-failed')[0]?.failure, 'nested-login');
    for (const client of [...clients, last]) client.reset();
    const lines = await proxy.logged(257);
    assert.equal(lines.filter(({ reason }) => reason === 'upstream-loop').length, 1);
  });
});

test('who waits with wrong passwords that the mailstore checks keeps nobody from coming in by the right one', async () => {
  const slowToRefuse: Script = async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    connection.send('+OK\r\n');
    if ((await connection.line()) === 'PASS secret') connection.send(`${LET_IN}\r\n`);
  };
  const options = { limits: { connections: 1_000 }, decide: () => accepted('johnacme', true) };
  await pair([slowToRefuse], options, async ({ proxy, stores }) => {
    const guesses = Array.from({ length: 256 }, () => begin(proxy, 'guess'));
    const clients = await Promise.all(guesses);
    await until(() => logins(stores[0]!) === 256);
    const john = await begin(proxy);
    assert.equal(await john.line(), LET_IN);
    for (const client of [...clients, john]) client.reset();
    await proxy.logged(257);
  });
});
