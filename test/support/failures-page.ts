/** docs/failures.md as tests run it: its rows, a login, and what has to be told of it. */
import assert from 'node:assert/strict';
import { pickTransport } from '../../src/transport/pick.ts';
import { total } from './exposition.ts';
import { SOON_MS, trusting } from './failing-mailstores.ts';
import { GOSSIP, MISDEEDS, type Stage, upTo } from './misdeeds.ts';
import { quoted, tableUnder } from './page-table.ts';
import { Pop3Client } from './pop3-client.ts';
import { type SessionLine, startTestProxy, type TestProxyOptions } from './proxy.ts';
import { type Script, type ScriptedMailstore, startScriptedMailstore } from './scripted-mailstore.ts';

export const REPLIES: Readonly<Record<string, string>> = {
  '[SYS/TEMP]': '-ERR [SYS/TEMP] Login is not possible now, try again later',
  '[SYS/PERM]': '-ERR [SYS/PERM] Login is not possible, ask your postmaster',
  '[IN-USE]': '-ERR [IN-USE] Maildrop is in use by another session',
  '[LOGIN-DELAY]': '-ERR [LOGIN-DELAY] Too soon after the last login',
  '[AUTH]': '-ERR [AUTH] Login failed',
};

export const { name: runtime } = await pickTransport();

/** Where the runtimes differ, a cell says the word of each. */
export function wordOf(cell: string): string {
  const words = quoted(cell);
  assert.ok(words.length === 1 || (words.length === 2 && /on Node.* on Bun/.test(cell)), cell);
  return words[runtime === 'bun' ? words.length - 1 : 0]!;
}

export type Row = {
  what: string;
  stages: string[];
  reply: string;
  failure: string;
  reason: string;
  counted: string;
};

/** Without a stage: no server is asked. */
function unaskedUnder(heading: string): Row[] {
  return tableUnder('failures.md', heading).map(([what = '', hears = '', ...words]) => {
    const [failure = '', reason = '', counted = ''] = words.map(wordOf);
    return { what, stages: [], reply: REPLIES[wordOf(hears)]!, failure, reason, counted };
  });
}

function rowsUnder(heading: string): Row[] {
  return tableUnder('failures.md', heading).map(([what = '', at = '', hears = '', ...words]) => {
    const [failure = '', reason = '', counted = ''] = words.map(wordOf);
    return { what, stages: quoted(at), reply: REPLIES[wordOf(hears)]!, failure, reason, counted };
  });
}

export const BEFORE = rowsUnder('Before it greets');
export const UNASKED = unaskedUnder('Where no server is asked');
export const TALKING = rowsUnder('When it is its turn to speak');

export const UNSPEAKABLE = 'would have to be sent a name or password that no POP3 line holds';
export const LINE_BY_LINE = 'sends octets behind its reply, where the login goes line by line';

export type Told = {
  reply: string;
  events: Record<string, unknown>[];
  text: string;
  record: SessionLine;
  heard: string;
};

/** One login of john's, and all that is told of it. */
export async function logInOnce(options: TestProxyOptions): Promise<Told> {
  const proxy = await startTestProxy(options);
  const client = await Pop3Client.connect(proxy.port);
  try {
    await client.line();
    await client.ask('USER john');
    const reply = await client.ask('PASS secret');
    assert.equal(await client.ask(reply.startsWith('-ERR') ? 'NOOP' : 'QUIT'), '+OK', 'it can try again');
    const heard = client.received;
    client.destroy();
    const [record] = await proxy.logged(1);
    const events = proxy.lines
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'upstream-failed');
    assert.ok(!/secret|mmmm/.test(proxy.lines.join()), 'no password in the log');
    return { reply, events, text: await proxy.metrics.text(), record: record!, heard };
  } finally {
    client.destroy();
    await proxy.close();
  }
}

/** A login at a scripted mailstore. */
export async function logInAt(
  script: Script,
  options: Partial<TestProxyOptions> & { settings?: object },
): Promise<Told & { mailstore: ScriptedMailstore }> {
  const mailstore = await startScriptedMailstore(script);
  const { settings, ...others } = options;
  try {
    const told = await logInOnce({ ...others, upstream: { port: mailstore.port, ...settings } });
    return { ...told, mailstore };
  } finally {
    await mailstore.close();
  }
}

export function isTold({ reply, events, text, record, heard }: Told, row: Row, stage: string | null): void {
  assert.equal(reply, row.reply);
  assert.ok(!heard.includes(GOSSIP), "the mailstore's text is not passed on");
  assert.deepEqual(
    events.map(({ level, failure }) => [level, failure]),
    [['warn', row.failure]],
  );
  if (stage !== null) assert.match(String(events[0]!.detail), new RegExp(`at stage ${stage}\\b`));
  assert.deepEqual([record.result, record.reason], ['unavailable', row.reason]);
  const logins = { result: 'unavailable', reason: row.reason };
  assert.equal(total(text, 'teapop_proxy_logins_total', logins), 1);
  assert.equal(total(text, 'teapop_proxy_logins_total'), 1);
  assert.equal(total(text, 'teapop_proxy_upstream_failures_total', { reason: row.counted }), 1);
  assert.equal(total(text, 'teapop_proxy_upstream_failures_total'), 1);
}

/** How the proxy is set, so that the mailstore comes to this stage; and short where the row is about time. */
export async function reaching(
  stage: string,
  what: string,
): Promise<Partial<TestProxyOptions> & { settings: object }> {
  const timeoutMs = what.includes('in time') ? SOON_MS : 5_000;
  if (stage === 'stls') return { settings: { timeoutMs, tls: 'starttls', clientTls: await trusting() } };
  if (stage === 'xclient') return { settings: { timeoutMs, xclient: true } };
  if (stage !== 'challenge') return { settings: { timeoutMs } };
  return { settings: { timeoutMs }, login: { mode: 'plain', user: 'proxy', password: 'm'.repeat(200) } };
}

export const fails =
  (stage: Stage, what: string): Script =>
  async (connection) => {
    await upTo(stage, connection);
    MISDEEDS[what]!(connection);
  };
