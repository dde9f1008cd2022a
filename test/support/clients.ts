import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './process.ts';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';

export type FetchOptions = {
  /** Default 127.0.0.1. */
  host?: string;
  port: number;
  /** ASCII: it travels through command lines and configuration files. */
  user: string;
  password: string;
  mode: 'plain' | 'stls' | 'tls';
  /** PEM file of the authority to trust; without it any certificate is taken. */
  caFile?: string;
  /** AUTH with this mechanism. By default USER and PASS, and with curl the strongest mechanism of CAPA. */
  auth?: 'plain' | 'login';
  /** Remove what was fetched. curl cannot in the same session. */
  remove?: boolean;
  /** Milliseconds. */
  timeout?: number;
};

export type Fetched = {
  /** The client's exit code: 0 where all went well. fetchmail has 1 for an empty maildrop. */
  code: number | null;
  /** In the order of their numbers; their octets as RETR carried them, without dot-stuffing and end mark. */
  messages: Buffer[];
  /** What the client wrote, for the message of a failed test. */
  output: string;
};

export type Client = (options: FetchOptions) => Promise<Fetched>;

const LOOPBACK = '127.0.0.1';

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
      ...(options.auth === undefined ? [] : ['--login-options', `AUTH=${options.auth.toUpperCase()}`]),
      ...further,
      `${scheme}://${options.host ?? LOOPBACK}:${options.port}/${path}`,
    ],
    { timeout: options.timeout ?? 30_000 },
  );
}

const POPLIB_PROGRAM = `
import json, os, poplib, ssl, sys
o = json.load(sys.stdin)
poplib._MAXLINE = 1 << 20  # its own bound of 2,048 octets is the client's, not the protocol's
context = ssl.create_default_context(cafile=o.get("caFile"))
if "caFile" not in o:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
make = poplib.POP3_SSL if o["mode"] == "tls" else poplib.POP3
how = {"context": context} if o["mode"] == "tls" else {}
pop = make(o["host"], o["port"], timeout=20, **how)
if o["mode"] == "stls":
    pop.stls(context=context)
pop.user(o["user"])
pop.pass_(o["password"])
for number in range(1, pop.stat()[0] + 1):
    with open(os.path.join(o["folder"], str(number)), "wb") as file:
        file.write(b"".join(line + b"\\r\\n" for line in pop.retr(number)[1]))
    if o.get("remove"):
        pop.dele(number)
pop.quit()
`;

/** Takes lines apart; put together again with CRLF they are the message, if it has no lone LF. */
async function poplib(options: FetchOptions): Promise<Fetched> {
  onlyUserAndPass('poplib', options);
  return inFolder('poplib', (folder) => {
    const input = JSON.stringify({ host: LOOPBACK, ...options, folder: join(folder.path, 'mail') });
    return run(['python3', '-c', POPLIB_PROGRAM], { input, timeout: options.timeout ?? 30_000 });
  });
}

/** Its delivery to an Exchange pickup folder is the one that keeps CRLF; it drops Bcc headers. */
async function mpop(options: FetchOptions): Promise<Fetched> {
  return inFolder('mpop', (folder) => {
    const password = folder.file('password', options.password, 0o600);
    const config = folder.file('mpoprc', mpopConfig(options, folder, password), 0o600);
    return run(['mpop', `--file=${config}`, '--debug', 'account'], { timeout: options.timeout ?? 30_000 });
  });
}

function mpopConfig(options: FetchOptions, folder: TemporaryFolder, password: string): string {
  return `account account
host ${options.host ?? LOOPBACK}
port ${options.port}
user ${options.user}
passwordeval cat ${password}
auth ${options.auth ?? 'user'}
tls ${options.mode === 'plain' ? 'off' : 'on'}
tls_starttls ${options.mode === 'stls' ? 'on' : 'off'}
${options.caFile === undefined ? 'tls_certcheck off' : `tls_trust_file ${options.caFile}`}
delivery exchange ${folder.path}/mail
received_header off
only_new off
keep ${options.remove === true ? 'off' : 'on'}
uidls_file ${folder.path}/uidls
`;
}

/** Its delivery to a program has LF line ends (CRLF is put back here). */
async function fetchmail(options: FetchOptions): Promise<Fetched> {
  onlyUserAndPass('fetchmail', options);
  return inFolder(
    'fetchmail',
    (folder) => {
      const save = folder.file(
        'save.sh',
        `cd '${folder.path}/mail' && cat >"$(ls | wc -l | awk '{ print $1 + 1 }')"\n`,
      );
      const config = folder.file('fetchmailrc', fetchmailConfig(options, save), 0o600);
      // Its lock and its list of seen messages lie in its home; the user's own must not be in the way.
      return run(['fetchmail', '--verbose', '--nosyslog', '--fetchmailrc', config], {
        env: { FETCHMAILHOME: folder.path, LC_ALL: 'C' },
        timeout: options.timeout ?? 30_000,
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
poll ${options.host ?? LOOPBACK} service ${options.port} protocol POP3 auth password timeout 20
  user ${quoted(options.user)} password ${quoted(options.password)} ${tls[options.mode]}
  fetchall ${options.remove === true ? 'no keep' : 'keep'} no rewrite no mimedecode pass8bits
  mda "sh ${save}"
`;
}

/** Backslashes escape in its strings, but not the quote that ends them. */
function quoted(text: string): string {
  const quote = text.includes('"') ? "'" : '"';
  if (text.includes(quote)) throw new Error('fetchmail cannot be given both kinds of quotes');
  return `${quote}${text.replaceAll('\\', '\\\\')}${quote}`;
}

function onlyUserAndPass(client: string, options: FetchOptions): void {
  if (options.auth !== undefined) throw new Error(`${client} logs in with USER and PASS only`);
}

function withCarriageReturns(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replace(/\n/g, '\r\n'), 'latin1');
}

/** Runs a client that leaves its messages in the folder `mail`, one a file, named so that numbers tell the order. */
async function inFolder(
  client: string,
  fetchInto: (folder: TemporaryFolder) => Promise<Outcome>,
  restore: (message: Buffer) => Buffer = (message) => message,
): Promise<Fetched> {
  const folder = temporaryFolder(client);
  try {
    const mail = join(folder.path, 'mail');
    mkdirSync(mail);
    const { code, output } = await fetchInto(folder);
    const names = readdirSync(mail).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return { code, output, messages: names.map((name) => restore(readFileSync(join(mail, name)))) };
  } finally {
    folder.remove();
  }
}

/** The clients that people fetch mail with, behind one call. */
export const clients: Record<'curl' | 'poplib' | 'mpop' | 'fetchmail', Client> = {
  curl,
  poplib,
  mpop,
  fetchmail,
};
