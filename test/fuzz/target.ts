/** What is fuzzed: a function that takes any octets and throws where something that must hold does not. */
export type Target = {
  name: string;
  /** Inputs to begin with, octet strings. */
  seeds: readonly string[];
  /** Words that inputs are likely made of, octet strings. */
  words: readonly string[];
  run(input: Uint8Array): void | Promise<void>;
};

export const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
export const base64 = (octets: string): string => Buffer.from(octets, 'latin1').toString('base64');

/** Every octet that the proxy may say to a client on its own, one line after the other. */
export const OWN_LINES =
  /^((\+OK|-ERR)( [\x20-\x7e]*)?\r\n|[A-Z0-9-]+( [\x20-\x7e]+)*\r\n|\.\r\n|\+ [A-Za-z0-9+/=]*\r\n)*$/;

/** Cuts octets into pieces whose lengths depend on the octets, so that an input tells all of what happens. */
export function pieces(octets: Uint8Array): Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const end = at + 1 + (octets[at]! % 7);
    cut.push(octets.subarray(at, end));
    at = end;
  }
  return cut;
}

/** Throws an error that names the input's part in it. */
export function must(holds: boolean, what: string, shown: unknown = ''): asserts holds {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(shown)}`);
}
