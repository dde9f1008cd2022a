/** Throw-away authorities and certificates, made with the `openssl` command. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerTlsOptions } from '../../src/transport/transport.ts';

/** PEM texts and the files they are in. */
export type TestCertificate = {
  certificate: string;
  key: string;
  certificateFile: string;
  keyFile: string;
};

export type TestCertificates = {
  /** The authority that signed all of these but `stranger`. */
  ca: string;
  caFile: string;
  /** ECDSA P-256, names mail.test, localhost and the address 127.0.0.1. */
  ecdsa: TestCertificate;
  /** RSA 2048, names pop.test and *.wild.test. */
  rsa: TestCertificate;
  /** ECDSA, name mail.test, ended yesterday. */
  expired: TestCertificate;
  /** ECDSA, name mail.test, signed by itself. */
  stranger: TestCertificate;
};

/** What a listener has where its config says nothing. */
export const SERVER_TLS = {
  minVersion: 'TLSv1.2',
  ciphers: null,
  cipherPreference: 'server',
  alpn: ['pop3'],
  clientCa: null,
  sessions: { lifetime: 86_400, secret: null },
} satisfies Omit<ServerTlsOptions, 'certificates'>;

type KeyKind = 'ecdsa' | 'rsa';

const KEY_OPTIONS: Record<KeyKind, readonly string[]> = {
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
};

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function read(dir: string, name: string): TestCertificate {
  const certificateFile = join(dir, `${name}.crt`);
  const keyFile = join(dir, `${name}.key`);
  return {
    certificate: readFileSync(certificateFile, 'latin1'),
    key: readFileSync(keyFile, 'latin1'),
    certificateFile,
    keyFile,
  };
}

/** Signed by its own key; an authority or a stranger. */
export function selfSigned(dir: string, name: string, names: string, ca: boolean): TestCertificate {
  const out = ['-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)];
  const extensions = ca
    ? ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    : ['-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
  openssl(
    'req',
    '-x509',
    ...KEY_OPTIONS.ecdsa,
    '-nodes',
    ...out,
    '-subj',
    `/CN=${name}`,
    '-days',
    '100',
    ...extensions,
  );
  return read(dir, name);
}

/** What an authority of `dir` is to sign. */
export type Order = {
  name: string;
  kind?: KeyKind;
  /** Its files are `authority.crt` and `authority.key`. */
  authority?: string;
  /** The subject in openssl's form; CN and the name where it is left out. */
  subject?: string;
  /** Lines of an extension section of openssl's. */
  extensions: readonly string[];
  /** When it begins and ends, in days from now. */
  days?: readonly [number, number];
};

export function signed(dir: string, order: Order): TestCertificate {
  const { name, kind = 'ecdsa', authority = 'ca', subject = `/CN=${order.name}`, days = [-2, 2] } = order;
  const file = (ending: string) => join(dir, `${name}.${ending}`);
  writeFileSync(file('ext'), ['basicConstraints=critical,CA:FALSE', ...order.extensions, ''].join('\n'));
  writeFileSync(file('db'), '');
  // `openssl x509` of 3.0 cannot set a start date; the `ca` command can, and wants a small configuration.
  writeFileSync(
    file('cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${file('db')}\nnew_certs_dir=${dir}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=optional\n`,
  );
  const keyAndRequest = ['-nodes', '-keyout', file('key'), '-out', file('csr')];
  openssl('req', '-new', '-utf8', ...KEY_OPTIONS[kind], ...keyAndRequest, '-subj', subject);
  const by = ['-cert', join(dir, `${authority}.crt`), '-keyfile', join(dir, `${authority}.key`)];
  const validity = ['-startdate', openSslTime(days[0]), '-enddate', openSslTime(days[1])];
  const files = ['-extfile', file('ext'), '-in', file('csr'), '-out', file('crt')];
  openssl(
    'ca',
    '-batch',
    '-notext',
    '-utf8',
    '-preserveDN',
    '-config',
    file('cnf'),
    ...by,
    ...validity,
    ...files,
  );
  return read(dir, name);
}

function openSslTime(daysFromNow: number): string {
  const iso = new Date(Date.now() + daysFromNow * 86_400_000).toISOString();
  return `${iso.replace(/[-:T]/g, '').slice(2, 14)}Z`;
}

/** Makes the whole set in `dir`, which must exist; about half a second. */
export function makeCertificates(dir: string): TestCertificates {
  const authority = selfSigned(dir, 'ca', '', true);
  const names = (list: string) => [`subjectAltName=${list}`];
  const ecdsaNames = names('DNS:mail.test,DNS:localhost,IP:127.0.0.1');
  return {
    ca: authority.certificate,
    caFile: authority.certificateFile,
    ecdsa: signed(dir, { name: 'ecdsa', extensions: ecdsaNames }),
    rsa: signed(dir, { name: 'rsa', kind: 'rsa', extensions: names('DNS:pop.test,DNS:*.wild.test') }),
    expired: signed(dir, { name: 'expired', extensions: names('DNS:mail.test'), days: [-2, -1] }),
    stranger: selfSigned(dir, 'stranger', 'DNS:mail.test', false),
  };
}

/** A set in a folder of its own under the system's temporary directory, removed when the process exits. */
export function temporaryCertificates(): TestCertificates {
  return makeCertificates(temporaryFolder());
}

export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'teapop-tls-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
