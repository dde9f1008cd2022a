import { spawnSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { type RunningProcess, run, serving, start } from './process.ts';
import type { TemporaryFolder } from './temp.ts';
import type { TestCertificate } from './tls.ts';

/** What the two database servers of the tests have in common. */

export type SqlServer = {
  port: number;
  readonly pid: number;
  /** An account that may do everything, and its password. */
  admin: { user: string; password: string };
  /** The folder or file of its socket, as a line of teapop.passwd names it. */
  socket: string;
  /** Runs statements and returns what they print, column by column with tabs between; octet strings. */
  sql(statements: string, database?: string): Promise<string>;
  /** SIGKILL. */
  kill9(): Promise<void>;
  /** On the same port, with what was committed. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
};

/** For the hooks that start two servers, in ms: each makes its data folder first. */
export const START_TIME = 120_000;

/** Prefix of a command that runs it as the account of the server's package: neither server runs as root. */
export function asAccount(account: string): string[] {
  return process.getuid?.() === 0
    ? ['setpriv', `--reuid=${account}`, `--regid=${account}`, '--clear-groups']
    : [];
}

/** Gives a file or a folder to that account. */
export async function giveTo(account: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { stdout, code } = await run(['id', '-u', account]);
  if (code !== 0) throw new Error(`there is no account ${account}: is the server's package installed?`);
  chownSync(path, Number(stdout.toString()), 0);
}

/** The certificate and the key as files that the account alone can read. */
export async function certificateFor(
  account: string,
  folder: TemporaryFolder,
  { certificate, key }: TestCertificate,
): Promise<{ cert: string; key: string }> {
  const files = { cert: folder.file('server.crt', certificate), key: folder.file('server.key', key, 0o600) };
  await giveTo(account, files.key);
  return files;
}

/** Starts a server as the account of its package, and waits until it listens. */
export async function startAs(
  account: string,
  command: readonly string[],
  port: number,
): Promise<RunningProcess> {
  const server = await start([...asAccount(account), ...command] as [string, ...string[]]);
  await serving(server, [port]);
  return server;
}

/** Runs a tool to its end and returns what it printed. */
export async function tool(
  command: readonly string[],
  input = '',
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, output } = await run(command as [string, ...string[]], {
    input,
    env,
    timeout: 90_000,
  });
  if (code !== 0) throw new Error(`${command[0]} failed:\n${output}`);
  return stdout.toString('latin1');
}

/** What both do with their processes. `quit` is the signal that ends one without waiting for its clients. */
export function lifeOf(
  first: RunningProcess,
  launch: () => Promise<RunningProcess>,
  quit: NodeJS.Signals,
  tidy: () => void,
) {
  let server = first;
  // A test file that ends by a throw outside its hooks must not leave a server behind.
  process.once('exit', () => server.status() ?? server.kill('SIGKILL'));
  const leave = async (how: NodeJS.Signals) => {
    signal(server.pid, 'SIGCONT');
    server.kill(how);
    await server.exited;
  };
  return {
    pid: () => server.pid,
    kill9: () => leave('SIGKILL'),
    restart: async () => {
      if (server.status() === null) await leave(quit);
      server = await launch();
    },
    freeze: () => signal(server.pid, 'SIGSTOP'),
    thaw: () => signal(server.pid, 'SIGCONT'),
    stop: async () => {
      if (server.status() === null) await leave(quit);
      tidy();
    },
  };
}

/** To a server and its children: PostgreSQL has one for each client. */
function signal(pid: number, name: NodeJS.Signals): void {
  const children = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout.split('\n');
  for (const each of [pid, ...children.map(Number)]) if (each > 0) process.kill(each, name);
}
