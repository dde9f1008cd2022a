/** Octet strings that carry their own lengths: any octet survives, nothing needs a separator. */

const CONTINUED = 0x80;
const BITS = 7;
/** 2 ** 49 is far beyond any length, line or cost, and below what a double counts exactly. */
const MAX_OCTETS = 7;

/** A whole number from 0 in LEB128: seven bits an octet, the lowest first. */
export function varint(value: number): string {
  let octets = '';
  let rest = value;
  while (rest >= CONTINUED) {
    octets += String.fromCharCode((rest % CONTINUED) | CONTINUED);
    rest = Math.floor(rest / CONTINUED);
  }
  return octets + String.fromCharCode(rest);
}

/** A string behind its length. */
export function sized(octets: string): string {
  return varint(octets.length) + octets;
}

/** Thrown where stored octets end too early or say what nothing has written. */
export class MalformedOctets extends Error {
  override name = 'MalformedOctets';
}

export class OctetReader {
  readonly #octets: string;
  #at = 0;

  constructor(octets: string) {
    this.#octets = octets;
  }

  get ended(): boolean {
    return this.#at >= this.#octets.length;
  }

  /** @throws MalformedOctets */
  take(length: number): string {
    const end = this.#at + length;
    if (end > this.#octets.length) throw new MalformedOctets('stored row ends too early');
    const taken = this.#octets.slice(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** @throws MalformedOctets */
  varint(): number {
    let value = 0;
    for (let i = 0; i < MAX_OCTETS; i++) {
      const octet = this.take(1).charCodeAt(0);
      value += (octet & (CONTINUED - 1)) * 2 ** (BITS * i);
      if (octet < CONTINUED) return value;
    }
    throw new MalformedOctets('stored number is too long');
  }

  /** @throws MalformedOctets */
  sized(): string {
    return this.take(this.varint());
  }
}
