import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { jsonSchema } from '../../src/config/schema.ts';
import { parseDuration } from '../../src/config/units.ts';
import { run } from '../support/process.ts';
import { temporaryFolder } from '../support/temp.ts';
import { requireTool } from '../support/tool.ts';

const UNITS = [
  'teapop-proxy.service',
  'teapop-proxy-sync.service',
  'teapop-proxy-sync.timer',
  'teapop-proxy-sync-watch.service',
];
const PROGRAM = '/opt/teapop-proxy/bin/teapop-proxy';

const folder = temporaryFolder('systemd');
after(() => folder.remove());

const text = (unit: string) => readFileSync(new URL(`../../deploy/${unit}`, import.meta.url), 'utf8');
const analyze = (...args: string[]) => run([requireTool('systemd-analyze', 'systemd'), ...args]);

/** A copy whose program exists: verify wants to see it, and this machine need not have the proxy under /opt. */
function copies(change = (content: string) => content): string[] {
  return UNITS.map((unit) => folder.file(unit, change(text(unit).replaceAll(PROGRAM, '/bin/true'))));
}

/** The value of a setting that stands once. */
function setting(unit: string, name: string): string | undefined {
  const found = [...text(unit).matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))];
  assert.ok(found.length <= 1, `${name} stands ${found.length} times`);
  return found[0]?.[1];
}

test('systemd has nothing to say against the units', async () => {
  const { code, output } = await analyze('verify', '--man=no', ...copies());
  assert.equal(code, 0, output);
  assert.equal(output.trim(), '');
});

test('the check would find a mistake', async () => {
  const { output } = await analyze(
    'verify',
    '--man=no',
    ...copies((unit) => unit.replace('NoNew', 'NoNews')),
  );
  assert.match(output, /NoNewsPrivileges/);
});

// The thresholds are tenths of systemd's exposure level: 0 is walled in, 100 wide open. What remains is what a
// network server needs: sockets, a low port, and memory that is written and run.
for (const [unit, threshold] of [
  ['teapop-proxy.service', 20],
  ['teapop-proxy-sync.service', 25],
  ['teapop-proxy-sync-watch.service', 25],
] as const) {
  test(`${unit} is walled in`, async () => {
    const path = folder.file(unit, text(unit));
    const args = ['security', '--offline=true', '--no-pager', `--threshold=${threshold}`, path];
    const { code, output } = await analyze(...args);
    assert.equal(
      code,
      0,
      output
        .split('\n')
        .filter((line) => line.startsWith('✗') || line.startsWith('→'))
        .join('\n'),
    );
    assert.equal(setting(unit, 'MemoryDenyWriteExecute'), undefined, 'the runtimes compile to memory');
  });
}

test('the service waits for the sessions longer than the proxy does', () => {
  const schema = jsonSchema() as {
    properties: Record<string, { properties: Record<string, { default: string }> }>;
  };
  const grace = schema.properties.shutdown!.properties.grace!.default;
  const patience = /^(\d+)s$/.exec(setting('teapop-proxy.service', 'TimeoutStopSec')!)![1];
  assert.ok(Number(patience) * 1_000 >= parseDuration(grace) + 10_000, `${patience} s for ${grace}`);
});

test('descriptors for every session that the default config lets in', () => {
  const schema = jsonSchema() as {
    properties: Record<string, { properties: Record<string, { default: number }> }>;
  };
  const sessions = schema.properties.limits!.properties.connections!.default;
  assert.ok(Number(setting('teapop-proxy.service', 'LimitNOFILE')) > 2 * sessions + 1_000);
});
