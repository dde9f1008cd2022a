/** What a command reads and writes: handed in, so that a test sees all of it. */
export type CommandIo = {
  out: (text: string) => void;
  err: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
  /** Whether a person watches what goes to `err`. */
  terminal?: boolean;
  /** Standard input, opened when it is asked for. */
  input?: () => AsyncIterable<Uint8Array>;
};

/** Exit statuses that scripts can rely on. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
