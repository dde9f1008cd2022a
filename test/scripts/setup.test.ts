/** The set-up script on a checkout of its own, with an npm that only notes how it was called. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Outcome, run } from '../support/process.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temp.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const NODE = join(ROOT, 'node_modules', '.bin', 'node');

const LOCK = JSON.stringify({
  lockfileVersion: 3,
  packages: {
    '': { name: 'teapop-proxy' },
    'node_modules/bun': { version: '1.2.3' },
    'node_modules/other-platform': { version: '1.2.3', optional: true },
  },
});
const STAMP = 'node_modules/.teapop-proxy-setup';
const DIGEST = createHash('sha256').update(LOCK).digest('hex');
const RUNS = '#!/bin/sh\nexit 0\n';
const NOTES = '#!/bin/sh\necho "$@" >>npm-was-called\n';
const INSTALLS = `${NOTES}mkdir -p node_modules/.bin && printf '#!/bin/sh\\n' >node_modules/.bin/bun && chmod +x node_modules/.bin/bun\n`;

async function withCheckout(use: (folder: TemporaryFolder) => Promise<void>): Promise<void> {
  const folder = temporaryFolder('setup');
  try {
    folder.folder('scripts');
    copyFileSync(join(ROOT, 'scripts', 'setup.mjs'), join(folder.path, 'scripts', 'setup.mjs'));
    folder.file('package-lock.json', LOCK);
    // Nothing of the machine's own but what a shell needs: no apt-get, no redis-server.
    mkdirSync(join(folder.path, 'path'));
    for (const tool of ['sh', 'mkdir', 'chmod']) symlinkSync(`/bin/${tool}`, join(folder.path, 'path', tool));
    await use(folder);
  } finally {
    folder.remove();
  }
}

/** Runs it as npm would: the npm's version in the environment, no path of the npm that runs these tests. */
function setUp(folder: TemporaryFolder, args: string[] = [], npmVersion = '10.0.0'): Promise<Outcome> {
  const env = {
    PATH: join(folder.path, 'path'),
    npm_execpath: undefined,
    npm_node_execpath: undefined,
    npm_config_user_agent: `npm/${npmVersion} node/v20.0.0 linux x64`,
  };
  return run([NODE, join(folder.path, 'scripts', 'setup.mjs'), ...args], { env });
}

function npmCalls(folder: TemporaryFolder): string {
  const path = join(folder.path, 'npm-was-called');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

test('does and says nothing where the packages are those of the lock file', () =>
  withCheckout(async (folder) => {
    folder.file('path/npm', NOTES, 0o755);
    folder.file('node_modules/.bin/bun', RUNS, 0o755);
    folder.file(STAMP, DIGEST);
    const { code, output } = await setUp(folder);
    assert.deepEqual([code, output, npmCalls(folder)], [0, '', '']);
  }));

test('takes what npm ci installed by hand', () =>
  withCheckout(async (folder) => {
    folder.file('path/npm', NOTES, 0o755);
    folder.file('node_modules/.bin/bun', RUNS, 0o755);
    const installed = { packages: { 'node_modules/bun': { version: '1.2.3' } } };
    folder.file('node_modules/.package-lock.json', JSON.stringify(installed));
    const { code, output } = await setUp(folder);
    assert.deepEqual([code, output, npmCalls(folder)], [0, '', '']);
    assert.equal(readFileSync(join(folder.path, STAMP), 'utf8'), DIGEST);
  }));

const OTHER_STATES: Record<string, (folder: TemporaryFolder) => void> = {
  'nothing is installed': () => {},
  'the lock file has changed since': (folder) => folder.file(STAMP, 'digest of another'),
  'a package has another version': (folder) => {
    const installed = { packages: { 'node_modules/bun': { version: '1.2.2' } } };
    folder.file('node_modules/.package-lock.json', JSON.stringify(installed));
  },
  'a package is there that the lock file does not know': (folder) => {
    const installed = {
      packages: { 'node_modules/bun': { version: '1.2.3' }, 'node_modules/x': { version: '1' } },
    };
    folder.file('node_modules/.package-lock.json', JSON.stringify(installed));
  },
  'bun does not run': (folder) => {
    folder.file(STAMP, DIGEST);
    folder.file('node_modules/.bin/bun', '#!/bin/sh\nexit 1\n', 0o755);
  },
};

for (const [state, make] of Object.entries(OTHER_STATES)) {
  test(`runs npm ci once where ${state}`, () =>
    withCheckout(async (folder) => {
      folder.file('path/npm', INSTALLS, 0o755);
      folder.file('node_modules/.bin/bun', RUNS, 0o755);
      make(folder);
      const first = await setUp(folder);
      assert.equal(first.code, 0, first.output);
      assert.equal(npmCalls(folder), 'ci --include=dev\n');
      const second = await setUp(folder);
      assert.deepEqual([second.code, second.output], [0, '']);
      assert.equal(npmCalls(folder), 'ci --include=dev\n');
    }));
}

test('says what to run by hand where npm ci fails', () =>
  withCheckout(async (folder) => {
    folder.file('path/npm', '#!/bin/sh\necho no network >&2\nexit 1\n', 0o755);
    const { code, stderr } = await setUp(folder);
    assert.equal(code, 1);
    assert.match(stderr, /^no network$/m);
    assert.match(stderr, /`npm ci` failed/);
    assert.match(stderr, new RegExp(`cd ${folder.path} && npm ci`));
    assert.equal(existsSync(join(folder.path, STAMP)), false);
  }));

test('says so where the packages are there and bun does not run', () =>
  withCheckout(async (folder) => {
    folder.file('path/npm', NOTES, 0o755);
    const { code, stderr } = await setUp(folder);
    assert.equal(code, 1);
    assert.match(stderr, /bun does not run/);
    assert.equal(existsSync(join(folder.path, STAMP)), false);
  }));

test('refuses an npm that cannot read the lock file, before it does harm', () =>
  withCheckout(async (folder) => {
    folder.file('path/npm', NOTES, 0o755);
    const { code, stderr } = await setUp(folder, [], '6.14.18');
    assert.equal(code, 1);
    assert.match(stderr, /npm 6 cannot read/);
    assert.equal(npmCalls(folder), '');
  }));

test('without apt-get, names the missing packages and the command', () =>
  withCheckout(async (folder) => {
    folder.file('node_modules/.bin/bun', RUNS, 0o755);
    folder.file(STAMP, DIGEST);
    const { code, stderr } = await setUp(folder, ['--test']);
    assert.equal(code, 1);
    assert.match(stderr, /packages are missing: .*\bmpop\b/);
    assert.match(stderr, /apt-get install -y --no-install-recommends .*\bmpop\b/);
  }));

test('asks for no package whose program is there', () =>
  withCheckout(async (folder) => {
    folder.file('node_modules/.bin/bun', RUNS, 0o755);
    folder.file(STAMP, DIGEST);
    folder.file('path/mpop', RUNS, 0o755);
    const { stderr } = await setUp(folder, ['--test']);
    assert.doesNotMatch(stderr, /\bmpop\b/);
    assert.match(stderr, /\bfetchmail\b/);
  }));

describe('the mailstores that are only unpacked', () => {
  const CACHE = 'node_modules/.cache/teapop-proxy/mailstores';
  const fetching = (folder: TemporaryFolder) => `#!/bin/sh
echo "$@" >>'${folder.path}/apt-was-called'
case "$*" in *download*) : >one_1.0_all.deb ;; esac
`;

  /** All else is there: what lies in the path of the checkout, and the system's own libraries. */
  async function ready(folder: TemporaryFolder): Promise<void> {
    folder.file('node_modules/.bin/bun', RUNS, 0o755);
    folder.file(STAMP, DIGEST);
    const script = readFileSync(join(folder.path, 'scripts', 'setup.mjs'), 'utf8');
    for (const [, proof] of script.matchAll(/proof: '([^'/]+)'/g)) folder.file(`path/${proof}`, RUNS, 0o755);
    folder.file('path/dpkg', RUNS, 0o755);
  }

  test('are fetched and unpacked once', () =>
    withCheckout(async (folder) => {
      await ready(folder);
      folder.file('path/apt-get', fetching(folder), 0o755);
      const first = await setUp(folder, ['--test']);
      assert.equal(first.code, 0, first.output);
      assert.match(
        readFileSync(join(folder.path, 'apt-was-called'), 'utf8'),
        /^[^\n]*download courier-pop [^\n]*\n$/,
      );
      assert.deepEqual(readdirSync(join(folder.path, CACHE)), ['.packages']);
      const second = await setUp(folder, ['--test']);
      assert.deepEqual([second.code, second.output], [0, '']);
    }));

  test('are named with what to run by hand where they cannot be fetched', () =>
    withCheckout(async (folder) => {
      await ready(folder);
      folder.file('path/apt-get', '#!/bin/sh\necho no network >&2\nexit 100\n', 0o755);
      const { code, stderr } = await setUp(folder, ['--test']);
      assert.equal(code, 1);
      assert.match(stderr, /^no network$/m);
      assert.match(stderr, /could not be fetched/);
      assert.match(stderr, /apt-get download courier-pop .*popa3d/);
      assert.equal(existsSync(join(folder.path, CACHE, '.packages')), false);
    }));
});
