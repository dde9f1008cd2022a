/**
 * What other projects' tests try on a POP3 server or proxy: CPython's test_poplib, nginx-tests' mail_pop3,
 * mail_max_errors and mail_capability. (mail_proxy_protocol is proxy-protocol.test.ts, curl's are curl-cases.test.ts.)
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pop3Client } from '../support/pop3-client.ts';
import { run } from '../support/process.ts';
import { JANE, JOHN, MASTER, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { logIn, loginReply, openClient, openSession } from '../support/site-clients.ts';

const MESSAGES = [
  'Subject: one\r\n\r\nbody\r\n',
  'Subject: dots\r\n\r\n.\r\n..two\r\n',
  'Subject: three\r\n\r\n',
];

let site: RunningSite;

before(async () => {
  site = await startSite();
  for (const message of MESSAGES) site.dovecot!.deliver(JANE.localUser, message);
});
after(() => site.stop());

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

describe("CPython's test_poplib", () => {
  const PROGRAM = `
import json, poplib, ssl, sys
o = json.load(sys.stdin)
context = ssl.create_default_context(cafile=o["caFile"])
def told(call):
    try:
        return [part.decode("latin1") if isinstance(part, bytes) else part for part in [call()]]
    except poplib.error_proto as error:
        return ["error", str(error)]
def text(value):
    if isinstance(value, bytes): return value.decode("latin1")
    if isinstance(value, (list, tuple)): return [text(part) for part in value]
    return value
results = {}
for mode in ("pop3", "pop3s"):
    if mode == "pop3s":
        pop = poplib.POP3_SSL("localhost", o["pop3s"], timeout=20, context=context)
    else:
        pop = poplib.POP3("localhost", o["pop3"], timeout=20)
        assert "STLS" in pop.capa()
        pop.stls(context=context)
        try:
            pop.stls(context=context)
            results["stls twice"] = "taken"
        except poplib.error_proto:
            results["stls twice"] = "refused"
    assert pop.getwelcome().startswith(b"+OK")
    assert "STLS" not in pop.capa(), pop.capa()
    try:
        pop.user(o["user"]), pop.pass_("wrong")
        raise SystemExit("a wrong password was taken")
    except poplib.error_proto:
        pass
    pop.user(o["user"])
    results[mode] = text([
        pop.pass_(o["password"])[:3], pop.stat(), pop.list(), pop.list(1), pop.retr(2), pop.top(1, 0), pop.uidl(),
        pop.uidl(1), pop.noop()[:3], pop.dele(1)[:3], pop.rset()[:3], pop.stat(), sorted(pop.capa()),
    ])
    for call in (lambda: pop.retr(99), lambda: pop.list(99), lambda: pop.rpop("x"), lambda: pop._shortcmd("echo -err")):
        try:
            results[mode].append(text(call()))
        except poplib.error_proto as error:
            results[mode].append("error")
    results[mode].append(text(pop.quit()[:3]))
print(json.dumps(results))
`;

  const results = async (ports: { pop3: number; pop3s: number }, user: string, password: string) => {
    const input = JSON.stringify({ ...ports, user, password, caFile: site.certificates.caFile });
    const { code, stdout, output } = await run(['python3', '-c', PROGRAM], { input });
    assert.equal(code, 0, output);
    return JSON.parse(stdout.toString('latin1')) as Record<string, unknown>;
  };

  test('has the same results through the proxy as from the mailstore itself', async () => {
    const port = site.proxy.port;
    const { dovecot } = site;
    const through = await results({ pop3: port('pop3'), pop3s: port('pop3s') }, JANE.login, JANE.password);
    const master = `${JANE.localUser}*${MASTER.user}`;
    const direct = await results({ pop3: dovecot!.port, pop3s: dovecot!.tlsPort }, master, MASTER.password);
    assert.deepEqual(through, direct);
    assert.equal(through['stls twice'], 'refused');
  });
});

describe("nginx's mail tests", () => {
  const asked = async (...lines: string[]): Promise<string[]> => {
    const client = await openClient(site, 'pop3s');
    const replies: string[] = [];
    for (const line of lines) replies.push(await client.ask(line));
    client.destroy();
    return replies;
  };
  const plain = (password: string) => `AUTH PLAIN ${base64(`\0${OTTO.login}\0${password}`)}`;
  const NO = '-ERR [AUTH] Login failed';
  const YES = '+OK Logged in.';

  test('mail_pop3: user, pass', async () =>
    assert.equal((await asked(`USER ${OTTO.login}`, `PASS ${OTTO.password}`))[1], YES));
  test('mail_pop3: auth capabilities', async () => {
    const client = await openClient(site, 'pop3s');
    assert.match(await client.ask('AUTH'), /^\+OK/);
    assert.deepEqual((await client.multiLine()).slice(0, 2), ['PLAIN', 'LOGIN']);
    client.destroy();
  });
  test('mail_pop3: auth plain with a bad password, then with the right one', async () =>
    assert.deepEqual(await asked(plain('bad'), plain(OTTO.password)), [NO, YES]));
  test('mail_pop3: auth login', async () => {
    const [user, password] = [base64(OTTO.login), base64(OTTO.password)];
    const challenges = ['+ VXNlcm5hbWU6', '+ UGFzc3dvcmQ6'];
    assert.deepEqual(await asked('AUTH LOGIN', user, password), [...challenges, YES]);
    assert.deepEqual(await asked(`AUTH LOGIN ${user}`, password), [challenges[1], YES]);
  });

  for (const [name, lines] of Object.entries({
    'unknown commands': ['FOO', 'BAR', 'BAZ', 'QUX', 'QUUX'],
    'bad base64': Array(5).fill('AUTH PLAIN ????') as string[],
    'PASS without USER': Array(5).fill('PASS x') as string[],
    'too long lines': Array(5).fill(`USER ${'x'.repeat(600)}`) as string[],
    'errors of every kind': ['FOO', 'AUTH NONE', 'PASS', 'STLS', 'AUTH PLAIN ????'],
  })) {
    for (const [how, text] of [
      ['one by one', null],
      ['in one segment', lines.map((line) => `${line}\r\n`).join('')],
    ] as const) {
      test(`mail_max_errors: ${name}, ${how}`, async () => {
        const client = await openClient(site, 'pop3s');
        client.send('NOOP\r\n');
        assert.equal(await client.line(), '+OK');
        if (text !== null) client.send(`${text}NOOP\r\nQUIT\r\n`);
        for (const line of lines) {
          if (text === null) client.send(`${line}\r\n`);
          assert.match(await client.line(), /^-ERR /);
        }
        assert.equal(await client.rest(), '', 'nothing behind the fifth error is answered');
        client.destroy();
      });
    }
  }

  const capabilities = async (client: Pop3Client): Promise<string> => {
    assert.match(await client.ask('CAPA'), /^\+OK/);
    return `\n${(await client.multiLine()).join('\n')}\n`;
  };
  test('mail_capability: each listener announces what it takes, before and behind STLS', async () => {
    const seen = async (listener: string) => {
      const client = await openClient(site, listener);
      const before = await capabilities(client);
      client.destroy();
      return before;
    };
    for (const listener of ['plain', 'pop3s']) {
      assert.match(await seen(listener), /\nUSER\n/);
      assert.match(await seen(listener), /\nSASL PLAIN LOGIN/);
      assert.doesNotMatch(await seen(listener), /STLS/);
    }
    assert.doesNotMatch(await seen('pop3'), /USER|SASL/);
    assert.match(await seen('pop3'), /\nSTLS\n/);
    const client = await openClient(site, 'pop3');
    await client.ask('STLS');
    await client.startTls(site.certificates.ca);
    const behind = await capabilities(client);
    assert.match(behind, /\nUSER\n/);
    assert.doesNotMatch(behind, /STLS/);
    // Also between USER and PASS, and it changes nothing of the login (RFC 2449 §5).
    await client.ask(`USER ${OTTO.login}`);
    assert.equal(await capabilities(client), behind);
    assert.equal(await client.ask(`PASS ${OTTO.password}`), YES);
    client.destroy();
  });
  test('what is announced before the login is true after it', async () => {
    const client = await openClient(site, 'pop3s');
    const announced = (await capabilities(client)).match(/^\S+/gm)!;
    await logIn(client, OTTO);
    const after = (await capabilities(client)).match(/^\S+/gm)!;
    client.destroy();
    const ofTheLogin = ['USER', 'SASL', 'IMPLEMENTATION'];
    for (const tag of announced.filter((each) => !ofTheLogin.includes(each)))
      assert.ok(after.includes(tag), tag);
  });
});

test('an open session is not disturbed by any of it', async () => {
  const session = await openSession(site, JANE, 'pop3s');
  assert.match(await session.ask('STAT'), /^\+OK 3 /);
  session.destroy();
  assert.match(await loginReply(site, JOHN), /^\+OK/);
});
