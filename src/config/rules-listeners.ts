import { doubled, doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config, ListenerConfig } from './schema.ts';
import { isLoopback, isWildcard } from './units.ts';

/** Each listener by itself, beside the others, and beside what it is to serve. */
export function listenerRules(config: Config): Finding[] {
  const names = config.listeners.map((listener) => listener.name);
  return [
    ...doubled(names, 'listeners'),
    ...occupied(config),
    ...certificatesGiven(config),
    ...config.listeners.flatMap(plaintextRules),
    ...config.listeners.flatMap(clientCertificateRules),
    ...config.listeners.flatMap(balancerRules),
  ];
}

type Endpoint = { address: string; port: number };

/** Port 0 is another one each time. '::' takes the IPv4 addresses as well. */
function overlap(one: Endpoint, other: Endpoint): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  if (one.address === other.address || one.address === '::' || other.address === '::') return true;
  const isV4 = (address: string) => address.includes('.') && !address.includes(':');
  return (isWildcard(one.address) && isV4(other.address)) || (isWildcard(other.address) && isV4(one.address));
}

function occupied({ listeners, admin }: Config): Finding[] {
  const endpoints = listeners.map((listener, index) => ({ ...listener, path: ['listeners', index] as Path }));
  const all: (Endpoint & { path: Path })[] =
    admin === null ? endpoints : [...endpoints, { ...admin, path: ['admin'] }];
  return all.flatMap((endpoint, index) => {
    const first = all.slice(0, index).find((earlier) => overlap(earlier, endpoint));
    if (first === undefined) return [];
    const hint = `listeners[${first.path[1]}] listens there already: ${first.address} port ${first.port}`;
    const places: Path[] = [
      [...endpoint.path, 'address'],
      [...first.path, 'port'],
      [...first.path, 'address'],
    ];
    return [wrong([...endpoint.path, 'port'], 'an address and port given twice', hint, places)];
  });
}

function certificatesGiven({ listeners, tls }: Config): Finding[] {
  const index = listeners.findIndex((listener) => listener.tls !== 'off');
  if (index < 0 || tls.certificates.length > 0) return [];
  const hint = 'give tls.certificates a certificate and its key, or write tls: off for this listener';
  return [wrong(['listeners', index, 'tls'], 'TLS needs a certificate', hint, [['tls', 'certificates']])];
}

function plaintextRules(listener: ListenerConfig, index: number): Finding[] {
  const { tls, plaintextAuth, digestAuth, address } = listener;
  const path: Path = ['listeners', index, 'plaintext_auth'];
  const restsOn: Path[] = [
    ['listeners', index, 'tls'],
    ['listeners', index, 'address'],
  ];
  const nobody = [plaintextAuth, digestAuth].every((who) => who === 'never' || who.length === 0);
  if (tls === 'off' && nobody) {
    const hint = 'write tls: starttls, or plaintext_auth: always, or the list of networks that may';
    return [wrong(path, 'nobody could log in: no TLS, and no plain login either', hint, restsOn)];
  }
  if (tls === 'implicit' || plaintextAuth !== 'always' || isLoopback(address)) return [];
  return [
    doubtful(path, 'passwords may cross the network in plain', 'list the networks that it is for', restsOn),
  ];
}

/** A demand that a client could step round is none. */
function clientCertificateRules(listener: ListenerConfig, index: number): Finding[] {
  const { tls, plaintextAuth, digestAuth, clientCertificates } = listener;
  if (clientCertificates === null) return [];
  const path: Path = ['listeners', index, 'client_certificates'];
  const restsOn = (key: string): Path[] => [['listeners', index, key]];
  if (tls === 'off')
    return [wrong(path, 'client certificates need TLS', 'write tls: starttls or implicit', restsOn('tls'))];
  const lets = (who: ListenerConfig['plaintextAuth']) => who !== 'never' && who.length > 0;
  const inPlain = lets(plaintextAuth) ? 'plaintext_auth' : lets(digestAuth) ? 'digest_auth' : null;
  if (tls !== 'starttls' || inPlain === null || !clientCertificates.require) return [];
  const hint = `write ${inPlain}: never, or require: false`;
  return [wrong(path, 'who logs in without TLS shows no certificate', hint, restsOn(inPlain))];
}

/** Whoever is trusted to say whose a connection is can be anybody, to the limits, the log and the tables. */
function balancerRules(listener: ListenerConfig, index: number): Finding[] {
  const { proxyProtocol } = listener;
  const findings = spreadRules(listener, index);
  const widest = proxyProtocol?.from.findIndex(({ prefix }) => prefix === 0) ?? -1;
  if (widest < 0) return findings;
  const path: Path = ['listeners', index, 'proxy_protocol', 'from', widest];
  const hint = "list the load balancers' own networks";
  return [...findings, doubtful(path, 'anybody may say whose a connection is', hint)];
}

/** The system shares connections out before it knows of any header. */
function spreadRules({ spread, proxyProtocol }: ListenerConfig, index: number): Finding[] {
  if (spread === 'connections' || proxyProtocol === null) return [];
  const hint = 'write spread: connections';
  const restsOn: Path[] = [['listeners', index, 'proxy_protocol']];
  const path: Path = ['listeners', index, 'spread'];
  return [doubtful(path, "all connections come from the balancers' few addresses", hint, restsOn)];
}
