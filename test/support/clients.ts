import { join } from 'node:path';
import {
  CLIENT_TIMEOUT,
  type Client,
  type Fetched,
  type FetchOptions,
  inFolder,
  LOOPBACK,
  MODES,
  type Mode,
  onlyKnown,
  savingScript,
  withCarriageReturns,
} from './fetching.ts';
import { getmail } from './getmail.ts';
import { perl, poplib } from './library-clients.ts';
import { neomutt } from './neomutt.ts';
import { openssl } from './openssl-client.ts';
import { type Outcome, run } from './process.ts';
import type { TemporaryFolder } from './temp.ts';

export type { Client, Fetched, FetchOptions, Mode };
export { MODES };

/** Writes the octets as they come. */
async function curl(options: FetchOptions): Promise<Fetched> {
  if (options.remove === true) throw new Error('curl does not fetch and remove in one session');
  return inFolder('curl', async (folder) => {
    const listing = await runCurl(options, '', []);
    const count = listing.stdout.toString('latin1').trim().split('\n').filter(Boolean).length;
    if (listing.code !== 0 || count === 0) return listing;
    return runCurl(options, `[1-${count}]`, ['--output', join(folder.path, 'mail', '#1')]);
  });
}

function runCurl(options: FetchOptions, path: string, further: string[]): Promise<Outcome> {
  const scheme = options.mode === 'tls' ? 'pop3s' : 'pop3';
  return run(
    [
      'curl',
      ...['--silent', '--show-error', '--verbose'],
      ...(options.mode === 'stls' ? ['--ssl-reqd'] : []),
      ...(options.caFile === undefined ? ['--insecure'] : ['--cacert', options.caFile]),
      ...['--user', `${options.user}:${options.password}`],
      ...authOption(options.auth),
      ...certificateOption(options.certificate),
      ...(options.authzid === undefined ? [] : ['--sasl-authzid', options.authzid]),
      ...further,
      `${scheme}://${options.host ?? LOOPBACK}:${options.port}/${path}`,
    ],
    { timeout: options.timeout ?? CLIENT_TIMEOUT },
  );
}

function certificateOption(own: FetchOptions['certificate']): string[] {
  return own === undefined ? [] : ['--cert', own.certificateFile, '--key', own.keyFile];
}

function authOption(auth: FetchOptions['auth'] = 'best'): string[] {
  if (auth === 'best') return [];
  // APOP is no mechanism of SASL.
  return ['--login-options', `AUTH=${auth === 'apop' ? '+' : ''}${auth.toUpperCase()}`];
}

/** Its delivery to an Exchange pickup folder is the one that keeps CRLF; it drops Bcc headers. */
async function mpop(options: FetchOptions): Promise<Fetched> {
  return inFolder('mpop', (folder) => {
    const password = folder.file('password', options.password, 0o600);
    const config = folder.file('mpoprc', mpopConfig(options, folder, password), 0o600);
    return run(['mpop', `--file=${config}`, '--debug', 'account'], {
      timeout: options.timeout ?? CLIENT_TIMEOUT,
    });
  });
}

function mpopConfig(options: FetchOptions, folder: TemporaryFolder, password: string): string {
  return `account account
host ${options.host ?? LOOPBACK}
port ${options.port}
user ${options.user}
passwordeval cat ${password}
auth ${mpopAuth(options.auth)}
tls ${options.mode === 'plain' ? 'off' : 'on'}
tls_starttls ${options.mode === 'stls' ? 'on' : 'off'}
${options.caFile === undefined ? 'tls_certcheck off' : `tls_trust_file ${options.caFile}`}
${mpopCertificate(options.certificate)}
delivery exchange ${folder.path}/mail
received_header off
only_new off
keep ${options.remove === true ? 'off' : 'on'}
uidls_file ${folder.path}/uidls
`;
}

function mpopCertificate(own: FetchOptions['certificate']): string {
  return own === undefined ? '' : `tls_cert_file ${own.certificateFile}\ntls_key_file ${own.keyFile}`;
}

function mpopAuth(auth: FetchOptions['auth']): string {
  return auth === 'best' ? 'on' : (auth ?? 'user');
}

/** Its delivery to a program has LF line ends (CRLF is put back here). */
async function fetchmail(options: FetchOptions): Promise<Fetched> {
  onlyKnown('fetchmail', options, 'apop', 'cram-md5', 'best');
  return inFolder(
    'fetchmail',
    (folder) => {
      const config = folder.file('fetchmailrc', fetchmailConfig(options, savingScript(folder)), 0o600);
      // Its lock and its list of seen messages lie in its home; the user's own must not be in the way.
      return run(['fetchmail', '--verbose', '--nosyslog', '--fetchmailrc', config], {
        env: { FETCHMAILHOME: folder.path, LC_ALL: 'C' },
        timeout: options.timeout ?? CLIENT_TIMEOUT,
      });
    },
    withCarriageReturns,
  );
}

function fetchmailConfig(options: FetchOptions, save: string): string {
  // It looks for names in a certificate, not for addresses.
  const trust =
    options.caFile === undefined
      ? 'no sslcertck'
      : `sslcertck sslcertfile ${options.caFile} sslcommonname localhost`;
  const tls = {
    plain: `sslproto ''`,
    stls: `sslproto TLS1.2+ ${trust}`,
    tls: `ssl sslproto TLS1.2+ ${trust}`,
  };
  // "invisible" leaves the Received header out; the rest keeps addresses and bodies as they are.
  return `set invisible
set no bouncemail
poll ${options.host ?? LOOPBACK} service ${options.port} ${fetchmailAuth(options.auth)} timeout 20
  user ${quoted(options.user)} password ${quoted(options.password)} ${tls[options.mode]}
  fetchall ${options.remove === true ? 'no keep' : 'keep'} no rewrite no mimedecode pass8bits
  mda "sh ${save}"
`;
}

function fetchmailAuth(auth: FetchOptions['auth'] = 'plain'): string {
  if (auth === 'apop') return 'protocol APOP';
  return `protocol POP3 auth ${{ plain: 'password', best: 'any' }[auth as string] ?? auth}`;
}

/** Backslashes escape in its strings, but not the quote that ends them. */
function quoted(text: string): string {
  const quote = text.includes('"') ? "'" : '"';
  if (text.includes(quote)) throw new Error('fetchmail cannot be given both kinds of quotes');
  return `${quote}${text.replaceAll('\\', '\\\\')}${quote}`;
}

export type ClientName =
  | 'curl'
  | 'poplib'
  | 'mpop'
  | 'fetchmail'
  | 'getmail'
  | 'perl'
  | 'neomutt'
  | 'openssl';

/** The clients that people fetch mail with, behind one call. */
export const clients: Record<ClientName, Client> = {
  curl,
  poplib,
  mpop,
  fetchmail,
  getmail,
  perl,
  neomutt,
  openssl,
};

/** getmail and Mail::POP3Client have no STLS, `openssl s_client` nothing but TLS. */
export function modesOf(client: ClientName): readonly Mode[] {
  if (client === 'getmail' || client === 'perl') return ['plain', 'tls'];
  return client === 'openssl' ? ['stls', 'tls'] : MODES;
}
