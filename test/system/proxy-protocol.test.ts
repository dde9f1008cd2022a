/**
 * The whole way of a client's address: from a real HAProxy (or curl) by the PROXY protocol, through the real
 * executable on either runtime, to the log of a real Dovecot by XCLIENT or by another PROXY header.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { total } from '../support/exposition.ts';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { Pop3Client } from '../support/pop3-client.ts';
import { isListening, pause } from '../support/ports.ts';
import { run, until } from '../support/process.ts';
import {
  CLIENT_ADDRESS,
  fronts,
  PASSWORD,
  SECOND,
  startProxiedSite,
  UPSTREAMS,
  type UpstreamName,
} from '../support/proxied-site.ts';
import type { Runtime, SessionLine } from '../support/proxy-process.ts';
import { ADDRESS, type RunningSite, SECOND_ADDRESS } from '../support/running-site.ts';
import { logIn } from '../support/site-clients.ts';

const LET_IN = '+OK Logged in.';

for (const runtime of ['bun', 'node'] as const satisfies readonly Runtime[]) {
  describe(`behind HAProxy, on ${runtime}`, () => behindHaproxy(runtime));
}

function behindHaproxy(runtime: Runtime): void {
  let site: RunningSite;
  let haproxy: Haproxy<keyof ReturnType<typeof fronts>>;

  before(async () => {
    site = await startProxiedSite(runtime);
    haproxy = await startHaproxy(fronts(site));
  });
  after(async () => {
    await haproxy?.stop();
    await site?.stop();
  });

  const lastSession = async (client: Pop3Client, port: number): Promise<SessionLine & Introduced> => {
    client.destroy();
    const find = async () => (await site.proxy.sessions(0)).find((line) => line.client.port === port);
    await until('the line of the session', async () => (await find()) !== undefined);
    return (await find()) as SessionLine & Introduced;
  };

  for (const [front, { tls }] of Object.entries({
    v1: { tls: false },
    v2: { tls: false },
    'v1-tls': { tls: true },
    'v2-tls': { tls: true },
    'v2-sni': { tls: true },
  } as const)) {
    test(`${front}: the session is the client's in the log`, async () => {
      const port = haproxy.port(front as 'v1');
      const [client, own] = tls ? await openTls(port, site.certificates.ca) : await openPlain(port);
      assert.equal(await enter(client, 'ada@untold.test'), LET_IN);
      assert.match(await client.ask('NOOP'), /^\+OK/);
      const line = await lastSession(client, own);
      assert.equal(line.client.address, CLIENT_ADDRESS);
      assert.deepEqual([line.local, line.via?.address], [{ address: ADDRESS, port }, ADDRESS]);
      assert.equal(line.octets.to_upstream, `USER ada@untold.test\r\nPASS ${PASSWORD}\r\nNOOP\r\n`.length);
    });
  }

  test('the address that the client connected to tells the users of two sites apart', async () => {
    const [client, own] = await openPlain(haproxy.port('second'), SECOND_ADDRESS);
    assert.equal(await enter(client, SECOND.login, SECOND.password), LET_IN);
    const line = await lastSession(client, own);
    assert.deepEqual([line.local_user, line.local.address], [SECOND.account, SECOND_ADDRESS]);
  });

  /** What Dovecot logs of the login; its own proxy would be ADDRESS. */
  const SEEN: Record<UpstreamName, (session: string) => RegExp> = {
    untold: () => /user=<ada>, rip=127\.0\.0\.1, lip=127\.0\.0\.1, /,
    xclient: (id) => new RegExp(`user=<ada>, rip=127\\.0\\.0\\.5, lip=127\\.0\\.0\\.1, .*session=<${id}>$`),
    'xclient-stls': (id) => new RegExp(`user=<ada>, rip=127\\.0\\.0\\.5, .* TLSv1\\.3 .*session=<${id}>$`),
    v1: () => /user=<ada>, rip=127\.0\.0\.5, lip=127\.0\.0\.2, /,
    v2: () => /user=<ada>, rip=127\.0\.0\.5, lip=127\.0\.0\.2, /,
    'v2-tls': () => /user=<ada>, rip=127\.0\.0\.5, lip=127\.0\.0\.2, TLSv1\.3 /,
  };
  for (const name of UPSTREAMS.filter((each) => each !== 'untold')) {
    test(`${name}: Dovecot's own log has the client's address`, async () => {
      const from = site.dovecot!.log().length;
      const [client, own] = await openPlain(haproxy.port('second'), SECOND_ADDRESS);
      assert.equal(await enter(client, `ada@${name}.test`), LET_IN);
      const { id } = (await lastSession(client, own)) as unknown as { id: string };
      const since = () => site.dovecot!.log().slice(from).split('\n');
      await until(`${SEEN[name](id)} in ${since().join('\n')}`, () =>
        since().some((line) => SEEN[name](id).test(line)),
      );
    });
  }

  test('a mailstore that is not told sees the proxy', async () => {
    const from = site.dovecot!.log().length;
    const [client] = await openPlain(haproxy.port('v2'));
    assert.equal(await enter(client, 'ada@untold.test'), LET_IN);
    client.destroy();
    await until('the login', () => SEEN.untold('').test(site.dovecot!.log().slice(from)));
  });

  for (const [mode, scheme] of [
    ['plain', 'pop3'],
    ['TLS', 'pop3s'],
  ] as const) {
    test(`curl with a header of its own is let in over ${mode}`, async () => {
      const port = site.proxy.port(mode === 'plain' ? 'behind' : 'behind-tls');
      const { code, output } = await run([
        'curl',
        ...['--silent', '--show-error', '--haproxy-protocol', '--cacert', site.certificates.caFile],
        ...['--user', `ada@untold.test:${PASSWORD}`, `${scheme}://127.0.0.1:${port}/`],
      ]);
      assert.equal(code, 0, output);
    });
  }

  test('a header from an address that is not trusted is not believed, and nothing is said', async () => {
    for (const listener of ['behind', 'behind-tls']) {
      for (const header of ['PROXY TCP4 127.0.0.1 127.0.0.1 4711 110\r\n', 'CAPA\r\n', '']) {
        assert.equal(await answerTo(header, site.proxy.port(listener)), '');
      }
      const line = await site.proxy.logged('connection-refused', { listener, reason: 'proxy-untrusted' });
      assert.equal(line.address, CLIENT_ADDRESS);
    }
    const text = (await site.admin('/metrics')).body;
    const labels = { reason: 'proxy-untrusted' };
    assert.equal(total(text, 'teapop_proxy_connections_refused_total', labels), 6);
    const spoofed = (await site.proxy.sessions(0)).filter((line) => line.client.port === 4711);
    assert.deepEqual(spoofed, []);
  });

  test('a balancer without the header gets no session', async () => {
    const [client] = await openPlain(haproxy.port('headless'));
    client.send('CAPA\r\n');
    assert.equal(await client.rest(), '');
    client.destroy();
    const line = await site.proxy.logged('connection-refused', { reason: 'proxy-header' });
    assert.deepEqual([line.address, line.detail], [ADDRESS, 'no-header']);
  });

  test('all of its checks find the proxy up, and leave no line in its log', async () => {
    const checks = async () => total((await site.admin('/metrics')).body, 'teapop_proxy_health_checks_total');
    const before = await checks();
    const lines = site.proxy.log().length;
    await until('checks', async () => (await checks()) > before + 60);
    assert.deepEqual(site.proxy.log().slice(lines), []);
    assert.doesNotMatch(haproxy.output(), /is DOWN|Health check .* failed/);
    for (const listener of ['behind', 'behind-tls']) {
      const counted = total((await site.admin('/metrics')).body, 'teapop_proxy_health_checks_total', {
        listener,
      });
      assert.ok(counted > 0, listener);
    }
  });

  test('a proxy that stops is seen by the checks', async () => {
    assert.equal(await isListening(haproxy.port('v2')), true);
    await site.proxy.stop();
    await until('HAProxy notices', () => /Server v2\/proxy is DOWN/.test(haproxy.output()));
    await pause(50);
    const faults = site.proxy
      .log()
      .filter(({ level, event }) => level !== 'info' && event !== 'connection-refused');
    assert.deepEqual(faults, []);
  });
}

type Introduced = {
  local: { address: string; port: number };
  via: { address: string; port: number } | null;
};

/** A socket of a client at CLIENT_ADDRESS. */
async function openSocket(port: number, host: string): Promise<Socket> {
  const socket = connect({ port, host, localAddress: CLIENT_ADDRESS, noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

type Opened = [client: Pop3Client, port: number];

async function openPlain(port: number, host = ADDRESS): Promise<Opened> {
  const socket = await openSocket(port, host);
  return [new Pop3Client(socket), socket.localPort!];
}

async function openTls(port: number, ca: string): Promise<Opened> {
  const plain = await openSocket(port, ADDRESS);
  const socket = connectTls({ socket: plain, ca, servername: 'mail.test', ALPNProtocols: ['pop3'] });
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  return [new Pop3Client(socket), plain.localPort!];
}

/** The reply to PASS. */
async function enter(client: Pop3Client, login: string, password = PASSWORD): Promise<string> {
  assert.match((await client.line())!, /^\+OK POP3 ready [0-9a-f]{12}$/);
  return logIn(client, { login, password });
}

/** What is said to a client that is closed on sight: so soon that the reset may be reported as one of the connect. */
async function answerTo(octets: string, port: number): Promise<string> {
  try {
    const [client] = await openPlain(port);
    client.send(octets);
    const answer = await client.rest();
    client.destroy();
    return answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return '';
    throw error;
  }
}
