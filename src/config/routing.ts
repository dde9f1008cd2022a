import type { Config, UpstreamConfig } from './schema.ts';

/** The upstream of a domain, by the name of the entry that decided, in lower case: the one that it names, else the first. */
export function upstreamOfDomain({ tables, upstreams }: Routing, domain: string): UpstreamConfig {
  const named = tables.domains.get(domain)?.upstream ?? null;
  return upstreams.find(({ name }) => name === named) ?? upstreams[0]!;
}

/** Whether the mailstore of a domain is to be sent the password that the row holds. */
export function sendsRow(config: Routing, domain: string): boolean {
  return upstreamOfDomain(config, domain).login.mode === 'row';
}

type Routing = Pick<Config, 'tables' | 'upstreams'>;
