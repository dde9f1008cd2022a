import { readFile } from 'node:fs/promises';
import { upstreamOfDomain } from '../config/routing.ts';
import type { Config, UpstreamConfig } from '../config/schema.ts';
import type { ServerConfig } from '../config/upstream.ts';
import { Pool } from '../pool/pool.ts';
import type { LoginMode, Upstream, UpstreamServer } from '../proxy/upstream.ts';
import { type PoolEvents, UpstreamPool } from '../proxy/upstream-pool.ts';
import type { ClientTls, Transport } from '../transport/transport.ts';

/** No mailstore in use needs less. */
const MIN_TLS = 'TLSv1.2';

/** @returns the mailstore of a domain: the one that the config names for it, else the first */
export function upstreamRule(
  config: Config,
  pools: readonly UpstreamPool[],
): (domain: string) => UpstreamPool {
  const byName = new Map(pools.map((pool) => [pool.upstream.name, pool]));
  return (domain) => byName.get(upstreamOfDomain(config, domain).name)!;
}

/** Those whose capabilities matter: to what a listener announces, or to how a login is sent. */
export function askedServers({ listeners }: Config, pools: readonly UpstreamPool[]): UpstreamServer[] {
  const announced = listeners.some(({ capabilities }) => capabilities === 'auto');
  return pools.filter(({ upstream }) => announced || upstream.pipelining === 'auto').flatMap(serversOf);
}

export function serversOf({ members }: UpstreamPool): UpstreamServer[] {
  return members.map(({ server }) => server);
}

/**
 * Why no login can be served by any mailstore; empty while one of them has a server that is up, for then others' users
 * are served here. Checks must be there to notice that one is back: without them logins alone would, which nobody
 * sends to a proxy that is not ready.
 */
export function awayUpstreams(pools: readonly UpstreamPool[]): string[] {
  const away = pools.every(({ up, health }) => !up && health.checkMs !== null);
  return away ? pools.map(({ upstream }) => `upstream ${upstream.name}: no server is up`) : [];
}

/**
 * The server that a login meets while all are up; null where that is not known.
 * @param named what the user's rows say of it, each once; null for nothing
 */
export function serverFor(
  { servers }: UpstreamConfig,
  localUser: string | null,
  named: readonly (string | null)[],
): ServerConfig | null {
  const [name = null, ...others] = named;
  if (others.length > 0) return null;
  if (name !== null) return servers.find((server) => server.name === name) ?? null;
  if (servers.length === 1) return servers[0]!;
  return localUser === null ? null : new Pool(servers, ANY_HEALTH, 0).choose(localUser, [], 0)!.server;
}

const ANY_HEALTH = { fall: 1, retryMs: 0, mostRetryMs: 0, loginsTry: false };

/** All servers of all upstreams, as the log and the metrics name them. */
export function serverNames({ upstreams }: Config): { upstream: string; server: string }[] {
  return upstreams.flatMap(({ name, servers }) =>
    servers.map((server) => ({ upstream: name, server: server.name })),
  );
}

/**
 * The mailstores of the config with their passwords and certificates in hand. Rejects with an Error that names the file.
 * @param password the password of an upstream's login, as an octet string; asked only of those that have one
 * @param own a word of the proxy's own greeting
 */
export function loadUpstreams(
  config: Config,
  transport: Transport,
  password: (upstream: string) => string,
  events: PoolEvents,
  own: string,
): Promise<UpstreamPool[]> {
  return Promise.all(
    config.upstreams.map(async (upstream) => {
      const servers = await loadServers(upstream, transport, loadUpstream(upstream, password, own));
      const { fall, retry: retryMs, maxRetry: mostRetryMs, check: checkMs } = upstream.health;
      return new UpstreamPool(servers, { fall, retryMs, mostRetryMs, checkMs }, events);
    }),
  );
}

function loadUpstream(
  upstream: UpstreamConfig,
  password: (upstream: string) => string,
  own: string,
): Upstream {
  const { name, tls, xclient, pipelining, timeout: timeoutMs, connectTimeout: connectTimeoutMs } = upstream;
  const proxyProtocol = upstream.proxyProtocol === 'off' ? null : upstream.proxyProtocol;
  const login = loginMode(upstream, password);
  const told = { proxyProtocol, xclient, pipelining };
  const preconnect = { count: upstream.preconnect, ageMs: upstream.preconnectAge };
  return { name, tls, login, own, ...told, preconnect, timeoutMs, connectTimeoutMs };
}

/** One at least: a config without is not taken. */
async function loadServers(
  config: UpstreamConfig,
  transport: Transport,
  upstream: Upstream,
): Promise<[UpstreamServer, ...UpstreamServer[]]> {
  const { tls, caFile, serverName, verify } = config;
  const ca = tls === 'off' || caFile === null ? null : await readFile(caFile, 'utf8');
  const clientTls = (host: string): ClientTls | null =>
    tls === 'off'
      ? null
      : transport.clientTls({ ca, serverName: serverName ?? host, verify, minVersion: MIN_TLS });
  const servers = config.servers.map(({ name, host, port, weight }): UpstreamServer => {
    return { upstream, name, weight, host, port, clientTls: clientTls(host) };
  });
  return servers as [UpstreamServer, ...UpstreamServer[]];
}

function loginMode({ name, login }: UpstreamConfig, password: (upstream: string) => string): LoginMode {
  switch (login.mode) {
    case 'passthrough':
    case 'row':
      return { mode: login.mode };
    case 'master':
      return { mode: 'master', user: login.user, separator: login.separator, password: password(name) };
    case 'plain':
      return { mode: 'plain', user: login.user, password: password(name) };
    case 'secret':
      return { mode: 'secret', password: password(name) };
  }
}
