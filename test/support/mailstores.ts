/**
 * Courier's POP3 server and popa3d, each the real program of its Debian package. Neither can be installed beside
 * Dovecot's, so they run from unpacked packages (scripts/setup.mjs) in a root of their own (chroot), with accounts of
 * their own: nothing of this system is changed or seen by them.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, cpSync, existsSync, globSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deliver, type MaildropFiles } from './maildrop.ts';
import { freePort } from './ports.ts';
import { type RunningProcess, serving, start, until } from './process.ts';
import { ROOT } from './proxy-process.ts';
import { crypted } from './running-site.ts';
import { temporaryFolder } from './temp.ts';
import type { TestCertificate } from './tls.ts';
import { requireTool } from './tool.ts';

export type Account = { name: string; password: string };

export type Mailstores = {
  courier: number;
  popa3d: number;
  /** Into the Maildir that Courier serves and into the mbox that popa3d serves. With CRLF line ends. */
  deliver(user: string, message: string): void;
  /** What Courier and its authentication daemon say of logins. */
  log(): string;
  stop(): Promise<void>;
};

const UNPACKED = join(ROOT, 'node_modules', '.cache', 'teapop-proxy', 'mailstores');
/** As in test/support/dovecot-config.ts, the owners of maildrops need no account on this system. */
const FIRST_UID = 62_000;

const COURIER = '/usr/lib/courier/courier';
const AUTHENTICATION = '/usr/lib/courier/courier-authlib/authdaemond';
const LISTENER = '/usr/sbin/couriertcpd';
const STLS = '/usr/bin/couriertls';
const POPA3D = '/usr/sbin/popa3d';
const PAM = 'security/pam_unix.so';

/** @param certificate of Courier's STLS */
export async function startMailstores(
  accounts: readonly Account[],
  certificate: TestCertificate,
): Promise<Mailstores> {
  if (process.getuid?.() !== 0)
    throw new Error('these mailstores have a root of their own: run the tests as root');
  if (!existsSync(join(UNPACKED, '.packages')))
    throw new Error('the mailstores are not unpacked yet: run `node scripts/setup.mjs --test`');
  const folder = temporaryFolder('mailstores');
  const root = folder.folder('root');
  cpSync(UNPACKED, root, { recursive: true, verbatimSymlinks: true });
  copyLibraries(root);
  writeFiles((name, text, mode) => folder.file(`root/${name}`, text, mode), accounts, certificate);
  folder.folder('root/run/courier/authdaemon');
  const maildrops = new Map(
    accounts.map(({ name }, index) => [name, makeMaildrops(root, name, FIRST_UID + index)]),
  );
  const servers: RunningProcess[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    folder.remove();
  };
  try {
    return {
      ...(await serve(root, servers)),
      deliver: (user, message) => {
        for (const maildrop of maildrops.get(user)!) deliver(maildrop, Buffer.from(message, 'latin1'));
      },
      log: () => servers.map((server) => server.output()).join(''),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function serve(root: string, servers: RunningProcess[]): Promise<{ courier: number; popa3d: number }> {
  const chroot = requireTool('chroot', 'coreutils');
  const run = async (command: string[], env: Record<string, string> = {}) => {
    const server = await start([chroot, root, ...command], { env });
    servers.push(server);
    // A test file that ends by a throw outside its hooks must not leave a server behind.
    process.once('exit', () => server.status() ?? server.kill('SIGKILL'));
    return server;
  };
  await run([AUTHENTICATION]);
  await until('authdaemond', () => existsSync(join(root, 'run/courier/authdaemon/socket')));
  const listen = async (login: string[], env?: Record<string, string>) => {
    const port = await freePort();
    const options = ['-address=127.0.0.1', '-nodnslookup', '-noidentlookup'];
    await serving(await run([LISTENER, ...options, String(port), ...login], env), [port]);
    return port;
  };
  const login = [`${COURIER}/courierpop3login`, `${COURIER}/courierpop3d`, 'Maildir'];
  return { courier: await listen(login, COURIER_ENVIRONMENT), popa3d: await listen([POPA3D]) };
}

/** What Courier's own start script takes from its configuration. */
const COURIER_ENVIRONMENT = {
  MAILDIRPATH: 'Maildir',
  POP3AUTH: 'PLAIN LOGIN',
  POP3AUTH_TLS: 'PLAIN LOGIN',
  POP3_STARTTLS: 'YES',
  POP3_TLS_REQUIRED: '0',
  COURIERTLS: STLS,
  TLS_CERTFILE: '/etc/courier/pop3d.pem',
  TLS_PRIVATE_KEYFILE: '/etc/courier/pop3d.pem',
  TLS_VERIFYPEER: 'NONE',
  TLS_PRIORITY: 'NORMAL',
};

/** This system's libraries that the programs are linked with; they are those of the distribution. */
function copyLibraries(root: string): void {
  const [pam] = globSync(`/{usr/,}lib/{*-linux-gnu*/,}${PAM}`);
  if (pam === undefined) throw new Error(`${PAM} is missing: install the Debian package libpam-modules`);
  const programs = [
    `${COURIER}/courierpop3login`,
    `${COURIER}/courierpop3d`,
    AUTHENTICATION,
    LISTENER,
    STLS,
    POPA3D,
  ];
  const modules = globSync(`${root}/usr/lib/courier-authlib/*.so`);
  const own = [...programs.map((path) => root + path), ...modules];
  const unpacked = globSync(`${root}/usr/lib{,/*-linux-gnu*}`).join(':');
  const listing = execFileSync('ldd', [...own, pam], {
    env: { ...process.env, LD_LIBRARY_PATH: unpacked },
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  const missing = listing.match(/\S+ => not found/g);
  if (missing !== null) throw new Error(`libraries of the mailstores are missing: ${missing.join(', ')}`);
  for (const path of new Set([pam, ...(listing.match(/(?<=\s)\/\S+(?= \(0x)/g) ?? [])])) {
    if (path.startsWith(root) || existsSync(root + path)) continue;
    mkdirSync(dirname(root + path), { recursive: true });
    copyFileSync(path, root + path);
  }
}

function writeFiles(
  file: (name: string, text: string, mode?: number) => void,
  accounts: readonly Account[],
  certificate: TestCertificate,
): void {
  // Read by an account of Courier's own.
  file('etc/courier/pop3d.pem', certificate.certificate + certificate.key);
  // The daemon opens it and never reads it; a device could not be made everywhere.
  file('dev/null', '', 0o666);
  // Accounts that popa3d and Courier's TLS program change to.
  const own = ['popa3d', 'courier'].map((name, index) => ({ name, uid: FIRST_UID - 1 - index }));
  const people = [...own, ...accounts.map(({ name }, index) => ({ name, uid: FIRST_UID + index }))];
  const lines = (line: (person: { name: string; uid: number }) => string) => people.map(line).join('');
  file(
    'etc/passwd',
    lines(({ name, uid }) => `${name}:x:${uid}:${uid}::/home/${name}:/bin/sh\n`),
  );
  file('etc/group', `mail:x:8:\n${lines(({ name, uid }) => `${name}:x:${uid}:\n`)}`);
  const secrets = accounts.map(({ name, password }) => `${name}:${crypted(password)}:19000:0:99999:7:::\n`);
  file('etc/shadow', secrets.join(''), 0o600);
  const pam = 'auth required pam_unix.so\naccount required pam_unix.so\n';
  for (const service of ['pop3', 'popa3d']) file(`etc/pam.d/${service}`, pam);
}

function makeMaildrops(root: string, name: string, uid: number): MaildropFiles[] {
  const maildir = join(root, 'home', name, 'Maildir');
  const mbox = join(root, 'var/mail', name);
  // Everybody's way to what is their own.
  for (const path of [join(root, 'home'), dirname(mbox)]) mkdirSync(path, { recursive: true, mode: 0o755 });
  const owned = [dirname(maildir), maildir, ...['tmp', 'new', 'cur'].map((part) => join(maildir, part))];
  for (const path of owned) {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, uid, uid);
  }
  execFileSync('install', ['-m', '600', '-o', String(uid), '-g', String(uid), '/dev/null', mbox]);
  return [
    { kind: 'maildir', path: maildir, uid, gid: uid },
    { kind: 'mbox', path: mbox, uid, gid: uid },
  ];
}
