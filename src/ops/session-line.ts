import { LOGIN_METHODS } from '../pop3/credentials.ts';
import type { Endpoint, LoggedCertificate, SessionRecord } from './log.ts';
import { bounded, LOGGED_COMMANDS } from './outcome.ts';
import { printableOctets } from './printable.ts';

/**
 * The members of a session's line of JSON: field by field, so that nothing else that the record holds gets into the
 * log, and put together as text, so that a session does not leave a tree of objects to the collector for one line.
 */
export function sessionMembers(record: SessionRecord): string {
  const { upstream, durations, octets } = record;
  const mechanism = record.mechanism === null ? null : bounded(record.mechanism, LOGIN_METHODS);
  const command = record.command === null ? null : bounded(record.command, LOGGED_COMMANDS);
  return (
    `"id":${text(record.id)},"listener":${text(record.listener)},` +
    `"client":${endpoint(record.client)},"local":${endpoint(record.local)},` +
    `"via":${record.via === null ? null : endpoint(record.via)},` +
    `"login":${name(record.login)},"authzid":${name(record.authzid)},"mechanism":${text(mechanism)},` +
    `"local_user":${name(record.localUser)},` +
    `"upstream":${upstream === null ? null : server(upstream)},"tls":${session(record.tls)},` +
    `"result":${text(record.result)},"reason":${text(record.reason)},"end":${text(record.end)},` +
    `"command":${text(command)},"attempts":${record.attempts},` +
    `"durations":{"total":${ms(durations.total)},` +
    `"lookup":${ms(durations.lookup)},"verify":${ms(durations.verify)},` +
    `"upstream_connect":${ms(durations.upstreamConnect)},"upstream_login":${ms(durations.upstreamLogin)}},` +
    `"octets":{"to_client":${octets.toClient},"to_upstream":${octets.toUpstream}}`
  );
}

/** What JSON has as it is between quotes; most texts are such. */
const UNQUOTED = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function text(value: string | null): string {
  if (value === null) return 'null';
  return UNQUOTED.test(value) ? `"${value}"` : JSON.stringify(value);
}

/** An octet string. */
function name(octets: string | null): string {
  return octets === null ? 'null' : text(printableOctets(octets));
}

/** Microseconds are as fine as anybody reads. */
function ms(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.round(value * 1000) / 1000;
}

function endpoint({ address, port }: Endpoint): string {
  return `{"address":${text(address)},"port":${port}}`;
}

function server({ name, server, address, port }: NonNullable<SessionRecord['upstream']>): string {
  return `{"name":${text(name)},"server":${text(server)},"address":${text(address)},"port":${port}}`;
}

function session(tls: SessionRecord['tls']): string {
  if (tls === null) return 'null';
  const { version, cipher } = tls;
  return `{"version":${text(version)},"cipher":${text(cipher)},"certificate":${certificate(tls.certificate)}}`;
}

function certificate(shown: LoggedCertificate | null): string {
  if (shown === null) return 'null';
  const { name: subject, fingerprint, fault } = shown;
  return `{"name":${name(subject)},"fingerprint":${text(fingerprint)},"fault":${text(fault)}}`;
}
