import { doubled, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config, UpstreamConfig } from './schema.ts';
import { isLoopback, isWildcard } from './units.ts';

/** The upstreams beside each other and beside the listeners, and the servers of each. */
export function upstreamRules(config: Config): Finding[] {
  const names = config.upstreams.map((upstream) => upstream.name);
  return [
    ...doubled(names, 'upstreams'),
    ...config.upstreams.flatMap(serverRules),
    ...config.upstreams.flatMap(healthRules),
    ...loops(config),
  ];
}

/** Where a server's setting stands: the one of `host` has no list around it. */
export function serverPath(upstream: UpstreamConfig, index: number, nth: number, key: string): Path {
  return upstream.listed ? ['upstreams', index, 'servers', nth, key] : ['upstreams', index, key];
}

function serverRules(upstream: UpstreamConfig, index: number): Finding[] {
  const at = (...keys: (string | number)[]): Path => ['upstreams', index, ...keys];
  const { host, servers, listed } = upstream;
  if (servers.length === 0) {
    const finding = wrong(at(), 'no server is given', 'write host, or a list of servers', [
      at('host'),
      at('servers'),
    ]);
    return [{ ...finding, at: 'key', quote: 'no' }];
  }
  if (!listed) return [];
  const findings = doubledServers(upstream, index);
  if (host !== null) {
    const hint = 'leave it out: the servers are those under servers';
    findings.push(wrong(at('host'), 'not used with servers', hint, [at('servers')]));
  }
  if (servers.every(({ weight }) => weight === 0)) {
    const rests = servers.map((_server, nth) => at('servers', nth, 'weight'));
    const finding = wrong(
      at('servers'),
      'no server has a weight',
      'give one of them a weight above 0',
      rests,
    );
    findings.push({ ...finding, at: 'key', quote: 'no' });
  }
  return findings;
}

function doubledServers({ servers }: UpstreamConfig, index: number): Finding[] {
  const at = (nth: number, key: string): Path => ['upstreams', index, 'servers', nth, key];
  return servers.flatMap(({ name }, nth) => {
    const first = servers.findIndex((other) => other.name === name);
    if (first === nth) return [];
    const hint = `servers[${first}] has it already; a name of its own tells them apart`;
    const rests = [first, nth].flatMap((each) => ['name', 'host', 'port'].map((key) => at(each, key)));
    const finding = wrong(['upstreams', index, 'servers', nth], `a second server ${name}`, hint, rests);
    return [{ ...finding, quote: 'no' as const }];
  });
}

function healthRules({ health, servers }: UpstreamConfig, index: number): Finding[] {
  const at = (key: string): Path => ['upstreams', index, 'health', key];
  if (servers.length === 0 || health.maxRetry >= health.retry) return [];
  const hint = 'raise it, or lower health.retry';
  return [wrong(at('max_retry'), 'shorter than health.retry', hint, [at('retry')])];
}

/** An upstream that is one of the listeners would open sessions to itself until nothing is left. */
function loops({ listeners, upstreams }: Config): Finding[] {
  return upstreams.flatMap((upstream, index) =>
    upstream.servers.flatMap(({ host, port }, nth) => {
      const at = listeners.findIndex((listener) => listener.port === port && reaches(host, listener.address));
      if (at < 0) return [];
      const message = `the proxy would be its own upstream: listeners[${at}] listens there`;
      const hint = 'give the mailstore another port or address, or the listener';
      const places = ['port', 'address'].map((key): Path => ['listeners', at, key]);
      const own = [
        serverPath(upstream, index, nth, 'host'),
        ...(['tls', 'port'] as const).map((key): Path => ['upstreams', index, key]),
      ];
      return [wrong(serverPath(upstream, index, nth, 'port'), message, hint, [...places, ...own])];
    }),
  );
}

function reaches(host: string, address: string): boolean {
  if (host === address) return true;
  if (!isLoopback(host)) return false;
  if (host === '::1') return address === '::';
  return isWildcard(address) || (host.toLowerCase() === 'localhost' && isLoopback(address));
}
