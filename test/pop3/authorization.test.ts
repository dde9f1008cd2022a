import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { converse, Driver, text } from './drive.ts';

const OK_USER = '+OK Send the password\r\n';
const FAILED = '-ERR [AUTH] Login failed\r\n';
const UNKNOWN = '-ERR Unknown command\r\n';
const TOO_LONG = '-ERR Line too long\r\n';
const login = (user: string, password: string) =>
  `authenticate ${JSON.stringify(['USER', user, password, ''])}`;

describe('commands before the login', () => {
  it('greets at once', () => {
    assert.equal(text(new Driver().machine.greet()), '+OK teapop ready\r\n');
  });

  it('takes any letter case, CRLF and bare LF', () => {
    assert.deepEqual(converse('NOOP\r\nnoop\nNoOp\r\n'), ['+OK\r\n', '+OK\r\n', '+OK\r\n']);
  });

  it('lets spaces behind a command without arguments pass, but no argument', () => {
    assert.deepEqual(converse('NOOP  \r\nNOOP x\r\n'), ['+OK\r\n', '-ERR Wrong arguments\r\n']);
  });

  it('answers QUIT with +OK and closes; what is behind it is not run', () => {
    assert.deepEqual(converse('QUIT\r\nNOOP\r\nUSER a\r\n'), ['+OK Bye\r\n', 'close quit']);
  });

  it('refuses other commands, an empty line and a command of the TRANSACTION state without echo', () => {
    for (const line of [
      'STAT',
      '',
      ' NOOP',
      'NOOPS',
      'N\xefOP',
      'XYZZY <script>',
      'APOP a b',
      'UTF8',
      'USERjohn',
    ]) {
      assert.deepEqual(converse(`${line}\r\n`), [UNKNOWN], line);
    }
  });

  it('takes no octet but a letter for a letter', () => {
    // Setting bit 5 makes a letter of 0x55 and of 0x75 alone, but of 0x35 and 0x15 the digit 5.
    for (let code = 0; code < 256; code++) {
      if (code === 0x0a) continue;
      const [reply] = new Driver().feed(`N${String.fromCharCode(code)}OP\r\n`).transcript;
      assert.equal(reply === '+OK\r\n', code === 0x4f || code === 0x6f, `octet ${code}`);
    }
  });

  it('names the last command for the log and never a line', () => {
    const driver = new Driver({ settings: { badCommands: 9 } });
    const named = (line: string) => driver.feed(`${line}\r\n`).machine.lastCommand;
    assert.equal(driver.machine.lastCommand, null);
    assert.equal(named('user secretname'), 'USER');
    assert.equal(named('secretword'), 'unknown');
    assert.equal(named('a'.repeat(300)), 'unknown');
    assert.equal(named('auth LOGIN'), 'AUTH');
    assert.equal(named('QUIT'), 'AUTH');
  });
});

describe('USER and PASS', () => {
  it('logs in with the octets of both lines', () => {
    assert.deepEqual(converse('USER john@acme.com\r\nPASS j04n\r\n'), [
      OK_USER,
      login('john@acme.com', 'j04n'),
      FAILED,
    ]);
  });

  it('answers USER with +OK whoever it is', () => {
    assert.deepEqual(converse('USER nobody\r\nUSER \xff\xfe\r\nUSER  a b \r\n'), [OK_USER, OK_USER, OK_USER]);
  });

  it('keeps every space and 8-bit octet of name and password', () => {
    assert.deepEqual(converse('USER  a  b \r\nPASS  \xe4 x  \r\n'), [
      OK_USER,
      login(' a  b ', ' \xe4 x  '),
      FAILED,
    ]);
  });

  it('refuses USER and PASS without an argument, with one reply each', () => {
    assert.deepEqual(converse('USER\r\nUSER \r\nUSER a\r\nPASS\r\nPASS x\r\n'), [
      '-ERR Wrong arguments\r\n',
      '-ERR Wrong arguments\r\n',
      OK_USER,
      '-ERR Wrong arguments\r\n',
      login('a', 'x'),
      FAILED,
    ]);
  });

  it('takes an empty password behind "PASS " as one that fails', () => {
    assert.deepEqual(converse('USER a\r\nPASS \r\n'), [OK_USER, login('a', ''), FAILED]);
  });

  it('refuses PASS before USER', () => {
    assert.deepEqual(converse('PASS x\r\n'), ['-ERR Send USER first\r\n']);
  });

  it('lets a second USER replace the first', () => {
    assert.deepEqual(converse('USER a\r\nUSER b\r\nPASS x\r\n'), [OK_USER, OK_USER, login('b', 'x'), FAILED]);
  });

  it('lets CAPA and NOOP stand between USER and PASS', () => {
    const transcript = converse('USER a\r\nCAPA\r\nNOOP\r\nAUTH\r\nPASS x\r\n');
    assert.deepEqual(transcript.slice(4), [login('a', 'x'), FAILED]);
  });

  it('forgets the user after a failed login', () => {
    assert.deepEqual(converse('USER a\r\nPASS x\r\nPASS y\r\n').slice(2), [
      FAILED,
      '-ERR Send USER first\r\n',
    ]);
  });

  it('does not log in as the user before a USER that was refused', () => {
    for (const refused of ['USER', `USER ${'b'.repeat(300)}`, 'USER b\0', 'USER b\rc', 'AUTH PLAIN *']) {
      const transcript = converse(`USER a\r\n${refused}\r\nPASS x\r\n`);
      assert.deepEqual(transcript.at(-1), '-ERR Send USER first\r\n', refused);
    }
  });

  it('never passes on NUL or CR in a name or password', () => {
    for (const lines of ['USER a\0b\r\n', 'USER a\rb\r\n', 'USER a\r\r\n']) {
      assert.deepEqual(converse(lines), ['-ERR NUL or CR inside a line\r\n']);
    }
    for (const pass of ['PASS x\0y\r\n', 'PASS x\rQUIT\r\n', 'PASS x\r\r\n']) {
      assert.deepEqual(converse(`USER a\r\n${pass}`), [OK_USER, '-ERR NUL or CR inside a line\r\n']);
    }
  });
});

describe('line limits', () => {
  it('takes 255 octets with CRLF', () => {
    const name = 'a'.repeat(255 - 'USER \r\n'.length);
    assert.deepEqual(converse(`USER ${name}\r\nPASS ${name}\r\n`), [OK_USER, login(name, name), FAILED]);
  });

  it('answers a longer line once and drops its rest', () => {
    for (const length of [256, 257, 510, 511, 4096, 20_000]) {
      const line = `PASS ${'QUIT\r'.repeat(length)}`.slice(0, length - 2);
      assert.deepEqual(converse(`${line}\r\nNOOP\r\n`), [TOO_LONG, '+OK\r\n'], `${length}`);
    }
  });

  it('answers it before its end has come', () => {
    assert.deepEqual(converse('a'.repeat(255)), [TOO_LONG]);
    assert.deepEqual(converse('a'.repeat(254)), []);
  });
});

describe('bad commands', () => {
  it('close at the limit', () => {
    assert.deepEqual(converse('X\r\n'.repeat(9)), [
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
      'close bad-commands',
    ]);
  });

  it('are all that is refused but a login: syntax, order, length, SASL, STLS', () => {
    const kinds = [
      'X',
      'USER',
      'PASS x',
      'b'.repeat(300),
      'a\0',
      'AUTH NTLM',
      'AUTH PLAIN *',
      'AUTH PLAIN !',
      'NOOP 1',
    ];
    for (const kind of kinds) {
      const transcript = converse(`${kind}\r\n`.repeat(5));
      assert.equal(transcript.length, 6, kind);
      assert.equal(transcript.at(-1), 'close bad-commands', kind);
    }
  });

  it('do not grow by commands that are answered with +OK or by logins', () => {
    const driver = new Driver().feed('NOOP\r\nCAPA\r\nAUTH\r\nUSER a\r\nPASS x\r\n'.repeat(2));
    assert.equal(driver.machine.badCommands, 0);
    assert.equal(driver.machine.failedLogins, 2);
  });
});

describe('other protocols on the plain port', () => {
  it('ends an HTTP request at its first line and reflects nothing', () => {
    const request = 'POST /<script>alert(1)</script> HTTP/1.1\r\nHost: evil\r\n\r\nUSER a\r\nPASS x\r\n';
    assert.deepEqual(converse(request), [UNKNOWN, 'close http-request']);
    for (const method of ['GET', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'DELETE', 'TRACE', 'PATCH']) {
      assert.equal(converse(`${method} / HTTP/1.0\r\n`).at(-1), 'close http-request');
    }
  });

  it('ends a TLS ClientHello at its first octet, without waiting for a line end', () => {
    const hello = `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'r'.repeat(500)}`;
    assert.deepEqual(converse(hello), [UNKNOWN, 'close tls-on-plain-port']);
  });

  it('does not take that octet for a ClientHello inside TLS', () => {
    assert.deepEqual(converse('\x16\x03\r\n', { tls: true }), [UNKNOWN]);
  });
});
