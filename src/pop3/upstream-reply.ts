import { LineBuffer } from './line.ts';
import type { UpstreamFailure } from './upstream-failure.ts';

/** A reply line as read. RFC 2449 §4 has 512; banners that name hosts and features are seen to go beyond. */
export const UPSTREAM_LINE_LIMIT = 2048;

/** A line without its end, or why none comes any more. */
export type UpstreamLine = { line: string } | { failure: 'reply-too-long' | 'closed' };

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
  next(): UpstreamLine | null {
    const lines = this.#lines;
    const taken = lines.take(UPSTREAM_LINE_LIMIT);
    if (taken === 'line') return { line: lines.text(lines.lineStart, lines.lineEnd) };
    if (taken === 'overlong') return { failure: 'reply-too-long' };
    return this.#peerClosed ? { failure: 'closed' } : null;
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

/** RFC 1939 §3: the indicators are in capitals; RFC 5034 §4 has the continuation. */
export function replyStatus(line: string): ReplyStatus {
  if (line === '+OK' || line.startsWith('+OK ')) return 'ok';
  if (line === '-ERR' || line.startsWith('-ERR ')) return 'err';
  return line === '+' || line.startsWith('+ ') ? 'continue' : 'invalid';
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
