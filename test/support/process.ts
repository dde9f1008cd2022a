import { type ChildProcess, spawn } from 'node:child_process';
import { pause, waitForPort } from './ports.ts';

/** How long a server may take to leave after SIGTERM before it is killed. */
const LEAVE_WITHIN = 20_000;

/** How long a test waits for what should come at once, in milliseconds: the machine may be busy. */
const PATIENCE = 30_000;

export type Exit = { code: number | null; signal: string | null };

export type StartOptions = {
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** What the program reads on its standard input; without it the input is empty. */
  input?: string | Uint8Array;
};

export type RunningProcess = {
  pid: number;
  /** Everything written so far. */
  stdout(): Buffer;
  stderr(): string;
  /** Both, for the message of a failed test. */
  output(): string;
  /** Null as long as it runs. */
  status(): Exit | null;
  exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL where that does not help. */
  stop(): Promise<Exit>;
};

/** Starts a program. Rejects where it cannot be run at all. */
export async function start(
  command: readonly [string, ...string[]],
  options: StartOptions = {},
): Promise<RunningProcess> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env } as NodeJS.ProcessEnv,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const collected = collect(child);
  const exited = leaving(child);
  await launched(child, program);
  // A program that leaves without reading its input breaks the pipe: its exit code tells more than that error.
  child.stdin.on('error', () => {});
  child.stdin.end(typeof options.input === 'string' ? Buffer.from(options.input, 'latin1') : options.input);
  return running(child, collected, exited);
}

type Collected = { stdout: Buffer[]; stderr: Buffer[] };

function collect(child: ChildProcess): Collected {
  const collected: Collected = { stdout: [], stderr: [] };
  child.stdout?.on('data', (octets: Buffer) => collected.stdout.push(octets));
  child.stderr?.on('data', (octets: Buffer) => collected.stderr.push(octets));
  return collected;
}

/** 'close' and not 'exit': then its output has been read to the end. */
function leaving(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function launched(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${program} cannot be run: ${error.message}`)));
  });
}

function running(child: ChildProcess, collected: Collected, exited: Promise<Exit>): RunningProcess {
  let status: Exit | null = null;
  void exited.then((exit) => {
    status = exit;
  });
  const stdout = () => {
    // Tests look again and again.
    if (collected.stdout.length !== 1) collected.stdout = [Buffer.concat(collected.stdout)];
    return collected.stdout[0]!;
  };
  const stderr = () => Buffer.concat(collected.stderr).toString('utf8');
  return {
    pid: child.pid!,
    stdout,
    stderr,
    output: () => `${stdout().toString('utf8')}${stderr()}`,
    status: () => status,
    exited,
    kill: (signal) => void child.kill(signal),
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<Exit>): Promise<Exit> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), LEAVE_WITHIN);
  const exit = await exited;
  clearTimeout(timer);
  return exit;
}

export type Outcome = Exit & { stdout: Buffer; stderr: string; output: string };

/** Runs a program to its end; after `timeout` ms it is killed and `signal` is SIGKILL. Never rejects for an exit code. */
export async function run(
  command: readonly [string, ...string[]],
  options: StartOptions & { timeout?: number } = {},
): Promise<Outcome> {
  const program = await start(command, options);
  const timer = setTimeout(() => program.kill('SIGKILL'), options.timeout ?? 30_000);
  const exit = await program.exited;
  clearTimeout(timer);
  return { ...exit, stdout: program.stdout(), stderr: program.stderr(), output: program.output() };
}

/** Waits until a started server accepts connections; when it leaves before that, the error holds its output. */
export async function serving(
  server: RunningProcess,
  ports: readonly number[],
  timeout = PATIENCE,
): Promise<void> {
  const left = server.exited.then((exit) => {
    throw new Error(
      `left with code ${exit.code}, signal ${exit.signal} before it served:\n${server.output()}`,
    );
  });
  // The race below is over when the ports answer; the rejection that may come at the end of the test is nobody's.
  left.catch(() => {});
  try {
    await Promise.race([left, Promise.all(ports.map((port) => waitForPort(port, timeout)))]);
  } catch (error) {
    await server.stop();
    throw new Error(`${(error as Error).message}\n${server.output()}`);
  }
}

/** Polls until the condition holds; the error names what did not come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeout = PATIENCE,
): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeout} ms in vain: ${what}`);
    await pause(10);
  }
}
