import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createLog } from '../../src/ops/log.ts';
import { END_REASONS, LOGIN_REASONS, LOGIN_RESULTS, UPSTREAM_FAILURES } from '../../src/ops/outcome.ts';
import { PHASES } from '../../src/ops/phase.ts';
import { families } from './families.ts';

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/operations.md', ROOT), 'utf8');

/** The cells of each row of the table whose head begins with this. */
function table(head: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  assert.ok(start >= 0, `no table with the head ${head}`);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands between backticks. */
const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

test('the table of metrics is what the proxy exposes: names, types and labels', async () => {
  const exposed = [...(await families())].map(([name, { type, labels }]) =>
    [name, type, ...labels.keys()].join(' '),
  );
  const documented = table('metric').map(([name = '', type = '', labels = '']) =>
    [...quoted(name), type, ...quoted(labels)].join(' '),
  );
  assert.deepEqual(documented.sort(), exposed.sort());
});

test('every result and reason of a login is explained', () => {
  const reasons = LOGIN_RESULTS.flatMap((result) =>
    LOGIN_REASONS[result].map((reason) => `${result} ${reason}`),
  );
  const documented = table('result').map(([result = '', reason = '']) =>
    [...quoted(result), ...quoted(reason)].join(' '),
  );
  assert.deepEqual(documented, reasons);
});

test('every end of a session is explained', () => {
  assert.deepEqual(
    table('end')
      .flatMap(([end = '']) => quoted(end))
      .sort(),
    [...END_REASONS].sort(),
  );
});

test('every failure of an upstream and every phase is named', () => {
  const meaning = (metric: string) => quoted(table('metric').find(([name]) => name === `\`${metric}\``)![3]!);
  assert.deepEqual(meaning('teapop_proxy_upstream_failures_total'), [...UPSTREAM_FAILURES]);
  assert.deepEqual([...meaning('teapop_proxy_sessions'), 'closed'], [...PHASES]);
});

test('the fields of a session are those of its line', async () => {
  const written: string[] = [];
  const log = createLog({ level: 'info', write: (lines) => void written.push(lines) });
  log.session({
    id: 'x',
    listener: 'pop3',
    client: { address: '192.0.2.1', port: 1 },
    local: { address: '192.0.2.2', port: 110 },
    via: null,
    login: null,
    authzid: null,
    mechanism: null,
    localUser: null,
    upstream: null,
    tls: null,
    result: 'none',
    reason: 'none',
    end: 'quit',
    command: null,
    attempts: 0,
    durations: { total: 1, lookup: null, verify: null, upstreamConnect: null, upstreamLogin: null },
    octets: { toClient: 0, toUpstream: 0 },
  });
  await log.flush();
  const line = JSON.parse(written.join(''));
  const documented = table('field');
  assert.deepEqual(
    documented.flatMap(([field = '']) => quoted(field)),
    Object.keys(line),
  );
  for (const name of ['durations', 'octets'] as const) {
    const [, meaning = ''] = documented.find(([field]) => field === `\`${name}\``)!;
    assert.deepEqual(quoted(meaning), Object.keys(line[name]));
  }
});

test('every event of the log is explained', () => {
  const sources = readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const raised = sources.flatMap((name) => {
    const source = readFileSync(new URL(`src/${name}`, ROOT), 'utf8');
    return [...source.matchAll(/\b(?:event|line)\(\s*[^,()]*'[a-z]+',\s*'([a-z-]+)'/g)].map(
      ([, event = '']) => event,
    );
  });
  const documented = table('event').flatMap(([event = '']) => quoted(event));
  assert.deepEqual([...new Set(raised)].filter((event) => event !== 'session').sort(), documented.sort());
});
