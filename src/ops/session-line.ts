import { LOGIN_METHODS } from '../pop3/credentials.ts';
import type { Endpoint, LoggedCertificate, SessionRecord } from './log.ts';
import { bounded, LOGGED_COMMANDS } from './outcome.ts';
import { printableOctets } from './printable.ts';

/**
 * Lays out a session's line: field by field, so that nothing else that the record holds gets into the log. One tree
 * is filled anew for each, so that a session leaves none to the collector: what is returned is good until the next.
 * @param from members that each line has, behind the event
 */
export function sessionLayout(from: { worker?: number }): (time: string, record: SessionRecord) => object {
  const client = { address: '', port: 0 };
  const local = { address: '', port: 0 };
  const via = { address: '', port: 0 };
  const upstream = { name: '', server: '', address: '', port: 0 };
  const durations = {
    total: NOTHING,
    lookup: NOTHING,
    verify: NOTHING,
    upstream_connect: NOTHING,
    upstream_login: NOTHING,
  };
  const octets = { to_client: 0, to_upstream: 0 };
  const line = {
    ...{ time: '', level: 'info', event: 'session', ...from, id: '', listener: '', client, local },
    ...{
      via: via as Endpoint | null,
      login: NO_TEXT,
      authzid: NO_TEXT,
      mechanism: NO_TEXT,
      local_user: NO_TEXT,
    },
    ...{ upstream: upstream as SessionRecord['upstream'], tls: null as object | null },
    ...{ result: '', reason: '', end: '', command: NO_TEXT, attempts: 0, durations, octets },
  };
  return (time, record) => {
    const { durations: lasted } = record;
    line.time = time;
    line.id = record.id;
    line.listener = record.listener;
    fill(client, record.client);
    fill(local, record.local);
    line.via = record.via === null ? null : fill(via, record.via);
    line.login = shown(record.login);
    line.authzid = shown(record.authzid);
    line.mechanism = record.mechanism === null ? null : bounded(record.mechanism, LOGIN_METHODS);
    line.local_user = shown(record.localUser);
    line.upstream = record.upstream === null ? null : fillServer(upstream, record.upstream);
    line.tls = record.tls === null ? null : shownTls(record.tls);
    line.result = record.result;
    line.reason = record.reason;
    line.end = record.end;
    line.command = record.command === null ? null : bounded(record.command, LOGGED_COMMANDS);
    line.attempts = record.attempts;
    durations.total = milliseconds(lasted.total);
    durations.lookup = milliseconds(lasted.lookup);
    durations.verify = milliseconds(lasted.verify);
    durations.upstream_connect = milliseconds(lasted.upstreamConnect);
    durations.upstream_login = milliseconds(lasted.upstreamLogin);
    octets.to_client = record.octets.toClient;
    octets.to_upstream = record.octets.toUpstream;
    return line;
  };
}

const NOTHING = null as number | null;
const NO_TEXT = null as string | null;

function fill(end: Endpoint, { address, port }: Endpoint): Endpoint {
  end.address = address;
  end.port = port;
  return end;
}

type Server = NonNullable<SessionRecord['upstream']>;

function fillServer(its: Server, { name, server, address, port }: Server): Server {
  its.name = name;
  its.server = server;
  its.address = address;
  its.port = port;
  return its;
}

function shown(octets: string | null): string | null {
  return octets === null ? null : printableOctets(octets);
}

function shownTls({ version, cipher, certificate }: NonNullable<SessionRecord['tls']>): object {
  return { version, cipher, certificate: shownCertificate(certificate) };
}

function shownCertificate(certificate: LoggedCertificate | null): object | null {
  if (certificate === null) return null;
  const { name, fingerprint, fault } = certificate;
  return { name: shown(name), fingerprint, fault };
}

/** Microseconds are as fine as anybody reads. */
function milliseconds(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}
