import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DomainTableReader,
  missingDomainTable,
  namesToResolve,
  parseDomainTable,
  withResolved,
} from '../../../src/tables/teapop/domain-table.ts';
import type { Accounts } from '../../../src/tables/teapop/model.ts';
import { tableId } from '../../../src/tables/teapop/table-id.ts';

const FILE = '/etc/teapop.passwd';
const ACME = 'acme.com:*:textfile:/mb:2:johnacme:mail:/etc/acme.passwd:10:';

const parse = (text: string, accounts?: Accounts) =>
  parseDomainTable(text, FILE, accounts === undefined ? {} : { accounts });
const codes = (text: string, accounts?: Accounts) =>
  parse(text, accounts).diagnostics.map(({ line, code }) => `${line} ${code}`);

test('compiles an entry of each type', () => {
  const { entries, passwordFiles, diagnostics } = parse(
    [
      'Acme.COM:*:TextFile:/mb:2:johnacme:mail:/etc/acme.passwd:10:',
      'b.example:192.0.2.7:htpasswd::0:65534:+:/etc/b.passwd:5:',
      'c.example::passwd:/var/mail:0:',
      'd.example::passwd:/var/mail:0:mail::junk',
      'e.example:*:reject',
      '',
    ].join('\n'),
  );
  const acme = tableId('textfile', '/etc/acme.passwd', 10);
  const b = tableId('htpasswd', '/etc/b.passwd', 5);
  const common = {
    localAddress: '*',
    maildir: '',
    hashLevels: 0,
    uid: '',
    gid: '',
    table: null,
    lockedOut: null,
  };
  const passwd = { type: 'passwd', maildir: '/var/mail', gid: '+' };
  assert.deepEqual(entries, [
    {
      ...common,
      ordinal: 0,
      line: 1,
      domain: 'acme.com',
      type: 'textfile',
      maildir: '/mb',
      hashLevels: 2,
      uid: 'johnacme',
      gid: 'mail',
      table: acme,
    },
    {
      ...common,
      ordinal: 1,
      line: 2,
      domain: 'b.example',
      localAddress: '192.0.2.7',
      type: 'htpasswd',
      uid: '65534',
      gid: '+',
      table: b,
    },
    { ...common, ...passwd, ordinal: 2, line: 3, domain: 'c.example', uid: '+' },
    { ...common, ...passwd, ordinal: 3, line: 4, domain: 'd.example', uid: 'mail' },
    { ...common, ordinal: 4, line: 5, domain: 'e.example', type: 'reject' },
  ]);
  assert.deepEqual(passwordFiles, [
    { id: acme, type: 'textfile', path: '/etc/acme.passwd', max: 10, line: 1 },
    { id: b, type: 'htpasswd', path: '/etc/b.passwd', max: 5, line: 2 },
  ]);
  assert.deepEqual(diagnostics, []);
});

test('a passwd line that ends behind its hash has no uid, whatever follows', () => {
  const { entries, diagnostics } = parse('acme.com:*:passwd:/x:0:mail\n');
  assert.deepEqual([entries[0]!.uid, entries[0]!.gid, diagnostics], ['+', '+', []]);
});

test('names a table once, and another for another max', () => {
  const { entries, passwordFiles } = parse(
    `${ACME}\n${ACME.replace('acme', 'b')}\n${ACME.replace('10', '11')}\n`,
  );
  assert.equal(entries[0]!.table, entries[1]!.table);
  assert.deepEqual(
    passwordFiles.map(({ max, line }) => [max, line]),
    [
      [10, 1],
      [11, 3],
    ],
  );
});

test('tells each line that it ignores, and why', () => {
  const cases: Record<string, string[]> = {
    'acme.com\n': ['1 missing-colon'],
    'acme.com:*\n': ['1 missing-colon'],
    'acme.com:*:textfile\n': ['1 missing-colon'],
    'acme.com:*:passwd:/x\n': ['1 missing-colon'],
    'acme.com:*:passwd:/x:0\n': ['1 missing-colon'],
    'acme.com:*:passwd:/x:0::\n': ['1 passwd-colons'],
    [`${ACME.slice(0, -1)}\n`]: ['1 missing-colon'],
    'acme.com:63.73.48.3:textfile::0:johnacme:mail:/usr/local/etc/acme.com.passwd\n': ['1 missing-colon'],
    'acme.com:*:bogus:/x:0:\n': ['1 unknown-type'],
    'acme.com:*:constructor:/x:0:\n': ['1 unknown-type'],
    'acme.com:*:reject\r\n': ['1 cr-after-reject'],
    'acme.com:*:MySQL:/x:0:a:b:h:1:d:u:p:t:u:p:m:\n': ['1 foreign-type'],
    'acme.com:*:ldap:/x:0:h:1:o=x:simple:\n': ['1 foreign-type'],
    [ACME]: ['1 missing-newline'],
    [`${'x'.repeat(511)}\n`]: ['1 line-too-long'],
    [`${ACME}\0\n${ACME}\n`]: ['1 nul-octet', '2 swallowed'],
    'acme.com:*:textfile:/x:0:a:b:/p#q:10:\n': ['1 missing-colon'],
  };
  for (const [text, expected] of Object.entries(cases)) {
    const { entries, diagnostics } = parse(text);
    assert.deepEqual(entries, [], text);
    assert.deepEqual(
      diagnostics.map(({ line, code }) => `${line} ${code}`),
      expected,
      text,
    );
    for (const { severity, file, reason, cure } of diagnostics) {
      assert.equal(severity, 'error');
      assert.equal(file, FILE);
      assert.ok(reason !== '' && cure !== '', text);
    }
  }
});

test('says which colon is missing and what the line looks like', () => {
  const [found] = parse('acme.com:*:textfile::0:johnacme:mail:/etc/acme.passwd\n').diagnostics;
  assert.match(found!.reason, /the ':' after <passwordfile> is missing.*'acme\.com'/);
  assert.match(found!.cure, /<passwordfile>:<max>:$/);
  const [cut] = parse('acme.com:*:textfile:/x:0:a:b:/p#q:10:\n').diagnostics;
  assert.match(cut!.reason, /inside the line cut its rest off/);
});

test('is silent about what says nothing', () => {
  const silent = [
    '',
    '\n',
    '   \n',
    '# a\n',
    ';b',
    '  # no newline',
    `# ${'x'.repeat(600)}\n`,
    '#:*:reject\n',
  ];
  for (const text of silent) assert.deepEqual(codes(text), [], JSON.stringify(text));
});

test('tells entries that let nobody in, each fault of theirs', () => {
  const accounts: Accounts = {
    hasUser: (name) => name === 'johnacme',
    hasGroup: (name) => name === 'mail',
    hasUid: (uid) => uid === 500,
    hasGid: (gid) => gid === 12,
  };
  const line = (uid: string, gid: string, path = '/p', max = '10') =>
    `acme.com:*:textfile:/mb:0:${uid}:${gid}:${path}:${max}:\n`;
  const cases: Record<string, string[]> = {
    [line('johnacme', 'mail')]: [],
    [line('500', '12')]: [],
    [line('+', '+')]: [],
    [line('', '')]: ['1 blank-uid', '1 blank-gid'],
    [line('0', '501')]: ['1 unknown-uid', '1 unknown-gid'],
    [line('-1', 'mail2')]: ['1 unknown-uid', '1 unknown-gid'],
    [line('johnacme', 'mail', '', '')]: ['1 max-zero', '1 blank-password-file'],
    [line('johnacme', 'mail', '/p', '-1')]: ['1 max-zero'],
    'acme.com:*:passwd:/x:0:nobody:mail:\n': ['1 unknown-uid'],
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.deepEqual(codes(text, accounts), expected, text);
    const { entries, passwordFiles } = parse(text, accounts);
    assert.equal(entries[0]!.lockedOut !== null, expected.length > 0, text);
    assert.equal(passwordFiles.length, expected.length > 0 || text.includes('passwd:/x') ? 0 : 1, text);
  }
});

test('takes any number above 0 where accounts are known by name alone', () => {
  const accounts: Accounts = { hasUser: () => false, hasGroup: () => false };
  assert.deepEqual(codes('acme.com:*:textfile:/mb:0:1:2:/p:10:\n', accounts), []);
});

test('hash levels are what atoi makes of them, within bounds', () => {
  const cases: [string, number, string[]][] = [
    ['2', 2, []],
    ['', 0, []],
    ['510', 510, []],
    ['511', 0, ['1 bad-hash']],
    ['-1', 0, ['1 bad-hash']],
    ['2x', 2, ['1 bad-hash']],
    ['x', 0, ['1 bad-hash']],
  ];
  for (const [written, levels, expected] of cases) {
    const text = `acme.com:*:passwd:/x:${written}:\n`;
    assert.equal(parse(text).entries[0]!.hashLevels, levels, written);
    assert.deepEqual(codes(text), expected, written);
  }
});

test('warns of what teapop takes in another way than it looks', () => {
  assert.deepEqual(codes('acme.com:*:passwd:/x:0:jo#hn:mail:\n'), ['1 cut-off']);
  assert.deepEqual(codes('acme.com:*:reject:#x\nb.example:*:reject ; x\n'), []);
  assert.deepEqual(codes('\tacme.com:*:reject:\nb.example :*:reject\n'), [
    '1 blank-around-domain',
    '2 blank-around-domain',
  ]);
  assert.deepEqual(codes('*.acme.com:*:reject:\n'), ['1 no-wildcards']);
  assert.deepEqual(codes('acme.com:1.2.3.256:reject:\n'), ['1 bad-localip']);
});

test('finds entries that no login reaches', () => {
  const reject = (domain: string, localip: string) => `${domain}:${localip}:reject:\n`;
  assert.deepEqual(codes(reject('a', '*') + reject('A', '192.0.2.7')), ['2 unreachable']);
  assert.deepEqual(codes(reject('a', '192.0.2.7') + reject('a', '192.0.2.7')), ['2 unreachable']);
  assert.deepEqual(codes(reject('a', '192.0.2.7') + reject('a', '*')), []);
  assert.deepEqual(codes(reject('a', 'host') + reject('a', 'HOST') + reject('a', 'host')), ['3 unreachable']);
  assert.deepEqual(codes(reject('empty', '*') + reject('', '*')), ['2 unreachable']);
  assert.deepEqual(codes(reject('', '*') + reject('empty', '*')), [], 'user@empty still goes there');
  assert.match(parse(reject('a', '*') + reject('b', '') + reject('a', '')).diagnostics[0]!.reason, /line 1 /);
});

test('leaves names in localip fields to the caller', () => {
  const { entries, diagnostics } = parse(
    'a:pop.acme.com:reject:\nb:127.1:reject:\nc:pop.acme.com:reject:\nd:x y:reject:\n',
  );
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(namesToResolve(entries), ['pop.acme.com', 'x y']);
  assert.deepEqual(
    withResolved(entries, (name) => (name === 'x y' ? null : '192.0.2.7')).map((entry) => entry.localAddress),
    ['192.0.2.7', '127.0.0.1', '192.0.2.7', ''],
  );
});

test('without resolving, a localip is compared as it is written', () => {
  const { entries, diagnostics } = parseDomainTable(
    'a:host:reject:\nb:127.1:reject:\nc:127.0.0.1:reject:\n',
    FILE,
    {
      resolve: false,
    },
  );
  assert.deepEqual(
    entries.map((entry) => entry.localAddress),
    ['', '', '127.0.0.1'],
  );
  assert.deepEqual(namesToResolve(entries), []);
  assert.equal(diagnostics.length, 2);
});

test('quotes names so that they cannot draw on a terminal', () => {
  const [found] = parse('\x1b[2J\xff:*:bogus:/x:0:\n').diagnostics;
  assert.match(found!.reason, /'\\x1b\[2J\\xff'/);
});

test('no report holds a password of a database line', () => {
  const line = 'acme.com:*:mysql:/x:0:a:b:host:3306:db:user:s3cret:t:u:p:m';
  for (let length = 1; length <= line.length; length++) {
    for (const ending of ['\n', '', '\0\n', '#\n']) {
      const text = JSON.stringify(parse(line.slice(0, length) + ending).diagnostics);
      assert.ok(!text.includes('s3cret'), text);
    }
  }
});

test('reports of one kind are bounded, and counted beyond', () => {
  const { diagnostics } = parse(`${'bogus\n'.repeat(250)}acme.com:*:bogus:/x:0:\n`);
  assert.equal(diagnostics.filter(({ line, code }) => line > 0 && code === 'missing-colon').length, 100);
  assert.equal(
    diagnostics.filter(({ code }) => code === 'unknown-type').length,
    1,
    'a rare one is not hidden',
  );
  assert.match(diagnostics.at(-1)!.reason, /^and 150 more of 'missing-colon'/);
});

test('without a file, host accounts alone can log in, and only without a domain', () => {
  const { entries, passwordFiles, diagnostics } = missingDomainTable(FILE, '/var/spool/mail');
  assert.deepEqual(entries, [
    {
      ordinal: 0,
      line: 0,
      domain: 'empty',
      localAddress: '*',
      type: 'passwd',
      maildir: '/var/spool/mail',
      hashLevels: 0,
      uid: '+',
      gid: '+',
      table: null,
      lockedOut: null,
    },
  ]);
  assert.deepEqual(passwordFiles, []);
  assert.equal(diagnostics[0]!.code, 'no-domain-table');
});

test('reads octet by octet as it does whole', () => {
  const text = `${ACME}\n\0\nlost:*:reject:\nb:*:reject:\nbogus\nlast`;
  const reader = new DomainTableReader(FILE);
  for (const octet of text) reader.push(octet);
  assert.deepEqual(reader.end(), parse(text));
});
