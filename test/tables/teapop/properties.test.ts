import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainTableReader, parseDomainTable } from '../../../src/tables/teapop/domain-table.ts';
import { type LineFault, LineReader } from '../../../src/tables/teapop/lines.ts';
import { localUser } from '../../../src/tables/teapop/local-user.ts';
import { DEFAULT_DIVIDERS, lookup, splitLogin } from '../../../src/tables/teapop/lookup.ts';
import {
  PasswordFileReader,
  type PasswordRow,
  parsePasswordFile,
} from '../../../src/tables/teapop/password-file.ts';
import { memoryTables } from '../../support/memory-tables.ts';

const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const octets = fc.string({ unit: octet, maxLength: 80 });

/** Pieces that files are made of, so that the octets come near to being lines. */
const piece = fc.oneof(
  octets,
  fc.constantFrom('\n', '\n', ':', ':', ':', ' ', '\t', '\r\n', '#', ';', '\0', '*', '+', '10', '127.0.0.1'),
  fc.constantFrom(
    'acme.com:*:textfile:/m:0:a:b:/p:',
    'x:*:reject',
    'a:*:passwd:/x:0:',
    'john:pw:box\n',
    'john:pw',
  ),
  fc.integer({ min: 505, max: 515 }).map((length) => 'l'.repeat(length)),
);
const fileText = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
const type = fc.constantFrom('textfile' as const, 'htpasswd' as const);
const max = fc.oneof(fc.integer({ min: -1, max: 5 }), fc.constant(1000));

/** The text in chunks that end where the given octets, taken as lengths, put their ends. */
function chunked(text: string, lengths: readonly number[]): string[] {
  const chunks: string[] = [];
  let from = 0;
  for (const length of lengths) {
    chunks.push(text.slice(from, from + length));
    from += length;
  }
  return [...chunks, text.slice(from)];
}

const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 30 });

test('lines are those of fgets(3) with 512 octets, run over the whole text', () => {
  fc.assert(
    fc.property(fileText, lengths, (text, cuts) => {
      const seen: [string, LineFault | null][] = [];
      const reader = new LineReader((line, _, fault) => seen.push([line, fault]));
      for (const chunk of chunked(text, cuts)) reader.push(Buffer.from(chunk, 'latin1'));
      reader.end();
      const whole = seen.filter(([, fault]) => fault === null).map(([line]) => line);
      assert.deepEqual(whole, linesOfFgets(text));
    }),
    { numRuns: 500 },
  );
});

/** What C keeps: a buffer whose string ends in a newline, unless one before it did not and is still unended. */
function linesOfFgets(text: string): string[] {
  const buffers = text.match(/[^\n]{0,510}\n|[^\n]{1,511}/g) ?? [];
  const lines: string[] = [];
  let discarding = false;
  for (const buffer of buffers) {
    const ended = buffer.split('\0')[0]!.endsWith('\n');
    if (ended && !discarding) lines.push(buffer.slice(0, -1));
    discarding = !ended;
  }
  return lines;
}

test('a domain table of any octets compiles to the same, however it is chunked', () => {
  fc.assert(
    fc.property(fileText, lengths, (text, cuts) => {
      const reader = new DomainTableReader('f');
      for (const chunk of chunked(text, cuts)) reader.push(chunk);
      assert.deepEqual(reader.end(), parseDomainTable(text, 'f'));
    }),
    { numRuns: 500 },
  );
});

test('a password file of any octets reads the same, however it is chunked', () => {
  fc.assert(
    fc.property(fileText, lengths, type, max, (text, cuts, type, max) => {
      const reader = new PasswordFileReader('f', { type, max });
      const parsed: PasswordRow[] = chunked(text, cuts).flatMap((chunk) =>
        reader.push(Buffer.from(chunk, 'latin1')),
      );
      const whole = parsePasswordFile(text, 'f', { type, max });
      assert.deepEqual({ ...reader.end(), parsed }, whole);
      assert.ok(parsed.length <= Math.max(0, max));
    }),
    { numRuns: 500 },
  );
});

test('reports are printable, have a place, and hold no password', () => {
  fc.assert(
    fc.property(fileText, type, max, (text, type, max) => {
      const secret = 'S3cretS3cret';
      const marked = text.replaceAll(':pw', `:${secret}`);
      const { diagnostics } = parsePasswordFile(marked, 'f', { type, max });
      for (const { line, code, reason, cure } of [
        ...diagnostics,
        ...parseDomainTable(text, 'f').diagnostics,
      ]) {
        assert.match(reason + cure, /^[\x20-\x7e…]+$/);
        assert.match(code, /^[a-z-]+$/);
        assert.ok(line >= 0 && !reason.includes(secret));
      }
    }),
  );
});

/** No octet that ends a field, a line or a C string. */
const field = fc.string({ unit: octet.filter((c) => !':\n\0'.includes(c)), maxLength: 100 });
const userid = field.filter((text) => !/^[\s#;]/.test(text) && !text.startsWith('\xa0'));

test('a userid, a password and a mailbox of any octets come out as they went in', () => {
  fc.assert(
    fc.property(userid, field, field, (user, password, mailbox) => {
      const text = `# c\n${user}:${password}:${mailbox}\n`;
      const { parsed } = parsePasswordFile(Buffer.from(text, 'latin1'), 'f', { type: 'textfile', max: 1 });
      assert.deepEqual(parsed, [{ type: 'textfile', userid: user, password, mailbox, line: 2 }]);
    }),
  );
});

test('whoever stands in the file is found by the login that names him, and nobody else is', async () => {
  const loginName = userid.filter((user) => !/[@% ]/.test(user));
  const domain = fc.string({
    unit: octet.filter((c) => !':\n\0;#'.includes(c)),
    minLength: 1,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(loginName, domain, field, async (user, domain, other) => {
      const name = `x${domain}x`;
      const store = memoryTables({
        domainTable: `${name}:*:textfile:/m:0:a:b:/p:10:\n`,
        passwordFiles: { '/p': `${user}:pw:box\n` },
      });
      const found = await lookup(store, `${user}@${name}`, '', DEFAULT_DIVIDERS);
      assert.ok(found.result === 'rows');
      assert.deepEqual(found.rows, [{ secret: '{PLAIN}pw', mailbox: 'box', line: 1 }]);
      const stranger = await lookup(store, `${other}@${name}`, '', DEFAULT_DIVIDERS);
      assert.equal(
        stranger.result === 'rows',
        splitLogin(`${other}@${name}`, '@%').userid === user && !/[@%]/.test(other),
      );
    }),
  );
});

test('a local user never holds an octet that could reach into a command or a path', () => {
  const rule = fc.constantFrom('mailbox', 'userid', 'uid', '{userid}@{domain}', 'x{mailbox}');
  fc.assert(
    fc.property(rule, octets, octets, octets, octets, (rule, userid, domain, mailbox, uid) => {
      const name = localUser(rule, { type: 'textfile', userid, domain, mailbox, uid });
      assert.ok(name === null || (/^[^\x00-\x1f\x7f/]+$/.test(name) && name !== '.' && name !== '..'));
    }),
  );
});
