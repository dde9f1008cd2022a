import { execFileSync } from 'node:child_process';
import { stringify } from 'yaml';
import { type Dovecot, type DovecotOptions, startDovecot } from './dovecot.ts';
import { freePort } from './ports.ts';
import { type Outcome, until } from './process.ts';
import { type ProxyProcess, type Runtime, runProxy, startProxy } from './proxy-process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';
import { makeCertificates, type TestCertificates } from './tls.ts';

/** Whom the standard tables let in, with the local user each is mapped to. */
export const JOHN = { login: 'john@acme.com', password: 'j04n4CmE', localUser: 'johnacme' };
export const JANE = { login: 'jane@acme.com', password: 'two words', localUser: 'janeacme' };
/** In an htpasswd file. */
export const OTTO = { login: 'otto@example.org', password: '0tt0 crypt', localUser: 'otto' };
/** Named like JOHN; at the second address it is somebody else. */
export const SECOND_JOHN = { login: 'john@acme.com', password: 'an0ther', localUser: 'seconduser' };
/** Without a domain, at the second address alone. */
export const BARE = { login: 'bare', password: 'n0 domain', localUser: 'bareuser' };
/** Checked by the mailstore itself. */
export const LOCAL = { login: 'local@store.test', password: 'm4ilstore', localUser: 'local' };
/** The site's addresses: the domain table tells logins apart by them. */
export const ADDRESS = '127.0.0.1';
export const SECOND_ADDRESS = '127.0.0.2';

export const MASTER = { user: 'proxy', password: 'm4ster-of-all' };

/** The mailstore's own accounts. But for LOCAL's, nobody outside knows their passwords. */
const ACCOUNTS: DovecotOptions['users'] = [
  { name: JOHN.localUser, password: 'store-john' },
  { name: JANE.localUser, password: 'store-jane', maildrop: 'maildir' },
  { name: OTTO.localUser, password: 'store-otto' },
  { name: SECOND_JOHN.localUser, password: 'store-second' },
  { name: BARE.localUser, password: 'store-bare' },
  { name: LOCAL.localUser, password: LOCAL.password },
];

const DOMAIN_TABLE = `# The domains of this mail host.
acme.com:${SECOND_ADDRESS}:textfile::0:seconduser:mail:{dir}/second.passwd:100:
acme.com:*:textfile::0:johnacme:mail:{dir}/acme.com.passwd:100:
example.org:*:htpasswd:/var/spool/mail:0:otto:mail:{dir}/example.org.htpasswd:100:
store.test:*:passwd:/var/spool/mail:0:
closed.test:*:reject:
empty:${SECOND_ADDRESS}:textfile::0:bareuser:mail:{dir}/second.passwd:100:
`;

const inFile = (user: string, { password, localUser }: { password: string; localUser: string }) =>
  `${user}:${password}:/var/spool/mail/${localUser}\n`;

/** Password files by name. `{dir}` in any file of the site stands for its folder. */
export const standardTables = (): Record<string, string> => ({
  'teapop.passwd': DOMAIN_TABLE,
  'acme.com.passwd': inFile('john', JOHN) + inFile('jane', JANE),
  'second.passwd': inFile('john', SECOND_JOHN) + inFile('bare', BARE),
  'example.org.htpasswd': `otto:${crypted(OTTO.password)}\n`,
});

/** A hash of crypt(3), SHA-512, as `openssl passwd` makes it. */
export function crypted(password: string): string {
  return execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: `${password}\n` })
    .toString()
    .trim();
}

type Section = Record<string, unknown>;

/** What a config may need to know of its site. */
export type SiteParts = {
  folder: TemporaryFolder;
  certificates: TestCertificates;
  dovecot: Dovecot | null;
  redis: RedisServer | null;
};

export type SiteOptions = {
  /**
   * Default redis: `sync` publishes and the proxy looks up there. With files there is no Redis at all, but for one that
   * `config` starts and names.
   */
  source?: 'redis' | 'files';
  /** Over the standard tables, by name of the file. */
  tables?: Record<string, string>;
  /** Over the standard mailstore; false starts none, then `config` has to name upstreams. */
  mailstore?: Partial<DovecotOptions> | false;
  /** Sections of the config instead of the standard ones. */
  config?: (parts: SiteParts) => Section | Promise<Section>;
  runtime?: Runtime;
};

export type RunningSite = {
  folder: TemporaryFolder;
  certificates: TestCertificates;
  /** Null with tables from files. */
  redis: RedisServer | null;
  dovecot: Dovecot | null;
  configFile: string;
  adminPort: number;
  readonly proxy: ProxyProcess;
  /** Writes a file of the tables. */
  write(name: string, text: string): void;
  /** Runs `teapop-proxy sync`. */
  sync(...args: string[]): Promise<Outcome>;
  /** Asks the admin listener. */
  admin(path: string): Promise<{ status: number; body: string }>;
  /** Ends the proxy, if it still runs, and starts it again. @param ready false: it need not come to be ready */
  restart(runtime?: Runtime, ready?: boolean): Promise<void>;
  stop(): Promise<void>;
};

/**
 * A whole mail host on loopback addresses: certificates, tables, Redis, a Dovecot with local users' maildrops, the
 * config, one `sync` and the proxy, each of them the real program.
 */
export async function startSite(options: SiteOptions = {}): Promise<RunningSite> {
  const folder = temporaryFolder('site');
  const ends: (() => unknown)[] = [];
  const stop = async () => {
    // All at once: Dovecot takes a second to leave.
    await Promise.all(ends.splice(0).map((end) => end()));
    folder.remove();
  };
  try {
    return await build(folder, options, ends, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  folder: TemporaryFolder,
  options: SiteOptions,
  ends: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<RunningSite> {
  const certificates = makeCertificates(folder.folder('tls'));
  const { source = 'redis', mailstore = {} } = options;
  const redis = source === 'files' ? null : await startRedis();
  if (redis !== null) ends.push(() => redis.stop());
  const dovecot = mailstore === false ? null : await startMailstore(certificates, mailstore);
  if (dovecot !== null) ends.push(() => dovecot.stop());

  const write = (name: string, text: string) =>
    void folder.file(name, text.replaceAll('{dir}', folder.path), 0o600);
  for (const [name, text] of Object.entries({ ...standardTables(), ...options.tables })) write(name, text);
  const adminPort = await freePort();
  const parts = { folder, certificates, dovecot, redis };
  const config = { ...standardConfig(parts, adminPort), ...(await options.config?.(parts)) };
  const configFile = folder.file('teapop-proxy.yaml', stringify(config));

  const sync = (...args: string[]) => runProxy(['sync', '--config', configFile, ...args]);
  if (redis !== null || (config.tables as Section).source === 'redis') mustSucceed(await sync());
  const listeners = (config.listeners as unknown[]).length;
  let proxy: ProxyProcess | undefined;
  const launch = async (runtime = options.runtime, ready = true) => {
    proxy = await startProxy(configFile, listeners, runtime);
    // It listens before it has reached Redis.
    if (ready) await until('it is ready', async () => (await get(adminPort, '/readyz')).status === 200);
  };
  ends.push(() => stopProxy(proxy));
  await launch();
  return {
    ...{ folder, certificates, redis, dovecot, configFile, adminPort, write, sync, stop },
    get proxy() {
      return proxy!;
    },
    admin: (path) => get(adminPort, path),
    restart: async (runtime, ready) => {
      await stopProxy(proxy);
      await launch(runtime, ready);
    },
  };
}

function startMailstore(certificates: TestCertificates, options: Partial<DovecotOptions>): Promise<Dovecot> {
  return startDovecot({ users: ACCOUNTS, master: MASTER, tls: certificates.ecdsa, ...options });
}

function standardConfig({ folder, certificates, dovecot, redis }: SiteParts, adminPort: number): Section {
  const { certificateFile, keyFile } = certificates.ecdsa;
  const passwordFile = folder.file('master.password', `${MASTER.password}\n`, 0o600);
  return {
    listeners: listeners(),
    tls: { certificates: [{ certificate: certificateFile, key: keyFile }] },
    tables: { source: redis === null ? 'files' : 'redis', domain_table: `${folder.path}/teapop.passwd` },
    ...(redis === null ? {} : { redis: { host: ADDRESS, port: redis.port } }),
    passwords: { fingerprint_key_file: `${folder.path}/state/fingerprint.key` },
    upstreams: [
      {
        name: 'mailstore',
        host: ADDRESS,
        ...(dovecot === null ? {} : { port: dovecot.port }),
        login: { master: { user: MASTER.user, password_file: passwordFile } },
      },
    ],
    // The delay of a failed login is the same whatever it is; the tests wait for some.
    limits: { failure_delay: '100ms' },
    admin: { port: adminPort },
    shutdown: { grace: '1s' },
  };
}

/** As a site has them, and two that take passwords in plain text. */
function listeners(): Section[] {
  const plain = { port: 0, plaintext_auth: 'always', tls: 'off' };
  return [
    { name: 'pop3', address: ADDRESS, port: 0, tls: 'starttls' },
    { name: 'pop3s', address: ADDRESS, port: 0, tls: 'implicit' },
    { name: 'plain', address: ADDRESS, ...plain },
    { name: 'second', address: SECOND_ADDRESS, ...plain },
  ];
}

/** Whatever a test did to it, a proxy that still runs leaves as told. */
async function stopProxy(proxy: ProxyProcess | undefined): Promise<void> {
  if (proxy === undefined || proxy.status() !== null) return;
  const { code, signal } = await proxy.stop();
  if (code !== 0) throw new Error(`the proxy ended with ${code}, ${signal}:\n${proxy.output().slice(-2000)}`);
}

function mustSucceed({ code, output }: Outcome): void {
  if (code !== 0) throw new Error(`sync ended with ${code}:\n${output}`);
}

async function get(port: number, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://${ADDRESS}:${port}${path}`);
  return { status: response.status, body: await response.text() };
}
