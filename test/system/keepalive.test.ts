/** The kernel's options on a running proxy's connections: a peer that is gone without a word is noticed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/process.ts';
import type { Runtime } from '../support/proxy-process.ts';
import { JOHN, type RunningSite, startSite } from '../support/running-site.ts';
import { openSession } from '../support/site-clients.ts';

const KEEPALIVE = { idle: '61s', interval: '11s', count: 3, user_timeout: '93s' };
const ASKED = {
  SO_KEEPALIVE: 1,
  TCP_KEEPIDLE: 61,
  TCP_KEEPINTVL: 11,
  TCP_KEEPCNT: 3,
  TCP_USER_TIMEOUT: 93_000,
  TCP_NODELAY: 1,
};

for (const runtime of ['bun', 'node'] as const satisfies readonly Runtime[]) {
  describe(`a session that idles, ${runtime}`, () => {
    let site: RunningSite;

    before(async () => {
      site = await startSite({ source: 'files', runtime, config: () => ({ keepalive: KEEPALIVE }) });
    });
    after(() => site.stop());

    for (const listener of ['plain', 'pop3s']) {
      test(`the client's leg has its probes ahead, and the timeout of what is sent, ${listener}`, async () => {
        const client = await openSession(site, JOHN, listener);
        const ends = `sport = :${site.proxy.port(listener)} and dport = :${client.socket.localPort}`;
        // Until all that was sent is acknowledged the timer is that of the retransmission; then 61 s are ahead.
        const ahead = /timer:\(keepalive,(1min|60sec|5\d(\.\d+)?sec),0\)/;
        await until('the timer of the probes', () => ahead.test(legs(ends, site.proxy.pid)[0]!.text));
        const [leg, ...others] = legs(ends, site.proxy.pid);
        assert.deepEqual(others, []);
        assert.deepEqual(optionsOf(site.proxy.pid, leg!.descriptor) ?? ASKED, ASKED);
        client.destroy();
      });
    }

    // What comes after it: test/proxy/late-keepalive.test.ts and test/transport/keepalive.test.ts.
    test('the upstream leg is spared the cost in its first minute, and sends at once', async () => {
      const client = await openSession(site, JOHN);
      const upstream = legs(`dport = :${site.dovecot!.port}`, site.proxy.pid);
      assert.ok(upstream.length > 0);
      for (const { text, descriptor } of upstream) {
        assert.doesNotMatch(text, /timer:\(keepalive/);
        const options = optionsOf(site.proxy.pid, descriptor);
        if (options !== null) assert.deepEqual([options.SO_KEEPALIVE, options.TCP_NODELAY], [0, 1]);
      }
      client.destroy();
    });
  });
}

/** A process's established connections that a filter of ss takes, as ss tells of them. */
function legs(filter: string, pid: number): { text: string; descriptor: number }[] {
  const output = execFileSync('ss', ['-tnopH', 'state', 'established', `( ${filter} )`]).toString();
  return output.split('\n').flatMap((text) => {
    const descriptor = new RegExp(`pid=${pid},fd=(\\d+)`).exec(text)?.[1];
    return descriptor === undefined ? [] : [{ text, descriptor: Number(descriptor) }];
  });
}

/**
 * The options as the kernel tells them of another process's socket, which pidfd_getfd(2) lends (434 gives a pidfd).
 * Null where it lends nothing, as Yama keeps it from users other than root: then the timer that ss shows must do.
 */
function optionsOf(pid: number, descriptor: number): Record<string, number> | null {
  const script = `
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
pid, descriptor = int(sys.argv[1]), int(sys.argv[2])
fd = libc.syscall(438, libc.syscall(434, pid, 0), descriptor, 0)
if fd < 0 and ctypes.get_errno() == errno.EPERM: sys.exit(print('null'))
if fd < 0: sys.exit(os.strerror(ctypes.get_errno()))
s = socket.socket(fileno=fd)
names = ['SO_KEEPALIVE', 'TCP_KEEPIDLE', 'TCP_KEEPINTVL', 'TCP_KEEPCNT', 'TCP_USER_TIMEOUT', 'TCP_NODELAY']
level = lambda n: socket.SOL_SOCKET if n[0] == 'S' else socket.IPPROTO_TCP
print(json.dumps({n: s.getsockopt(level(n), getattr(socket, n)) for n in names}))`;
  return JSON.parse(execFileSync('python3', ['-c', script, `${pid}`, `${descriptor}`]).toString());
}
