/** `npm start` shows a line to try: that line, as it is printed, fetches a message. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DEMO_MESSAGES } from '../../src/demo/messages.ts';
import { freePort, isListening } from '../support/ports.ts';
import { type RunningProcess, run, start, until } from '../support/process.ts';
import { EXECUTABLE, ROOT } from '../support/proxy-process.ts';

let port: number;
let demo: RunningProcess;

before(async () => {
  port = await freePort();
  demo = await startDemo(['bun', 'src/main.ts', 'demo'], { TEAPOP_PROXY_DEMO_PORT: String(port) });
});
after(() => demo.stop());

/** Starts it with the project's own runtime first in the path, as npm does. */
async function startDemo(
  command: readonly [string, ...string[]],
  env: Record<string, string>,
  cwd: string = ROOT,
): Promise<RunningProcess> {
  const path = `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}`;
  const started = await start(command, { cwd, env: { PATH: path, ...env } });
  process.once('exit', () => started.status() ?? started.kill('SIGKILL'));
  await until('the welcome', () => shown(started).length === 1 || started.status() !== null);
  return started;
}

const shown = ({ stdout }: RunningProcess): string[] =>
  stdout()
    .toString()
    .match(/^ +curl .*$/gm) ?? [];

/** Types the line into a shell. */
async function tryLine(started: RunningProcess): Promise<string> {
  const [line, ...others] = shown(started);
  assert.deepEqual(others, []);
  const { code, stdout, output } = await run(['sh', '-c', line!]);
  assert.equal(code, 0, output);
  return stdout.toString('latin1');
}

test('the printed curl line fetches a message', async () => {
  assert.ok(shown(demo)[0]?.includes(`:${port}/`), demo.output());
  assert.equal(await tryLine(demo), DEMO_MESSAGES[0]);
  await until('the line of the session', () => /"event":"session".*"result":"accepted"/.test(demo.output()));
});

test('the address of health and metrics is where it says', async () => {
  const [url] =
    demo
      .stdout()
      .toString()
      .match(/http:\/\/\S+\/readyz/) ?? [];
  const response = await fetch(url!);
  assert.deepEqual([response.status, await response.text()], [200, 'ready\n']);
});

test('a port that is in use ends it with a line that says so', async () => {
  const { code, stderr } = await run([EXECUTABLE, 'demo'], { env: { TEAPOP_PROXY_DEMO_PORT: String(port) } });
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^demo: .*port ${port}: it is in use\\n$`));
});

test('Ctrl-C ends it, with all that it listens on', async () => {
  demo.kill('SIGINT');
  assert.equal((await demo.exited).code, 0);
  assert.equal(await isListening(port), false);
});

test('works on Node as well, and from any folder', async () => {
  const env = { TEAPOP_PROXY_DEMO_PORT: String(await freePort()), TEAPOP_PROXY_RUNTIME: 'node' };
  const onNode = await startDemo([EXECUTABLE, 'demo'], env, '/');
  try {
    assert.equal(await tryLine(onNode), DEMO_MESSAGES[0]);
  } finally {
    await onNode.stop();
  }
});
