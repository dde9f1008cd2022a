/** What curl's tests 850 to 894 and 982 try on a POP3 server, with the real curl. (985 is in other-mailstores.test.ts.) */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { pause } from '../support/ports.ts';
import { type Outcome, run } from '../support/process.ts';
import {
  ADDRESS,
  JANE,
  JOHN,
  LOCAL,
  MASTER,
  type RunningSite,
  type SiteParts,
  standardTables,
  startSite,
} from '../support/running-site.ts';
import {
  type ScriptedConnection,
  type ScriptedMailstore,
  startScriptedMailstore,
} from '../support/scripted-mailstore.ts';
import { logIn, openClient } from '../support/site-clients.ts';
import { temporaryFolder } from '../support/temp.ts';

const MESSAGES = [
  'From: me@somewhere\r\nTo: fake@nowhere\r\n\r\nbody\r\n\r\n--\r\n  yours sincerely\r\n',
  'From: dots\r\n\r\n.\r\n..two\r\n...three\r\n',
  'From: last\r\n\r\n.a dot first\r\n',
];
const SLOW = 'From: slow\r\n\r\none octet at a time\r\n';

let site: RunningSite;
let slow: ScriptedMailstore;
let pipelined: ScriptedMailstore;

before(async () => {
  slow = await startScriptedMailstore(octetByOctet);
  pipelined = await startScriptedMailstore(async (connection) => {
    connection.send('+OK ready\r\n');
    await connection.line();
    connection.send('-ERR currently unavailable\r\n+OK user accepted\r\n+OK authenticated\r\n');
  });
  site = await startSite({
    tables: {
      'teapop.passwd': `${standardTables()['teapop.passwd']}slow.test:*:passwd:/m:0:\npipelined.test:*:passwd:/m:0:\n`,
    },
    config,
  });
  for (const message of MESSAGES) site.dovecot!.deliver(JANE.localUser, message);
});
after(async () => {
  await site?.stop();
  await slow?.close();
  await pipelined?.close();
});

function config({ folder, dovecot }: SiteParts) {
  const passwordFile = folder.file('master.password', `${MASTER.password}\n`, 0o600);
  const login = { master: { user: MASTER.user, password_file: passwordFile } };
  const domains = { 'slow.test': { upstream: 'slow' }, 'pipelined.test': { upstream: 'pipelined' } };
  return {
    tables: { domain_table: `${folder.path}/teapop.passwd`, domains },
    upstreams: [
      { name: 'mailstore', host: ADDRESS, port: dovecot!.port, login },
      { name: 'slow', host: ADDRESS, port: slow.port },
      { name: 'pipelined', host: ADDRESS, port: pipelined.port, tls: 'starttls', verify: false },
    ],
  };
}

/** A mailstore that answers everything, one octet in a segment. */
async function octetByOctet(connection: ScriptedConnection): Promise<void> {
  const send = async (text: string) => {
    for (const octet of text) {
      connection.send(octet);
      await pause(1);
    }
  };
  const answers: Record<string, string> = { 'RETR 1': `+OK ${SLOW.length} octets\r\n${SLOW}.\r\n` };
  connection.socket.setNoDelay(true);
  await send('+OK slow\r\n');
  for (let line = await connection.line(); line !== null; line = await connection.line()) {
    await send(answers[line] ?? '+OK\r\n');
    if (line === 'QUIT') return connection.end();
  }
}

describe("curl's cases", () => {
  const SHORT = /^\+OK POP3 ready [0-9a-f]{12}\r\n$/;

  function curl(path: string, options: string[] = [], person = JANE, mode = 'pop3s'): Promise<Outcome> {
    const scheme = mode === 'pop3s' ? 'pop3s' : 'pop3';
    const user = person.login === '' ? [] : ['--user', `${person.login}:${person.password}`];
    const url = `${scheme}://${ADDRESS}:${site.proxy.port(mode)}/${path}`;
    return run([
      'curl',
      '--silent',
      '--show-error',
      '--cacert',
      site.certificates.caFile,
      ...user,
      ...options,
      url,
    ]);
  }

  const WRONG = { ...JANE, password: 'wrong' };
  const LIST = MESSAGES.map(({ length }, index) => `${index + 1} ${length}\r\n`).join('');
  const UIDS = /^(\d \S+\r\n){3}$/;

  /** A command failed: what older and newer versions of curl leave with. */
  const FAILED = [8, 56];
  /** The login was denied. */
  const DENIED = [67];
  /** No TLS was to be had. */
  const NO_TLS = [64];
  const CASES: Record<string, { run: () => Promise<Outcome>; codes?: number[]; says?: string | RegExp }> = {
    'RETR (850)': { run: () => curl('1'), says: MESSAGES[0]! },
    'LIST of one message (851)': { run: () => curl('1', ['--list-only']), says: '' },
    'LIST (852)': { run: () => curl(''), says: LIST },
    'a slow server (853)': { run: () => curl('1', [], { ...LOCAL, login: 'local@slow.test' }), says: SLOW },
    'a message that does not exist (855)': { run: () => curl('99'), codes: FAILED, says: '' },
    'an invalid login (856)': { run: () => curl('1', [], WRONG), codes: DENIED, says: '' },
    'a message with dots at line starts (857)': { run: () => curl('2'), says: MESSAGES[1]! },
    'a body that begins with a dot (858)': { run: () => curl('3'), says: MESSAGES[2]! },
    UIDL: { run: () => curl('', ['--request', 'UIDL']), says: UIDS },
    STAT: { run: () => curl('', ['--request', 'STAT', '--head']), says: '' },
    NOOP: { run: () => curl('', ['--request', 'NOOP', '--head']), says: '' },
    TOP: {
      run: () => curl('', ['--request', 'TOP 1 0']),
      says: 'From: me@somewhere\r\nTo: fake@nowhere\r\n\r\n',
    },
    'an unknown command': { run: () => curl('', ['--request', 'FROB', '--head']), codes: FAILED },
    'DELE of what does not exist': { run: () => curl('99', ['--request', 'DELE', '--head']), codes: FAILED },
    'AUTH PLAIN': { run: () => curl('1', ['--login-options', 'AUTH=PLAIN']), says: MESSAGES[0]! },
    'AUTH PLAIN, initial response': {
      run: () => curl('1', ['--login-options', 'AUTH=PLAIN', '--sasl-ir']),
      says: MESSAGES[0]!,
    },
    'AUTH LOGIN': { run: () => curl('1', ['--login-options', 'AUTH=LOGIN']), says: MESSAGES[0]! },
    'AUTH LOGIN, initial response': {
      run: () => curl('1', ['--login-options', 'AUTH=LOGIN', '--sasl-ir']),
      says: MESSAGES[0]!,
    },
    'any mechanism (AUTH=*)': { run: () => curl('1', ['--login-options', 'AUTH=*']), says: MESSAGES[0]! },
    'a mechanism that is not there': {
      run: () => curl('1', ['--login-options', 'AUTH=NTLM']),
      codes: DENIED,
    },
    'a bearer token where there is no mechanism for it (887)': {
      run: () => curl('1', ['--oauth2-bearer', 'mF_9.B5f-4.1JqM'], { ...JANE, password: '' }),
      codes: DENIED,
    },
    'its own name as authorization identity': {
      run: () => curl('1', ['--login-options', 'AUTH=PLAIN', '--sasl-authzid', JANE.login]),
      says: MESSAGES[0]!,
    },
    'another authorization identity (892)': {
      run: () => curl('1', ['--login-options', 'AUTH=PLAIN', '--sasl-authzid', JOHN.login]),
      codes: DENIED,
    },
    'CR and LF in the user name (889)': {
      run: () => curl('1', ['--login-options', 'AUTH=PLAIN'], { ...JANE, login: `${JANE.login}\r\nSTAT` }),
      codes: DENIED,
    },
    'STLS required': { run: () => curl('1', ['--ssl-reqd'], JANE, 'pop3'), says: MESSAGES[0]! },
    'STLS required where there is none (984)': {
      run: () => curl('1', ['--ssl-reqd'], JANE, 'plain'),
      codes: NO_TLS,
    },
    'no TLS where passwords need it': { run: () => curl('1', [], JANE, 'pop3'), codes: DENIED },
  };

  for (const [name, { run: fetch, codes = [0], says }] of Object.entries(CASES)) {
    test(name, async () => {
      const outcome = await fetch();
      assert.ok(codes.includes(outcome.code!), `${outcome.code}: ${outcome.output}`);
      if (says instanceof RegExp) assert.match(outcome.stdout.toString('latin1'), says);
      else if (says !== undefined) assert.equal(outcome.stdout.toString('latin1'), says);
    });
  }

  test('two messages in one session, and both in two (854)', async () => {
    const folder = temporaryFolder('curl');
    try {
      const { code, output } = await curl('[1-3]', ['--output', `${folder.path}/#1`]);
      assert.equal(code, 0, output);
      const fetched = MESSAGES.map((_, index) => readFileSync(`${folder.path}/${index + 1}`, 'latin1'));
      assert.deepEqual(fetched, MESSAGES);
      assert.equal(existsSync(`${folder.path}/4`), false);
    } finally {
      folder.remove();
    }
  });

  test('replies behind the refusal of STLS are not taken for those to USER and PASS (982)', async () => {
    const client = await openClient(site, 'pop3s');
    assert.match(client.received, SHORT);
    const reply = await logIn(client, { login: 'local@pipelined.test', password: LOCAL.password });
    assert.match(reply, /^-ERR \[SYS\/(PERM|TEMP)\] /);
    client.destroy();
    assert.equal(pipelined.connections[0]!.received, 'STLS\r\n');
  });
});
