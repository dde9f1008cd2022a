import { CLIENT_TIMEOUT, type Fetched, type FetchOptions, LOOPBACK, onlyKnown } from './fetching.ts';
import { type Outcome, run } from './process.ts';

/**
 * `openssl s_client`, as an administrator drives it by hand: all commands go out at once behind the handshake. The
 * answers are taken apart here.
 */
export async function openssl(options: FetchOptions): Promise<Fetched> {
  onlyKnown('openssl', options);
  const listing = await converse(options, ['STAT']);
  const count = /^\+OK (\d+) \d+\r$/m.exec(listing.stdout.toString('latin1'))?.[1];
  if (count === undefined) return { code: 1, output: listing.output, messages: [] };
  const numbers = Array.from({ length: Number(count) }, (_, index) => index + 1);
  const more = options.remove === true ? numbers.map((number) => `DELE ${number}`) : [];
  const { code, output, stdout } = await converse(options, [...numbers.map((n) => `RETR ${n}`), ...more]);
  return { code, output, messages: messagesOf(stdout.toString('latin1'), numbers.length) };
}

function converse(options: FetchOptions, commands: string[]): Promise<Outcome> {
  const lines = [`USER ${options.user}`, `PASS ${options.password}`, ...commands, 'QUIT'];
  const trust = options.caFile === undefined ? [] : ['-CAfile', options.caFile, '-verify_return_error'];
  return run(
    [
      'openssl',
      ...['s_client', '-quiet', '-connect', `${options.host ?? LOOPBACK}:${options.port}`],
      ...(options.mode === 'stls' ? ['-starttls', 'pop3'] : []),
      ...trust,
    ],
    { input: lines.map((line) => `${line}\r\n`).join(''), timeout: options.timeout ?? CLIENT_TIMEOUT },
  );
}

/** Multi-line replies with a size in their first line, without dot-stuffing. */
function messagesOf(answers: string, count: number): Buffer[] {
  const messages: Buffer[] = [];
  let rest = answers.slice(answers.search(/^\+OK \d+ octets/m));
  while (messages.length < count) {
    const start = rest.indexOf('\r\n') + 2;
    const end = rest.indexOf('\r\n.\r\n');
    if (start < 2 || end < 0) return messages;
    const text = rest.slice(start, end + 2).replace(/^\./gm, '');
    messages.push(Buffer.from(text, 'latin1'));
    rest = rest.slice(end + 5);
  }
  return messages;
}
