import { chownSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Certificate } from '../../src/transport/transport.ts';
import {
  dovecotConfig,
  type Layout,
  layOut,
  type Maildrop,
  mastersFile,
  SPOOL_GROUP,
  usersFile,
} from './dovecot-config.ts';
import { deliver, type MaildropFiles } from './maildrop.ts';
import { freePort } from './ports.ts';
import { type RunningProcess, serving, start, until } from './process.ts';
import { temporaryFolder } from './temp.ts';

export type DovecotUser = {
  name: string;
  /** Without ':' or line ends: it stands in a passwd-file. */
  password: string;
  /** Default mbox, as /var/spool/mail/<name> is. */
  maildrop?: 'mbox' | 'maildir';
};

export type DovecotOptions = {
  users: readonly DovecotUser[];
  /** May log in as anybody: `user*master`, or SASL PLAIN with an authzid. */
  master?: { user: string; password: string };
  /** STLS on `port` and implicit TLS on `tlsPort`. (`ssl = required` has no effect here: Dovecot takes its own host for secure.) */
  tls?: Certificate;
  /** True leaves Dovecot's delay for addresses with failed logins on. Default off. */
  penalty?: boolean;
  /** For the second life of one that was killed; else a free one. */
  port?: number;
  /** Seconds that a failed login takes at least. Default 0. */
  failureDelay?: number;
  /** Further lines of configuration. */
  extra?: string;
};

export type Dovecot = {
  port: number;
  /** 0 without TLS. */
  tlsPort: number;
  pid: number;
  /**
   * Puts a message with CRLF line ends into the maildrop as the local delivery agent of a Unix host does, with LF
   * line ends. What RETR gives is the message again, octet for octet, if it ends with CRLF and has no CR or LF of
   * its own; in an mbox a line that begins with "From " would have to be quoted and is refused.
   */
  deliver(user: string, message: string | Uint8Array): void;
  /** Where the maildrop lies: the mbox file or the Maildir. */
  maildrop(user: string): string;
  /** The number that owns the maildrop and that its sessions run as. */
  uid(user: string): number;
  /** How many messages lie in the maildrop, read from the disk and not through Dovecot. */
  count(user: string): number;
  /** SIGKILL to each process that serves a connection; returns how many were logged in. The server itself lives on. */
  kill9Sessions(): number;
  /** SIGKILL to all of it, as when the host dies. */
  kill9(): Promise<void>;
  log(): string;
  stop(): Promise<void>;
};

/**
 * A Dovecot of its own on free loopback ports, its files in a temporary folder. It must be root: Dovecot gives
 * each session the uid of the maildrop's owner. The owners need no account on this system, numbers are enough.
 */
export async function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  if (process.getuid?.() !== 0)
    throw new Error('Dovecot serves maildrops of several local users: run these tests as root');
  const folder = temporaryFolder('dovecot');
  const maildrops = layOut(folder, options.users);
  const tlsPort = options.tls === undefined ? 0 : await freePort();
  const layout: Layout = { folder, port: options.port ?? (await freePort()), tlsPort, maildrops };
  chownSync(`${folder.path}/spool`, 0, SPOOL_GROUP);
  for (const maildrop of maildrops.values()) makeMaildrop(layout, maildrop);
  // Readable for Dovecot's own users, which read them as soon as root has no part in it.
  folder.file('users', usersFile(layout));
  folder.file('masters', mastersFile(options));
  const config = folder.file('dovecot.conf', dovecotConfig(layout, options));
  const server = await start(['dovecot', '-F', '-c', config], { env: { PATH: searchPath() } });
  // A test file that ends by a throw outside its hooks must not leave a server behind.
  process.once('exit', () => server.status() ?? server.kill('SIGTERM'));
  await serving(server, tlsPort === 0 ? [layout.port] : [layout.port, tlsPort]);
  return handle(layout, server);
}

/** Servers lie in sbin, which is not in everybody's PATH. */
function searchPath(): string {
  return `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
}

function makeMaildrop({ folder }: Layout, { user, uid, gid }: Maildrop): void {
  const folders = [folder.folder(`home/${user.name}`, 0o700)];
  if (user.maildrop === 'maildir') {
    for (const part of ['', '/tmp', '/new', '/cur'])
      folders.push(folder.folder(`home/${user.name}/Maildir${part}`, 0o700));
  } else {
    folders.push(folder.file(`spool/${user.name}`, '', 0o660));
  }
  for (const each of folders) chownSync(each, uid, gid);
}

function handle(layout: Layout, server: RunningProcess): Dovecot {
  const maildropOf = (user: string): Maildrop => {
    const maildrop = layout.maildrops.get(user);
    if (maildrop === undefined) throw new Error(`no user ${user} in this Dovecot`);
    return maildrop;
  };
  return {
    port: layout.port,
    tlsPort: layout.tlsPort,
    pid: server.pid,
    deliver: (user, message) => deliver(files(maildropOf(user)), Buffer.from(message as string, 'latin1')),
    maildrop: (user) => maildropOf(user).path,
    uid: (user) => maildropOf(user).uid,
    count: (user) => count(maildropOf(user)),
    kill9Sessions: () => killSessions(server.pid),
    kill9: () => killAll(layout, server),
    log: () => server.output(),
    stop: async () => {
      await server.stop();
      layout.folder.remove();
    },
  };
}

function files({ user, path, uid, gid }: Maildrop): MaildropFiles {
  return { kind: user.maildrop ?? 'mbox', path, uid, gid };
}

function count(maildrop: Maildrop): number {
  if (maildrop.user.maildrop === 'maildir') {
    return readdirSync(`${maildrop.path}/new`).length + readdirSync(`${maildrop.path}/cur`).length;
  }
  const text = readFileSync(maildrop.path, 'latin1');
  // An emptied mbox keeps Dovecot's own data in a message that POP3 never shows.
  const internal = /^X-IMAP: /m.test(text) ? 1 : 0;
  return (text.match(/^From /gm) ?? []).length - internal;
}

type Child = { pid: number; name: string };

/** The server's own children; `name` is what the kernel knows, cut to 15 characters. */
function children(pid: number): Child[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = existsSync(`/proc/${name}/stat`) ? readStat(name) : null;
      return stat !== null && stat.parent === pid ? [{ pid: Number(name), name: stat.name }] : [];
    });
}

/** Null for a process that left while we looked. */
function readStat(pid: string): { name: string; parent: number } | null {
  try {
    const [, name, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').match(/\((.*)\) . (\d+)/s) ?? [];
    return name === undefined ? null : { name, parent: Number(parent) };
  } catch {
    return null;
  }
}

function killSessions(master: number): number {
  const all = children(master);
  const logins = all.filter(({ name }) => name === 'pop3-login');
  const sessions = all.filter(({ name }) => name === 'pop3');
  // First those that hold the TLS connections: they would close them in order when their session goes.
  for (const { pid } of [...logins, ...sessions]) process.kill(pid, 'SIGKILL');
  return sessions.length;
}

async function killAll(layout: Layout, server: RunningProcess): Promise<void> {
  // First the server, so that it cannot start others in the place of those that are killed.
  const all = children(server.pid);
  server.kill('SIGKILL');
  for (const { pid } of all) process.kill(pid, 'SIGKILL');
  await until('Dovecot is gone', () => !existsSync(`/proc/${server.pid}`) || server.status() !== null);
  layout.folder.remove();
}
