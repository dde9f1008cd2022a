import { readFile } from 'node:fs/promises';
import type { Config, UpstreamConfig } from '../config/schema.ts';
import type { LoginMode, Upstream } from '../proxy/upstream.ts';
import type { ClientTls, Transport } from '../transport/transport.ts';

/** No mailstore in use needs less. */
const MIN_TLS = 'TLSv1.2';

/** @returns the mailstore of a domain: the one that the config names for it, else the first */
export function upstreamRule(config: Config, upstreams: readonly Upstream[]): (domain: string) => Upstream {
  const byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
  return (domain) => byName.get(configuredUpstream(config, domain).name)!;
}

/** Those whose capabilities matter: to what a listener announces, or to how a login is sent. */
export function askedUpstreams({ listeners }: Config, upstreams: readonly Upstream[]): Upstream[] {
  const announced = listeners.some(({ capabilities }) => capabilities === 'auto');
  return upstreams.filter(({ pipelining }) => announced || pipelining === 'auto');
}

/** The same as the config has it, without secrets. */
export function configuredUpstream({ tables, upstreams }: Config, domain: string): UpstreamConfig {
  const named = tables.domains.get(domain)?.upstream ?? null;
  return upstreams.find(({ name }) => name === named) ?? upstreams[0]!;
}

/**
 * The mailstores of the config with their passwords and certificates in hand. Rejects with an Error that names the file.
 * @param password the password of an upstream's login, as an octet string; asked only of those that have one
 */
export function loadUpstreams(
  config: Config,
  transport: Transport,
  password: (upstream: string) => string,
): Promise<Upstream[]> {
  return Promise.all(
    config.upstreams.map(async (upstream): Promise<Upstream> => {
      const { name, host, port, tls, xclient, pipelining, timeout } = upstream;
      const proxyProtocol = upstream.proxyProtocol === 'off' ? null : upstream.proxyProtocol;
      const clientTls = tls === 'off' ? null : await clientContext(upstream, transport);
      const login = loginMode(upstream, password);
      const told = { proxyProtocol, xclient, pipelining };
      const preconnect = { count: upstream.preconnect, ageMs: upstream.preconnectAge };
      return { name, host, port, tls, clientTls, login, ...told, preconnect, timeoutMs: timeout };
    }),
  );
}

async function clientContext(upstream: UpstreamConfig, transport: Transport): Promise<ClientTls> {
  return transport.clientTls({
    ca: upstream.caFile === null ? null : await readFile(upstream.caFile, 'utf8'),
    serverName: upstream.serverName ?? upstream.host,
    verify: upstream.verify,
    minVersion: MIN_TLS,
  });
}

function loginMode({ name, login }: UpstreamConfig, password: (upstream: string) => string): LoginMode {
  switch (login.mode) {
    case 'passthrough':
      return { mode: 'passthrough' };
    case 'master':
      return { mode: 'master', user: login.user, separator: login.separator, password: password(name) };
    case 'plain':
      return { mode: 'plain', user: login.user, password: password(name) };
    case 'secret':
      return { mode: 'secret', password: password(name) };
  }
}
