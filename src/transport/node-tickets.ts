/**
 * Keys of session tickets, derived from a secret and the time: all who have the secret and the time have the keys, so
 * that a session resumes at another process or host, and after a restart.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { ServerTlsOptions } from './transport.ts';

/** What node:tls gives OpenSSL for a ticket (RFC 5077, 4): AES-128-CBC and HMAC-SHA-256. */
export type TicketKey = { name: Buffer; hmac: Buffer; aes: Buffer };

const PART = 16;

/** How often the key changes in the life of a ticket. */
const KEYS_IN_A_LIFE = 2;

/** Where no secret is given: the process's own, which its listeners and reloads share. */
const OWN_SECRET = randomBytes(32);

export class TicketKeys {
  readonly #secret: Uint8Array;
  readonly #group: string;
  readonly #seconds: number;
  readonly #clock: () => number;
  #keys = new Map<number, TicketKey>();

  /**
   * @param group sessions resume within a group alone
   * @param lifetime of a ticket, in seconds
   */
  constructor(secret: Uint8Array, group: string, lifetime: number, clock: () => number = Date.now) {
    this.#secret = secret;
    this.#group = group;
    this.#seconds = lifetime / KEYS_IN_A_LIFE;
    this.#clock = clock;
  }

  get #slice(): number {
    return Math.floor(this.#clock() / 1000 / this.#seconds);
  }

  /** For new tickets. */
  get current(): TicketKey {
    return this.#key(this.#slice);
  }

  /** Of the tickets that may still live; of the next time's as well, since no two hosts' clocks are quite the same. */
  find(name: Uint8Array): TicketKey | undefined {
    const slice = this.#slice;
    for (let back = -1; back <= KEYS_IN_A_LIFE; back += 1) {
      const key = this.#key(slice - back);
      if (key.name.equals(name)) return key;
    }
    return undefined;
  }

  #key(slice: number): TicketKey {
    const known = this.#keys.get(slice);
    if (known !== undefined) return known;
    const info = `teapop-proxy session ticket ${this.#group} ${this.#seconds} ${slice}`;
    const octets = Buffer.from(hkdfSync('sha256', this.#secret, '', info, 3 * PART));
    const [name, hmac, aes] = [0, 1, 2].map((part) => octets.subarray(part * PART, (part + 1) * PART));
    const key = { name: name!, hmac: hmac!, aes: aes! };
    // Old ones go since no ticket of theirs lives. It hides nothing: whoever has the secret can make them again.
    const oldest = this.#slice - KEYS_IN_A_LIFE;
    for (const other of this.#keys.keys()) if (other < oldest) this.#keys.delete(other);
    this.#keys.set(slice, key);
    return key;
  }
}

export function ticketKeys({ sessions }: ServerTlsOptions, group: string): TicketKeys {
  return new TicketKeys(sessions.secret ?? OWN_SECRET, group, sessions.lifetime);
}

/** OpenSSL's answers (SSL_CTX_set_tlsext_ticket_key_cb). */
const UNKNOWN = 0;
const USE = 1;
/** Take it, and give out a new one. */
const RENEW = 2;

/** All five are always there and of 16 octets, for Node aborts the process where one is not. */
type Answer = [verdict: number, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer];

const NOTHING = Buffer.alloc(PART);
const NO_KEY: Answer = [UNKNOWN, NOTHING, NOTHING, NOTHING, NOTHING];

/** The part of node:tls's context that is not in its documentation; Node's own tests use it. */
type TicketContext = {
  enableTicketKeyCallback(): void;
  onticketkeycallback: (name: Uint8Array, iv: Uint8Array, encrypting: boolean) => Answer;
};

/** `ticketKeys` of node:tls takes one key, so that each change would end all sessions of the one before. */
export function setTicketKeys(context: SecureContext, keys: TicketKeys): void {
  const native = context.context as TicketContext;
  // Where Bun runs this for its tests.
  if (typeof native.enableTicketKeyCallback !== 'function') return;
  native.enableTicketKeyCallback();
  native.onticketkeycallback = (name, _iv, encrypting) => {
    const key = encrypting ? keys.current : keys.find(name);
    if (key === undefined) return NO_KEY;
    return [encrypting ? USE : RENEW, key.hmac, key.aes, key.name, randomBytes(PART)];
  };
}
