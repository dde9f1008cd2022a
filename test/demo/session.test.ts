import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Maildrop } from '../../src/demo/maildrop.ts';
import { type Account, MailstoreSession } from '../../src/demo/session.ts';

const FIRST = 'Subject: a\r\n\r\none\r\n.two\r\n.\r\n';
const SECOND = 'Subject: b\r\n\r\ncaf\xe9\r\n';

let accounts: Map<string, Account>;
let session: MailstoreSession;

beforeEach(() => {
  accounts = new Map([['john', { password: ' two words ', maildrop: new Maildrop([FIRST, SECOND]) }]]);
  session = new MailstoreSession(accounts);
});

function ask(line: string, on = session): string {
  return on.answer(line).reply;
}

function login(on = session): string {
  ask('USER john', on);
  return ask('PASS  two words ', on);
}

function refuses(...lines: string[]): void {
  for (const line of lines) assert.match(ask(line), /^-ERR [^\r\n]*\r\n$/, line);
}

describe('AUTHORIZATION', () => {
  test('greets without an offer of APOP', () => {
    assert.match(session.greeting(), /^\+OK [^<>\r\n]*\r\n$/);
  });

  test('logs in with every space of the password', () => {
    assert.equal(ask('USER john'), '+OK\r\n');
    assert.match(ask('PASS  two words '), /^\+OK .*2 messages\r\n$/);
  });

  test('refuses a wrong password, an unknown user and PASS without USER alike, and goes on', () => {
    refuses('PASS  two words ');
    for (const attempt of ['USER john', 'USER nobody', 'USER constructor', 'USER JOHN']) {
      assert.equal(ask(attempt), '+OK\r\n');
      assert.equal(ask('PASS two words'), '-ERR [AUTH] login failed\r\n');
    }
    assert.match(login(), /^\+OK/);
  });

  test('forgets the user after a failed PASS', () => {
    ask('USER john');
    ask('PASS wrong');
    refuses('PASS  two words ');
  });

  test('knows no command of the TRANSACTION state', () => {
    refuses('STAT', 'LIST', 'RETR 1', 'DELE 1', 'TOP 1 1', 'UIDL', 'RSET', 'NOOP');
  });

  test('takes keywords in any letter case and refuses others', () => {
    assert.equal(ask('uSeR john'), '+OK\r\n');
    refuses('', ' ', 'USER', 'toString', '__proto__', 'XYZ');
  });

  test('lists the same capabilities before and after the login', () => {
    const before = ask('CAPA');
    assert.match(before, /^\+OK [^\r]*\r\n(?:[A-Z-]+[^\r]*\r\n)+\.\r\n$/);
    for (const capability of ['TOP', 'UIDL', 'USER', 'PIPELINING']) {
      assert.ok(before.includes(`\r\n${capability}\r\n`), capability);
    }
    login();
    assert.equal(ask('CAPA'), before);
  });
});

describe('TRANSACTION', () => {
  beforeEach(() => {
    login();
  });

  test('knows no second login', () => {
    refuses('USER john', 'PASS  two words ');
  });

  test('counts messages and octets', () => {
    assert.equal(ask('STAT'), `+OK 2 ${FIRST.length + SECOND.length}\r\n`);
    assert.equal(ask('NOOP'), '+OK\r\n');
  });

  test('lists sizes and unique ids, all or one', () => {
    assert.equal(ask('LIST'), `+OK 2 messages\r\n1 ${FIRST.length}\r\n2 ${SECOND.length}\r\n.\r\n`);
    assert.equal(ask('LIST 2'), `+OK 2 ${SECOND.length}\r\n`);
    assert.equal(ask('UIDL'), '+OK 2 messages\r\n1 demo-1\r\n2 demo-2\r\n.\r\n');
    assert.equal(ask('UIDL 1'), '+OK 1 demo-1\r\n');
  });

  test('retrieves with dots doubled and octets as they are', () => {
    assert.equal(
      ask('RETR 1'),
      `+OK ${FIRST.length} octets\r\nSubject: a\r\n\r\none\r\n..two\r\n..\r\n.\r\n`,
    );
    assert.equal(ask('RETR 2'), `+OK ${SECOND.length} octets\r\n${SECOND}.\r\n`);
  });

  test('gives the header and as many lines as asked for', () => {
    const top = (lines: string) => `+OK top of message follows\r\nSubject: a\r\n\r\n${lines}.\r\n`;
    assert.equal(ask('TOP 1 0'), top(''));
    assert.equal(ask('TOP 1 2'), top('one\r\n..two\r\n'));
    assert.equal(ask('TOP 1 99'), top('one\r\n..two\r\n..\r\n'));
    refuses('TOP', 'TOP 1', 'TOP 1 -1', 'TOP 1 1 1', 'TOP 9 1', 'TOP x 1');
  });

  test('refuses messages that are not there', () => {
    for (const number of ['0', '3', '-1', '1x', ' 1', '', '99999999999999999999', '1.0']) {
      refuses(`RETR ${number}`, `DELE ${number}`);
    }
    refuses('RETR', 'DELE', 'LIST 3', 'UIDL 0');
  });

  test('hides what is marked as deleted and keeps the other numbers', () => {
    assert.equal(ask('DELE 1'), '+OK deleted\r\n');
    refuses('RETR 1', 'DELE 1', 'LIST 1', 'UIDL 1', 'TOP 1 0');
    assert.equal(ask('STAT'), `+OK 1 ${SECOND.length}\r\n`);
    assert.equal(ask('UIDL'), '+OK 1 messages\r\n2 demo-2\r\n.\r\n');
    assert.equal(ask('RSET'), '+OK\r\n');
    assert.equal(ask('STAT'), `+OK 2 ${FIRST.length + SECOND.length}\r\n`);
  });
});

describe('the end', () => {
  function uidlOfNextSession(): string {
    const next = new MailstoreSession(accounts);
    assert.match(login(next), /^\+OK/);
    return ask('UIDL', next);
  }

  test('QUIT removes what is marked, and unique ids stay with their messages', () => {
    login();
    ask('DELE 1');
    assert.deepEqual(session.answer('QUIT'), { reply: '+OK bye\r\n', close: true });
    session.lost();
    assert.equal(uidlOfNextSession(), '+OK 1 messages\r\n1 demo-2\r\n.\r\n');
  });

  test('a lost connection removes nothing', () => {
    login();
    ask('DELE 1');
    session.lost();
    assert.equal(uidlOfNextSession(), '+OK 2 messages\r\n1 demo-1\r\n2 demo-2\r\n.\r\n');
  });

  test('one session at a time has a maildrop', () => {
    login();
    const other = new MailstoreSession(accounts);
    assert.match(login(other), /^-ERR \[IN-USE\] /);
    ask('QUIT');
    assert.match(login(other), /^\+OK/);
  });

  test('QUIT before the login only says good-bye', () => {
    assert.deepEqual(session.answer('quit'), { reply: '+OK bye\r\n', close: true });
    assert.match(uidlOfNextSession(), /^\+OK 2 /);
  });
});
