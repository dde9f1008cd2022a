/** Peers that share no code with the transports: Python's sockets and ssl, and openssl's client. */
import { spawn } from 'node:child_process';

const PATIENCE = 60_000;

export type Outcome = { code: number | null; output: string };

/** Runs a program to its end. Its input is `last`, given when its output first matches `cue`, at once without one. */
export async function run(
  command: string,
  args: readonly string[],
  last = '',
  cue?: RegExp,
): Promise<Outcome> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  let output = '';
  const hear = (data: Buffer) => {
    output += data.toString('latin1');
    if (cue?.test(output)) child.stdin.end(last);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  child.stdin.on('error', () => {});
  if (cue === undefined) child.stdin.end(last);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(late);
  return { code, output };
}

/** What every script below begins with. `port` is its only argument that is always there. */
const PRELUDE = `
import socket, ssl, struct, sys, time, threading, hashlib
port = int(sys.argv[1])
def connect():
    return socket.create_connection(('127.0.0.1', port), timeout=30)
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
def line(s):
    got = b''
    while not got.endswith(b'\\n'):
        more = s.recv(1)
        if not more: break
        got += more
    return got
def exactly(s, n):
    got = 0
    while got < n:
        more = s.recv(min(65536, n - got))
        if not more: break
        got += len(more)
    return got
def everything(s):
    got = 0
    while True:
        more = s.recv(65536)
        if not more: return got
        got += len(more)
def trusting():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c
`;

export function python(script: string, ...args: (string | number)[]): Promise<Outcome> {
  return run('python3', ['-IS', '-c', PRELUDE + script, ...args.map(String)]);
}

/** A port on which the kernel answers no further connection: the accept queue is full and nobody accepts. */
export async function silentPort(): Promise<{ port: number; stop: () => void }> {
  const script = `
queue = socket.socket(); queue.bind(('127.0.0.1', 0)); queue.listen(0)
taken = [socket.socket() for _ in range(3)]
for s in taken:
    s.setblocking(False); s.connect_ex(queue.getsockname())
print(queue.getsockname()[1], flush=True)
sys.stdin.read()`;
  const child = spawn('python3', ['-IS', '-c', PRELUDE + script, '0'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve) =>
    child.stdout.once('data', (data) => resolve(Number(data))),
  );
  return { port, stop: () => child.stdin.end() };
}
