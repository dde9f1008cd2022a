/** What a client says after its login, and every octet that must come back. */
import {
  type MailboxName,
  mailbox,
  mailboxOf,
  NOOP_REPLY,
  QUIT_REPLY,
  retrStatus,
  uidlReply,
} from './mailboxes.ts';
import type { Script } from './workloads.ts';

/** One write, and the pieces that answer it. */
export type Step = { send: Buffer; replies: readonly Buffer[]; messages: number };

export const MAILBOX_OF: Record<Script, MailboxName> = {
  poll: 'small',
  large: 'large',
  many: 'many',
  pipelined: 'many',
};

export function steps(script: Script, user: string): Step[] {
  const { messages, stat, list } = mailbox(mailboxOf(user));
  const retrieving = messages.map((message, index) => ({
    command: `RETR ${index + 1}\r\n`,
    reply: [octets(retrStatus(user, index + 1)), message],
  }));
  const quit = step('QUIT\r\n', [octets(QUIT_REPLY)], 0);
  switch (script) {
    case 'poll':
      return [step('STAT\r\n', [octets(stat)], 0), quit];
    case 'large':
    case 'many':
      return [...retrieving.map(({ command, reply }) => step(command, reply, 1)), quit];
    case 'pipelined':
      return [
        step(
          `STAT\r\nUIDL\r\nLIST\r\n${retrieving.map(({ command }) => command).join('')}NOOP\r\nQUIT\r\n`,
          [
            ...[stat, uidlReply(user), list].map(octets),
            ...retrieving.flatMap(({ reply }) => reply),
            ...[NOOP_REPLY, QUIT_REPLY].map(octets),
          ],
          messages.length,
        ),
      ];
  }
}

function step(send: string, replies: readonly Buffer[], messages: number): Step {
  return { send: octets(send), replies, messages };
}

function octets(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Compares what comes with what must come. */
export class Expected {
  readonly #pieces: readonly Buffer[];
  #piece = 0;
  #offset = 0;

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
  }

  get done(): boolean {
    return this.#piece === this.#pieces.length;
  }

  /** @returns false at the first octet that is wrong or too many */
  take(received: Buffer): boolean {
    let at = 0;
    while (at < received.length) {
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) return false;
      const length = Math.min(piece.length - this.#offset, received.length - at);
      const end = this.#offset + length;
      if (received.compare(piece, this.#offset, end, at, at + length) !== 0) return false;
      at += length;
      this.#offset = end === piece.length ? 0 : end;
      if (this.#offset === 0) this.#piece++;
    }
    return true;
  }
}
