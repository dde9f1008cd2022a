/** The command as it is installed: called through links, from any folder, on either runtime. */
import assert from 'node:assert/strict';
import { copyFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Outcome, run } from '../support/process.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temp.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Shows which runtime it stands for, and each argument. */
const RUNTIME = (name: string) => `#!/bin/sh\nprintf '%s|' ${name} "$@"\n`;

let folder: TemporaryFolder;
let command: string;

before(() => {
  folder = temporaryFolder('bin');
  folder.folder('house with spaces/bin');
  folder.file('house with spaces/node_modules/.bin/bun', RUNTIME('bun'), 0o755);
  folder.file('house with spaces/node_modules/.bin/node', RUNTIME('node'), 0o755);
  command = join(folder.path, 'house with spaces', 'bin', 'teapop-proxy');
  copyFileSync(join(ROOT, 'bin', 'teapop-proxy'), command);
});
after(() => folder.remove());

function call(path: string, args: string[], runtime?: string): Promise<Outcome> {
  return run(['/bin/sh', path, ...args], { cwd: '/', env: { TEAPOP_PROXY_RUNTIME: runtime } });
}

function main(): string {
  return join(realpathSync(join(folder.path, 'house with spaces')), 'src', 'main.ts');
}

test('runs on its own Bun and hands each argument over', async () => {
  const { code, stdout } = await call(command, ['check', 'a b', '']);
  assert.deepEqual([code, stdout.toString()], [0, `bun|${main()}|check|a b||`]);
});

test('runs on its own Node where that is asked for', async () => {
  assert.equal((await call(command, ['serve'], 'node')).stdout.toString(), `node|${main()}|serve|`);
});

test('finds its folder through absolute and relative links', async () => {
  const first = join(folder.path, 'first');
  symlinkSync(command, first);
  folder.folder('deep');
  const second = join(folder.path, 'deep', 'second');
  symlinkSync('../first', second);
  assert.equal((await call(second, ['x'])).stdout.toString(), `bun|${main()}|x|`);
});

test('refuses another runtime', async () => {
  const { code, stderr } = await call(command, [], 'perl');
  assert.equal(code, 64);
  assert.match(stderr, /'perl'; it can be bun or node/);
});

test('says what to run where the packages are not installed', async () => {
  const bare = join(folder.path, 'bare', 'bin', 'teapop-proxy');
  folder.folder('bare/bin');
  copyFileSync(command, bare);
  const { code, stderr } = await call(bare, ['serve']);
  assert.equal(code, 69);
  assert.match(stderr, /packages are not installed. Run: cd .*\/bare && npm ci/);
});
