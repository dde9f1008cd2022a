import { LineBuffer } from './line.ts';
import { REPLY_LIMIT } from './reply.ts';
import type { UpstreamFailure } from './upstream-failure.ts';

/** A reply line as read. RFC 2449 §4 has 512; banners that name hosts and features are seen to go beyond. */
export const UPSTREAM_LINE_LIMIT = 2048;

/** A line has been taken, or why none comes any more. */
export type UpstreamRead = 'line' | 'reply-too-long' | 'closed';

const SPACE = 0x20;
const DELETE = 0x7f;
const LINE_END = octetsOf('\r\n');
const LONGEST_REPLY = REPLY_LIMIT - LINE_END.length;

/** What a mailstore sends, line by line; nothing is believed of it. */
export class UpstreamLines {
  readonly #lines = new LineBuffer();
  #peerClosed = false;

  /** Octets that have come and are not taken yet. */
  get unread(): number {
    return this.#lines.length;
  }

  receive(octets: Uint8Array): void {
    this.#lines.append(octets);
  }

  keep(): void {
    this.#lines.keep();
  }

  closed(): void {
    this.#peerClosed = true;
  }

  /** Null until the next event. What came before the mailstore closed is read first. */
  next(): UpstreamRead | null {
    const taken = this.#lines.take(UPSTREAM_LINE_LIMIT);
    if (taken === 'line') return 'line';
    if (taken === 'overlong') return 'reply-too-long';
    return this.#peerClosed ? 'closed' : null;
  }

  /** The line taken last, without its end; until the next call. */
  get line(): string {
    const lines = this.#lines;
    return lines.text(lines.lineStart, lines.lineEnd);
  }

  /** What the line taken last says, without a string being made of it. */
  get status(): ReplyStatus {
    const { octets, lineStart, lineEnd } = this.#lines;
    return replyStatus(octets, lineStart, lineEnd);
  }

  /** The line taken last for the client: within what RFC 2449 §4 lets it expect, control characters blanked. */
  forClient(): Uint8Array {
    const { octets, lineStart, lineEnd } = this.#lines;
    const length = Math.min(lineEnd - lineStart, LONGEST_REPLY);
    const reply = Buffer.allocUnsafe(length + LINE_END.length);
    for (let at = 0; at < length; at++) {
      const octet = octets[lineStart + at]!;
      reply[at] = octet < SPACE || octet === DELETE ? SPACE : octet;
    }
    reply.set(LINE_END, length);
    return reply;
  }

  /** Hands over every octet not taken yet and forgets them. */
  rest(): Uint8Array {
    return this.#lines.rest();
  }

  clear(): void {
    this.#lines.clear();
  }
}

export type ReplyStatus = 'ok' | 'err' | 'continue' | 'invalid';

const OK = octetsOf('+OK');
const ERR = octetsOf('-ERR');
const CONTINUE = octetsOf('+');

function octetsOf(word: string): Uint8Array {
  return Buffer.from(word, 'latin1');
}

/** RFC 1939 §3: the indicators are in capitals; RFC 5034 §4 has the continuation. Of the line `octets[start..end)`. */
function replyStatus(octets: Uint8Array, start: number, end: number): ReplyStatus {
  if (isFirstWord(OK, octets, start, end)) return 'ok';
  if (isFirstWord(ERR, octets, start, end)) return 'err';
  return isFirstWord(CONTINUE, octets, start, end) ? 'continue' : 'invalid';
}

function isFirstWord(word: Uint8Array, octets: Uint8Array, start: number, end: number): boolean {
  const behind = start + word.length;
  if (behind > end || (behind < end && octets[behind] !== SPACE)) return false;
  for (let at = 0; at < word.length; at++) if (octets[start + at] !== word[at]) return false;
  return true;
}

/** RFC 2449 §8: codes in any letter case, levels below the known ones taken as those. */
export function codedRefusal(reply: string): UpstreamFailure | null {
  const [level, sub] = (/^-ERR \[([^\]]*)\]/.exec(reply)?.[1] ?? '').toUpperCase().split('/');
  switch (level) {
    case 'AUTH':
      return 'login-auth-refused';
    case 'IN-USE':
      return 'in-use';
    case 'LOGIN-DELAY':
      return 'login-delay';
    case 'SYS':
      return sub === 'PERM' ? 'sys-perm' : 'sys-temp';
    default:
      return null;
  }
}
