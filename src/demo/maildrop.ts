/** A user's mail in memory. Messages are octet strings with CRLF line ends, without dot-stuffing. */
export type Message = {
  /** Unique in its maildrop for ever and the same in each session (RFC 1939 §7, UIDL). */
  uid: string;
  text: string;
};

export class Maildrop {
  #messages: Message[];
  #locked = false;

  constructor(texts: readonly string[]) {
    this.#messages = texts.map((text, index) => ({ uid: `demo-${index + 1}`, text }));
  }

  /** Null while another session has it: the lock is exclusive (RFC 1939 §4). */
  open(): OpenMaildrop | null {
    if (this.#locked) return null;
    this.#locked = true;
    return new OpenMaildrop(this.#messages, (kept) => {
      this.#messages = kept;
      this.#locked = false;
    });
  }
}

/** A maildrop as one session sees it: numbers stand for the same messages until it ends. */
export class OpenMaildrop {
  readonly #messages: readonly Message[];
  readonly #deleted = new Set<number>();
  readonly #end: (kept: Message[]) => void;

  constructor(messages: readonly Message[], end: (kept: Message[]) => void) {
    this.#messages = messages;
    this.#end = end;
  }

  /** Null where there is no such message, or it is marked as deleted. Numbers begin at 1. */
  message(number: number): Message | null {
    return this.#deleted.has(number) ? null : (this.#messages[number - 1] ?? null);
  }

  /** Numbers and messages, without those marked as deleted. */
  messages(): { number: number; message: Message }[] {
    return this.#messages
      .map((message, index) => ({ number: index + 1, message }))
      .filter(({ number }) => !this.#deleted.has(number));
  }

  delete(number: number): void {
    this.#deleted.add(number);
  }

  reset(): void {
    this.#deleted.clear();
  }

  /** The UPDATE state (RFC 1939 §6): what is marked goes. */
  update(): void {
    this.#end(this.messages().map(({ message }) => message));
  }

  /** A session that ended without QUIT removes nothing (RFC 1939 §6). */
  abandon(): void {
    this.#end([...this.#messages]);
  }
}
