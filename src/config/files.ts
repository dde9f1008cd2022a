import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { doubtful, withoutQuote, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';
import { secretFileFindings } from './secrets.ts';
import { systemReason, unreadable } from './system.ts';
import { tlsFindings } from './tls-checks.ts';

/** Time enough to renew by hand; automatic renewal starts at 30 days, so that it has failed for two weeks. */
const RENEW_DAYS = 14;
/** The share of a certificate's time that is for renewal: some are made for a few days only. */
const RENEW_SHARE = 1 / 3;
/** Where a listener's setting is. */
const CLIENT_CA = ['client_certificates', 'ca_file'];
const DAY = 86_400_000;

/** Looks at the files that the config names, as the proxy will read them at its start. @param now ms since 1970 */
export function fileFindings(config: Config, now: number): Finding[] {
  const findings = [
    ...config.tls.certificates.flatMap((files, index) =>
      pairFindings(files, ['tls', 'certificates', index], now),
    ),
    ...config.upstreams.flatMap(({ caFile }, index) =>
      authorityFindings(caFile, ['upstreams', index, 'ca_file'], now),
    ),
    ...config.listeners.flatMap(({ clientCertificates }, index) =>
      authorityFindings(clientCertificates?.caFile ?? null, ['listeners', index, ...CLIENT_CA], now),
    ),
    ...authorityFindings(config.redis.tls?.caFile ?? null, ['redis', 'tls', 'ca_file'], now),
    ...tlsFindings(config),
    ...tableFindings(config),
    ...sealKeyFindings(config.passwords.sealKeyFile),
  ];
  return findings.map(withoutQuote);
}

function pairFindings(files: { certificate: string; key: string }, path: Path, now: number): Finding[] {
  const findings: Finding[] = [];
  const certificate = readCertificates(files.certificate, [...path, 'certificate'], findings)[0];
  const key = readKey(files.key, [...path, 'key'], findings);
  if (certificate === undefined) return findings;
  findings.push(...validity(certificate, files.certificate, [...path, 'certificate'], now));
  if (key !== null && !certificate.checkPrivateKey(key)) {
    const hint = 'in the certificate file the certificate of the server comes first, its chain behind it';
    findings.push(wrong([...path, 'key'], `does not belong to ${files.certificate}`, hint));
  }
  return findings;
}

function readCertificates(file: string, path: Path, findings: Finding[]): X509Certificate[] {
  const text = readText(file, path, findings);
  if (text === null) return [];
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // Says the same as no block at all: what the library says besides is of no help to an operator.
  }
  findings.push(
    wrong(path, `${file} holds no readable certificate`, 'PEM, with the lines -----BEGIN CERTIFICATE-----'),
  );
  return [];
}

function readKey(file: string, path: Path, findings: Finding[]): KeyObject | null {
  const open = secretFileFindings(file, path);
  findings.push(...open);
  if (open.some((finding) => finding.severity === 'error')) return null;
  const text = readText(file, path, findings);
  if (text === null) return null;
  try {
    return createPrivateKey(text);
  } catch {
    const hint = /ENCRYPTED/.test(text)
      ? 'write it without its passphrase: openssl pkey -in … -out …'
      : 'PEM, unencrypted';
    findings.push(wrong(path, `${file} holds no readable private key`, hint));
    return null;
  }
}

function validity(certificate: X509Certificate, file: string, path: Path, now: number): Finding[] {
  const ends = Date.parse(certificate.validTo);
  const begins = Date.parse(certificate.validFrom);
  const hint = 'renew it; SIGHUP makes the running proxy read it again';
  if (now >= ends) return [wrong(path, `${file} expired on ${certificate.validTo}`, hint)];
  if (now < begins)
    return [wrong(path, `${file} is valid from ${certificate.validFrom} on`, "is this host's clock right?")];
  const late = ends - now < Math.min(RENEW_DAYS * DAY, (ends - begins) * RENEW_SHARE);
  return late ? [doubtful(path, `${file} expires on ${certificate.validTo}`, hint)] : [];
}

function authorityFindings(file: string | null, path: Path, now: number): Finding[] {
  if (file === null) return [];
  const findings: Finding[] = [];
  const authorities = readCertificates(file, path, findings);
  if (authorities.length > 0 && authorities.every((authority) => now >= Date.parse(authority.validTo))) {
    findings.push(
      wrong(path, `all certificates in ${file} have expired`, 'get the new one of the authority'),
    );
  }
  return findings;
}

function tableFindings({ tables }: Config): Finding[] {
  const findings: Finding[] = [];
  if (tables.accounts !== 'any') {
    readable(tables.accounts.passwd, ['tables', 'accounts', 'passwd'], findings);
    readable(tables.accounts.group, ['tables', 'accounts', 'group'], findings);
  }
  if (tables.source === 'files') readable(tables.domainTable, ['tables', 'domain_table'], findings);
  if (tables.snapshot !== null) writableFolder(dirname(tables.snapshot), ['tables', 'snapshot'], findings);
  return findings;
}

function sealKeyFindings(file: string | null): Finding[] {
  const path = ['passwords', 'seal_key_file'];
  const findings = file === null ? [] : secretFileFindings(file, path);
  if (file !== null && findings.every((finding) => finding.severity === 'warning'))
    readable(file, path, findings);
  return findings;
}

function readable(file: string, path: Path, findings: Finding[]): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    findings.push(unreadable(file, path, error));
  }
}

/** A file in it is replaced, not written over. */
function writableFolder(folder: string, path: Path, findings: Finding[]): void {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK);
  } catch (error) {
    const message = `${folder} cannot be written: ${systemReason(error)}`;
    findings.push(
      wrong(path, message, 'make the folder; it has to belong to the user that the proxy runs as'),
    );
  }
}

function readText(file: string, path: Path, findings: Finding[]): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    findings.push(unreadable(file, path, error));
    return null;
  }
}
