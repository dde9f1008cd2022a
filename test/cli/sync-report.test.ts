import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonReport, summary } from '../../src/cli/sync-report.ts';
import type { DomainChange, PublishReport } from '../../src/tables/publish/publication.ts';
import type { Diagnostic } from '../../src/tables/teapop/model.ts';

const TABLE = { id: 'f'.repeat(32), path: '/etc/users\xff', movedFrom: '/etc/old', users: 3, rows: 3 };
const NAMES = { added: ['eve', ''], changed: ['j\x1b[2Jx'], removed: ['bob'] };
const WARNING: Diagnostic = {
  severity: 'warning',
  file: '/etc/users',
  line: 3,
  code: 'duplicate',
  reason: 'twice',
  cure: 'remove one',
};

function report(changes: Partial<PublishReport> = {}): PublishReport {
  return {
    published: true,
    dryRun: false,
    generation: 7,
    domains: 12,
    entries: 12,
    domainsChanged: true,
    users: 3,
    rows: 3,
    tables: 1,
    unchangedTables: 0,
    changedTables: [{ ...TABLE, added: 2, changed: 1, removed: 1, hashed: 2, reused: 1, names: NAMES }],
    removedTables: [{ id: 'e'.repeat(32), path: '/etc/gone', users: 4 }],
    domainChanges: Array.from({ length: 12 }, (_, i) => change(i)),
    domainCounts: { added: 1, changed: 11, removed: 0 },
    changes: { domains: null, tables: new Map() },
    added: 2,
    changed: 1,
    removed: 5,
    hashed: 2,
    reused: 1,
    duration: 1234,
    ...changes,
  };
}

function change(i: number): DomainChange {
  const entry = i === 0 ? 'added' : 'same';
  return { domain: `d${i}.org`, entry, users: 3, added: 12 - i, changed: 0, removed: 1 };
}

test('the summary tells the biggest changes and how many more there are', () => {
  const lines = summary(report(), [WARNING], false).split('\n');
  assert.deepEqual(lines.slice(0, 5), [
    'published generation 7: 12 domains, 3 users in 1 password tables, 1.2 s',
    'users: 2 added, 1 changed, 5 removed',
    'passwords: 2 hashed, 1 kept',
    'domains: 1 added, 11 changed, 0 removed',
    '  d0.org: added; users: 12 added, 0 changed, 1 removed',
  ]);
  assert.deepEqual(lines.slice(13), [
    '  d9.org: users: 3 added, 0 changed, 1 removed',
    '  and 2 more domains (--verbose lists all)',
    'diagnostics: 0 errors, 1 warnings',
    '',
  ]);
});

test('verbose lists all domains and names the users, none of which upsets a terminal', () => {
  const text = summary(report(), [], true);
  assert.match(text, /^ {2}d11\.org: /m);
  assert.doesNotMatch(text, /more domains/);
  assert.match(
    text,
    /^ {2}\/etc\/users\\xff \(was \/etc\/old\)\n {4}added: eve ''\n {4}changed: j\\x1b\[2Jx\n {4}removed: bob$/m,
  );
  const many = report({ changedTables: [{ ...report().changedTables[0]!, movedFrom: null, names: null }] });
  assert.match(summary(many, [], true), /^ {2}\/etc\/users\\xff: too many users to list$/m);
});

test('what was not done is said so', () => {
  const dry = report({ dryRun: true });
  assert.match(summary(dry, [], false), /^dry run, would publish generation 7: .*2 would be hashed/s);
  const none = report({ published: false, dryRun: true });
  assert.match(summary(none, [], false), /^nothing had changed: /);
});

test('JSON has all of it in one line', () => {
  const text = jsonReport(report(), [WARNING]);
  assert.match(text, /^[^\n]+\n$/);
  const { changes, tables, ...rest } = JSON.parse(text);
  assert.deepEqual(rest, {
    status: 'published',
    generation: 7,
    seconds: 1.2,
    users: { all: 3, added: 2, changed: 1, removed: 5 },
    domains: { all: 12, added: 1, changed: 11, removed: 0 },
    passwords: { hashed: 2, kept: 1 },
    diagnostics: [WARNING],
  });
  assert.equal(changes.length, 12);
  assert.deepEqual(changes[0], change(0));
  assert.deepEqual(tables.removed, [{ path: '/etc/gone', users: 4 }]);
  assert.deepEqual(tables.changed, [
    {
      path: '/etc/users\\xff',
      moved_from: '/etc/old',
      ...{ users: 3, rows: 3, added: 2, changed: 1, removed: 1, hashed: 2, reused: 1 },
      names: { added: ['eve', ''], changed: ['j\\x1b[2Jx'], removed: ['bob'] },
    },
  ]);
});
