import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwordFileFault } from '../../../src/tables/teapop/diagnostics.ts';
import {
  type PasswordFileOptions,
  PasswordFileReader,
  parsePasswordFile,
  REMEMBERED_USERIDS,
} from '../../../src/tables/teapop/password-file.ts';

const FILE = '/etc/acme.passwd';
const TEXT: PasswordFileOptions = { type: 'textfile', max: 100 };
const HTPASSWD: PasswordFileOptions = { type: 'htpasswd', max: 100 };

const parse = (text: string, options = TEXT) => parsePasswordFile(text, FILE, options);
const userids = (text: string, options = TEXT) => parse(text, options).parsed.map((row) => row.userid);
const codes = (text: string, options = TEXT) =>
  parse(text, options).diagnostics.map(({ line, severity, code }) => `${line} ${severity} ${code}`);

test('reads the rows of a textfile', () => {
  const { parsed, rows, end, lockedOut, diagnostics } = parse(
    '# users\njohn:j04n4CmE:/var/spool/mail/johnacme\n \tann: p;w#:m:b \n::\n',
  );
  assert.deepEqual(parsed, [
    { type: 'textfile', userid: 'john', password: 'j04n4CmE', mailbox: '/var/spool/mail/johnacme', line: 2 },
    { type: 'textfile', userid: 'ann', password: ' p;w#', mailbox: 'm:b ', line: 3 },
    { type: 'textfile', userid: '', password: '', mailbox: '', line: 4 },
  ]);
  assert.deepEqual(
    { rows, end, lockedOut, diagnostics },
    {
      rows: 3,
      end: { reason: 'end-of-file', line: 4 },
      lockedOut: 0,
      diagnostics: [],
    },
  );
});

test('reads the rows of an htpasswd file; the mailbox is the userid', () => {
  const { parsed, diagnostics } = parse('ann:$1$s$h\nbob:hash:1:2:Bob\n', HTPASSWD);
  assert.deepEqual(parsed, [
    { type: 'htpasswd', userid: 'ann', hash: '$1$s$h', mailbox: 'ann', line: 1 },
    { type: 'htpasswd', userid: 'bob', hash: 'hash', mailbox: 'bob', line: 2 },
  ]);
  assert.deepEqual(diagnostics, []);
});

test('ends at a blank line and tells who is behind it', () => {
  for (const blank of ['', ' \t', '\r']) {
    const text = `ann:pw:1\n${blank}\nbob:pw:2\n# c\ncid:pw:3\n`;
    const { parsed, end, lockedOut, diagnostics } = parse(text);
    assert.equal(parsed.length, 1);
    assert.deepEqual(end, { reason: 'blank-line', line: 2 });
    assert.equal(lockedOut, 2);
    assert.deepEqual(codes(text), ['2 error blank-line', '3 error past-end', '5 error past-end']);
    assert.match(diagnostics[0]!.reason, /2 users/);
    assert.match(diagnostics[1]!.reason, /'bob'.*line 2/);
  }
  assert.deepEqual(codes('ann:pw:1\n\n'), ['2 warning blank-line'], 'nobody is behind it yet');
});

test('ends at a line that lacks a colon', () => {
  assert.deepEqual(codes('ann:pw:1\nbob:pw\ncid:pw:3\noops\n\ndan:pw:4\n'), [
    '2 error missing-colon',
    '3 error past-end',
    '4 error corrupt-line',
    '6 error past-end',
  ]);
  assert.deepEqual(codes('ann:h\nbob\ncid:h\n', HTPASSWD), ['2 error missing-colon', '3 error past-end']);
});

test('ends behind max lines, comments and lost lines uncounted', () => {
  const text = `#\n${'x'.repeat(600)}\nann:pw:1\n;\nbob:pw:2\ncid:pw:3\n\ndan:pw:4\n`;
  const options = { ...TEXT, max: 2 };
  const { end, lockedOut, diagnostics } = parse(text, options);
  assert.deepEqual(userids(text, options), ['ann', 'bob']);
  assert.deepEqual(end, { reason: 'max', line: 6 });
  assert.equal(lockedOut, 2);
  assert.deepEqual(codes(text, options), [
    '2 error line-too-long',
    '6 error past-max',
    '6 error max',
    '8 error past-max',
  ]);
  assert.match(diagnostics[2]!.reason, /only 2 lines .* 2 users/);
});

test('is silent about max where it locks nobody out', () => {
  assert.deepEqual(codes('ann:pw:1\n', { ...TEXT, max: 1 }), []);
  assert.deepEqual(codes('ann:pw:1\n\n', { ...TEXT, max: 1 }), []);
  assert.deepEqual(userids('ann:pw:1\n', { ...TEXT, max: 0 }), []);
});

test('tells users whose line is lost', () => {
  assert.deepEqual(codes('ann:pw:1\nbob:pw:2'), ['2 error missing-newline']);
  assert.match(parse('bob:pw:2').diagnostics[0]!.reason, /'bob' cannot log in/);
  assert.deepEqual(codes(`${'b'.repeat(600)}:pw:2\n`), ['1 error line-too-long']);
  assert.deepEqual(codes('ann:p\0w:1\nbob:pw:2\ncid:pw:3\n'), ['1 error nul-octet', '2 error swallowed']);
  assert.deepEqual(userids('ann:p\0w:1\nbob:pw:2\ncid:pw:3\n'), ['cid']);
  assert.equal(parse('ann:p\0w:1\nbob:pw:2\ncid:pw:3').lockedOut, 3);
  assert.deepEqual(codes('#\0\nbob:pw:2\n'), ['1 error nul-octet', '2 error swallowed']);
  assert.deepEqual(codes(`# ${'x'.repeat(600)}\n# end`), []);
});

test('tells duplicates, which all count', () => {
  const text = 'ann:1:a\nbob:2:b\nann:3:c\nAnn:4:d\n';
  assert.deepEqual(codes(text), ['3 warning duplicate']);
  assert.match(parse(text).diagnostics[0]!.reason, /'ann' stands in line 1/);
  assert.deepEqual(userids(text), ['ann', 'bob', 'ann', 'Ann']);
});

test('remembers only so many userids', () => {
  const reader = new PasswordFileReader(FILE, { ...TEXT, max: 1_000_000 });
  for (let i = 0; i < REMEMBERED_USERIDS; i++) reader.push(`u${i}:p:m\n`);
  reader.push('new:p:m\nnew:p:m\nu0:p:m\n');
  const { rows, diagnostics } = reader.end();
  assert.equal(rows, REMEMBERED_USERIDS + 3);
  assert.deepEqual(
    diagnostics.map(({ line }) => line),
    [REMEMBERED_USERIDS + 3],
  );
});

test('tells a CR in a mailbox or a hash', () => {
  assert.deepEqual(codes('ann:pw:m\r\n'), ['1 warning cr-in-mailbox']);
  assert.deepEqual(codes('ann:h\r\nbob:h:\r\n', HTPASSWD), ['1 error cr-in-hash']);
});

test('reports on many users are bounded, and counted beyond', () => {
  const { lockedOut, diagnostics } = parse(`\n${'ann:pw:1\n'.repeat(1000)}`);
  assert.equal(lockedOut, 1000);
  assert.equal(diagnostics.length, 1 + 100 + 1);
  assert.match(diagnostics.at(-1)!.reason, /^and 900 more of 'past-end'/);
});

test('no report holds a password', () => {
  const texts = ['s3cret', 'ann:s3cret', 'ann:s3cret:m', 'ann:s3cret:m\r', '\0s3cret', 'ann:\0s3cret:m'];
  for (const text of texts) {
    for (const before of ['', 'ann:s3cret:m\n', '\n', 'bob:s3cret\n', '\0\n', `${'x'.repeat(520)}\n`]) {
      for (const after of ['', '\n', '\nann:s3cret:m\n', `${'s3cret'.repeat(100)}\n`]) {
        const { diagnostics } = parse(before + text + after, { ...TEXT, max: 1 });
        assert.ok(!JSON.stringify(diagnostics).includes('s3cret'), JSON.stringify([before, text, after]));
      }
    }
  }
});

test('hands rows over as soon as they are complete', () => {
  const reader = new PasswordFileReader(FILE, TEXT);
  assert.deepEqual(reader.push('ann:pw'), []);
  assert.equal(reader.push(Buffer.from(':1\nbob:pw:2\ncid')).length, 2);
  assert.equal(reader.push(':pw:3\n').length, 1);
  assert.equal(reader.end().rows, 3);
});

test('tells a password file that cannot be read by the line that names it', () => {
  const ref = { id: '0', path: '/etc/no\n', type: 'textfile', max: 1, line: 7 } as const;
  for (const fault of ['missing', 'unreadable', 'not-regular', 'linked'] as const) {
    const found = passwordFileFault('/etc/teapop.passwd', ref, fault);
    assert.deepEqual([found.severity, found.line, found.code], ['error', 7, `password-file-${fault}`]);
    assert.match(found.reason, /'\/etc\/no\\x0a'/);
  }
});
