import { OWN_WORD } from './proxy.ts';
import type { Script, ScriptedConnection } from './scripted-mailstore.ts';

/** Where a mailstore can be when it does wrong: it is its turn to speak. */
export type Stage = 'greeting' | 'stls' | 'xclient' | 'user' | 'challenge' | 'login';

/** Text that must go no further than the proxy. */
export const GOSSIP = 'backend7.internal says no';

export const greets = (connection: ScriptedConnection) => connection.send('+OK [XCLIENT] ready\r\n');

/** A mailstore that does nothing wrong, whichever way the proxy logs in. */
export const servesAll: Script = async (connection) => {
  greets(connection);
  for (let line = await connection.line(); line !== null; line = await connection.line()) {
    if (line === 'AUTH PLAIN') connection.send('+ \r\n');
    else if (/^(USER|XCLIENT) /.test(line)) connection.send('+OK\r\n');
    else connection.send('+OK logged in\r\n');
  }
  connection.end();
};

/** The mailstore's part up to a stage, whose answer is left to the caller. */
export async function upTo(stage: Stage, connection: ScriptedConnection): Promise<void> {
  // Until the proxy has seen the connection stand: a reset before that is a connection refused.
  if (stage === 'greeting') return new Promise((resolve) => setTimeout(resolve, 20));
  greets(connection);
  await connection.line();
  if (stage !== 'login') return;
  connection.send('+OK\r\n');
  await connection.line();
}

export type Misdeed = (connection: ScriptedConnection) => void;

const says =
  (line: string): Misdeed =>
  (connection) =>
    connection.send(`${line}\r\n`);

const thenCloses =
  (text: string): Misdeed =>
  (connection) => {
    connection.send(text);
    connection.end();
  };

/** An octet at a time, as long as somebody listens. */
export function drips(connection: ScriptedConnection, text: string, everyMs: number): void {
  let at = 0;
  const drip = setInterval(() => {
    if (at < text.length && !connection.closed) connection.send(text[at++]!);
    else clearInterval(drip);
  }, everyMs);
}

/** What a mailstore can do wrong when it is to speak, in the words of docs/failures.md. */
export const MISDEEDS: Readonly<Record<string, Misdeed>> = {
  'says nothing in time': () => {},
  'says half a line in time': (connection) => connection.send('+OK half'),
  'sends an octet now and then, and does not come to an end in time': (connection) =>
    drips(connection, `+OK ${'x'.repeat(500)}`, 20),
  closes: (connection) => connection.end(),
  'closes in the middle of a line': thenCloses('+OK half'),
  'resets the connection': (connection) => connection.reset(),
  'sends a line of more than 2,048 octets': (connection) => connection.send(`+OK ${'x'.repeat(2_045)}`),
  'speaks another protocol': says(`* OK IMAP4rev1 ${GOSSIP}`),
  'is the proxy itself': says(`+OK ready ${OWN_WORD}`),
  'sends NUL octets': says('\0\0\0'),
  'sends a challenge that is not due': says('+ '),
  'says `+OK` where a challenge is due': says('+OK'),
  'sends octets behind its greeting': says(`+OK ready\r\n+OK ${GOSSIP}`),
  'sends octets behind its `+OK` to STLS': says(`+OK go\r\n+OK ${GOSSIP}`),
  'sends octets behind its reply, where the login goes line by line': (connection) =>
    connection.send(`${connection.received.startsWith('AUTH') ? '+ ' : '+OK'}\r\n+OK ${GOSSIP}\r\n`),
  'says `-ERR`': says(`-ERR ${GOSSIP}`),
  'says `-ERR` and closes': thenCloses(`-ERR ${GOSSIP}\r\n`),
  'says `-ERR [AUTH]`': says(`-ERR [AUTH] ${GOSSIP}`),
  'says `-ERR [SYS/TEMP]`': says(`-ERR [SYS/TEMP] ${GOSSIP}`),
  'says `-ERR [SYS/PERM]`, in any letter case': says(`-ERR [sys/Perm] ${GOSSIP}`),
  'says `-ERR [IN-USE]`': says(`-ERR [IN-USE] ${GOSSIP}`),
  'says `-ERR [LOGIN-DELAY]`': says(`-ERR [LOGIN-DELAY] ${GOSSIP}`),
};
