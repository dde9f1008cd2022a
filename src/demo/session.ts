import type { Maildrop, Message, OpenMaildrop } from './maildrop.ts';

export type Account = { password: string; maildrop: Maildrop };

/** What a session says to one line: octets of a whole reply, and whether the connection ends with it. */
export type Answer = { reply: string; close: boolean };

/** RFC 2449 §5; it names what this server can do before and after login alike. */
const CAPABILITIES = [
  'TOP',
  'UIDL',
  'USER',
  'RESP-CODES',
  'AUTH-RESP-CODE',
  'PIPELINING',
  'IMPLEMENTATION teapop-proxy-demo',
];

const UNKNOWN = '-ERR unknown command\r\n';
const NO_SUCH_MESSAGE = '-ERR no such message\r\n';

type Command = (argument: string) => string;

/** One session of a POP3 server (RFC 1939). Lines in, replies out: no socket and no clock. */
export class MailstoreSession {
  readonly #accounts: ReadonlyMap<string, Account>;
  #user: string | null = null;
  #maildrop: OpenMaildrop | null = null;

  readonly #anytime: Record<string, Command> = {
    CAPA: () => multiLine('capabilities follow', CAPABILITIES),
    QUIT: () => this.#quit(),
  };
  readonly #authorization: Record<string, Command> = {
    USER: (argument) => this.#setUser(argument),
    PASS: (argument) => this.#login(argument),
  };
  readonly #transaction: Record<string, Command> = {
    NOOP: () => '+OK\r\n',
    STAT: () => this.#stat(),
    RSET: () => this.#reset(),
    LIST: (argument) => this.#listing(argument, (message) => String(message.text.length)),
    UIDL: (argument) => this.#listing(argument, (message) => message.uid),
    RETR: (argument) => this.#retrieve(argument),
    TOP: (argument) => this.#top(argument),
    DELE: (argument) => this.#delete(argument),
  };

  constructor(accounts: ReadonlyMap<string, Account>) {
    this.#accounts = accounts;
  }

  /** Without `<…@…>`: clients would take it for an offer of APOP. */
  greeting(): string {
    return '+OK demo mailstore ready\r\n';
  }

  /** @param line without its line end */
  answer(line: string): Answer {
    const space = line.indexOf(' ');
    const keyword = (space < 0 ? line : line.slice(0, space)).toUpperCase();
    const state = this.#maildrop === null ? this.#authorization : this.#transaction;
    const commands = Object.hasOwn(state, keyword) ? state : this.#anytime;
    const command = Object.hasOwn(commands, keyword) ? commands[keyword]! : () => UNKNOWN;
    // PASS takes what follows the one space as it is, further spaces too (RFC 1939 §7).
    return { reply: command(space < 0 ? '' : line.slice(space + 1)), close: keyword === 'QUIT' };
  }

  /** The connection is gone. After QUIT nothing is left to do. */
  lost(): void {
    this.#maildrop?.abandon();
    this.#maildrop = null;
  }

  #setUser(name: string): string {
    if (name === '') return '-ERR name missing\r\n';
    this.#user = name;
    return '+OK\r\n';
  }

  #login(password: string): string {
    const user = this.#user;
    this.#user = null;
    if (user === null) return '-ERR USER first\r\n';
    const account = this.#accounts.get(user);
    if (account === undefined || account.password !== password) return '-ERR [AUTH] login failed\r\n';
    const maildrop = account.maildrop.open();
    if (maildrop === null) return '-ERR [IN-USE] maildrop is in use by another session\r\n';
    this.#maildrop = maildrop;
    return `+OK maildrop has ${maildrop.messages().length} messages\r\n`;
  }

  #quit(): string {
    this.#maildrop?.update();
    this.#maildrop = null;
    return '+OK bye\r\n';
  }

  #open(): OpenMaildrop {
    if (this.#maildrop === null)
      throw new Error('no command of the TRANSACTION state comes before the login');
    return this.#maildrop;
  }

  #stat(): string {
    const all = this.#open().messages();
    return `+OK ${all.length} ${all.reduce((sum, { message }) => sum + message.text.length, 0)}\r\n`;
  }

  #reset(): string {
    this.#open().reset();
    return '+OK\r\n';
  }

  #listing(argument: string, fact: (message: Message) => string): string {
    if (argument === '') {
      const lines = this.#open().messages();
      return multiLine(
        `${lines.length} messages`,
        lines.map(({ number, message }) => `${number} ${fact(message)}`),
      );
    }
    return this.#withMessage(argument, (message, number) => `+OK ${number} ${fact(message)}\r\n`);
  }

  #retrieve(argument: string): string {
    return this.#withMessage(argument, ({ text }) => multiLine(`${text.length} octets`, linesOf(text)));
  }

  /** The header, the blank line behind it and `count` lines of the body. */
  #top(argument: string): string {
    const [number = '', count = '', ...further] = argument.split(' ');
    if (!isNumber(count) || further.length > 0) return '-ERR TOP wants a message and a number of lines\r\n';
    return this.#withMessage(number, ({ text }) => {
      const lines = linesOf(text);
      const blank = lines.indexOf('');
      const end = blank < 0 ? lines.length : blank + 1 + Number(count);
      return multiLine('top of message follows', lines.slice(0, end));
    });
  }

  #delete(argument: string): string {
    return this.#withMessage(argument, (_, number) => {
      this.#open().delete(number);
      return '+OK deleted\r\n';
    });
  }

  #withMessage(argument: string, use: (message: Message, number: number) => string): string {
    if (!isNumber(argument)) return NO_SUCH_MESSAGE;
    const number = Number(argument);
    const message = this.#open().message(number);
    return message === null ? NO_SUCH_MESSAGE : use(message, number);
  }
}

function isNumber(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}

/** A last line without CRLF gets one: it could not be told from one that has it. */
function linesOf(text: string): string[] {
  const lines = text.split('\r\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** A line that begins with a dot gets another in front (RFC 1939 §3). */
function multiLine(first: string, lines: readonly string[]): string {
  const stuffed = lines.map((line) => (line.startsWith('.') ? `.${line}\r\n` : `${line}\r\n`));
  return `+OK ${first}\r\n${stuffed.join('')}.\r\n`;
}
