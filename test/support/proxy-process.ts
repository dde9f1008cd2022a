import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outcome, type RunningProcess, run, start, until } from './process.ts';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** What an operator calls. */
export const EXECUTABLE = join(ROOT, 'bin', 'teapop-proxy');

export type Runtime = 'bun' | 'node';

/** A line of the log, by field. */
export type LogLine = { event: string; level: string } & { readonly [field: string]: unknown };

/** A session's line, as far as tests ask for it. */
export type SessionLine = LogLine & {
  listener: string;
  client: { address: string; port: number };
  login: string | null;
  local_user: string | null;
  upstream: { name: string } | null;
  tls: { version: string } | null;
  result: string;
  reason: string;
  end: string;
  octets: { to_client: number; to_upstream: number };
};

/** `teapop-proxy serve` as a child process. */
export type ProxyProcess = RunningProcess & {
  /** Where the listener of that name listens. */
  port(listener: string): number;
  /** Every whole line logged so far; fails where one is not JSON. */
  log(): LogLine[];
  /** Resolves with the first such line of an event, be it logged already or yet to come. */
  logged(event: string, fields?: Readonly<Record<string, unknown>>): Promise<LogLine>;
  /** Resolves with the sessions that have ended when there are so many. */
  sessions(count?: number): Promise<SessionLine[]>;
  /** Resolves with the sessions of this login name when there are so many. */
  sessionsOf(login: string, count?: number): Promise<SessionLine[]>;
  descriptors(): number;
  /** Resident memory in octets. */
  memory(): number;
};

/** Runs a command of the executable to its end. */
export function runProxy(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Outcome> {
  return run([EXECUTABLE, ...args], { env, timeout: 60_000 });
}

/** Starts `serve`; resolves when so many listeners listen, rejects with the output where it leaves before that. */
export async function startProxy(
  configFile: string,
  listeners: number,
  runtime: Runtime = 'bun',
): Promise<ProxyProcess> {
  const env = { TEAPOP_PROXY_RUNTIME: runtime };
  const server = await start([EXECUTABLE, 'serve', '--config', configFile], { env });
  // A test file that ends by a throw outside its hooks must not leave a proxy behind.
  process.once('exit', () => server.status() ?? server.kill('SIGKILL'));
  const proxy = handle(server);
  const listening = () => proxy.log().filter(({ event }) => event === 'listening').length;
  await until('the proxy listens', () => listening() === listeners || server.status() !== null);
  if (server.status() !== null) throw new Error(`the proxy did not start:\n${server.output()}`);
  return proxy;
}

function handle(server: RunningProcess): ProxyProcess {
  const log = logReader(() => server.stdout());
  /** Lines of an event that have these fields, when there are so many. */
  const lines = async (event: string, fields: Readonly<Record<string, unknown>>, count: number) => {
    const wanted = Object.entries({ ...fields, event });
    const found = () => log().filter((line) => wanted.every(([name, value]) => line[name] === value));
    await until(`${count} × ${JSON.stringify(Object.fromEntries(wanted))}`, () => found().length >= count);
    return found();
  };
  return {
    ...server,
    port: (listener) => {
      const line = log().find(({ event, name }) => event === 'listening' && name === listener);
      if (line === undefined) throw new Error(`no listener ${listener}`);
      return line.port as number;
    },
    log,
    logged: async (event, fields = {}) => (await lines(event, fields, 1))[0]!,
    sessions: async (count = 1) => (await lines('session', {}, count)) as SessionLine[],
    sessionsOf: async (login, count = 1) => (await lines('session', { login }, count)) as SessionLine[],
    descriptors: () => readdirSync(`/proc/${server.pid}/fd`).length,
    memory: () => residentMemory(server.pid),
  };
}

/** Tests look again and again: each line is parsed once. The last one may still be on its way. */
function logReader(output: () => Buffer): () => LogLine[] {
  const lines: LogLine[] = [];
  let read = 0;
  return () => {
    const all = output();
    const end = all.lastIndexOf('\n') + 1;
    const text = all.toString('utf8', read, Math.max(read, end)).split('\n').slice(0, -1);
    lines.push(...text.map((line) => JSON.parse(line) as LogLine));
    read = Math.max(read, end);
    return [...lines];
  };
}

function residentMemory(pid: number): number {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, 'latin1').match(/^VmRSS:\s+(\d+) kB$/m) ?? [];
  return Number(kilobytes) * 1024;
}
