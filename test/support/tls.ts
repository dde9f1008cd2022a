/** Throw-away authorities and certificates, made with the `openssl` command. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
function selfSigned(dir: string, name: string, names: string, ca: boolean): TestCertificate {
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
    '2',
    ...extensions,
  );
  return read(dir, name);
}

/** `from` and `to` are the validity in openssl's YYMMDDHHMMSSZ form. */
function signed(
  dir: string,
  name: string,
  kind: KeyKind,
  names: string,
  from: string,
  to: string,
): TestCertificate {
  const request = join(dir, `${name}.csr`);
  const extensions = join(dir, `${name}.ext`);
  const database = join(dir, `${name}.db`);
  const config = join(dir, `${name}.cnf`);
  writeFileSync(extensions, `subjectAltName=${names}\nbasicConstraints=critical,CA:FALSE\n`);
  writeFileSync(database, '');
  // `openssl x509` of 3.0 cannot set a start date; the `ca` command can, and wants a small configuration.
  writeFileSync(
    config,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${database}\nnew_certs_dir=${dir}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n`,
  );
  openssl(
    'req',
    '-new',
    ...KEY_OPTIONS[kind],
    '-nodes',
    '-keyout',
    join(dir, `${name}.key`),
    '-out',
    request,
    '-subj',
    `/CN=${name}`,
  );
  const authority = ['-cert', join(dir, 'ca.crt'), '-keyfile', join(dir, 'ca.key')];
  const validity = ['-startdate', from, '-enddate', to];
  openssl(
    'ca',
    '-batch',
    '-notext',
    '-config',
    config,
    ...authority,
    ...validity,
    '-extfile',
    extensions,
    '-in',
    request,
    '-out',
    join(dir, `${name}.crt`),
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
  const [before, after, ended] = [openSslTime(-2), openSslTime(2), openSslTime(-1)];
  return {
    ca: authority.certificate,
    caFile: authority.certificateFile,
    ecdsa: signed(dir, 'ecdsa', 'ecdsa', 'DNS:mail.test,DNS:localhost,IP:127.0.0.1', before, after),
    rsa: signed(dir, 'rsa', 'rsa', 'DNS:pop.test,DNS:*.wild.test', before, after),
    expired: signed(dir, 'expired', 'ecdsa', 'DNS:mail.test', before, ended),
    stranger: selfSigned(dir, 'stranger', 'DNS:mail.test', false),
  };
}

/** A set in a folder of its own under the system's temporary directory, removed when the process exits. */
export function temporaryCertificates(): TestCertificates {
  const dir = mkdtempSync(join(tmpdir(), 'teapop-tls-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return makeCertificates(dir);
}
