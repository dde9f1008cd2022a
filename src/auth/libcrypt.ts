import { DataType, load, open } from 'ffi-rs';
import { equalOctets } from './equal.ts';

/**
 * crypt(3) of the system's libcrypt, off the event loop: on Node in libuv's pool, on Bun in its own. One file
 * alone imports ffi-rs, and this is it. Phrases and hashes are octet strings.
 */

/** libxcrypt under its two sonames: with the old glibc ABI (Debian, Ubuntu) and without it (Arch, Fedora). */
export const LIBCRYPT_NAMES = ['libcrypt.so.1', 'libcrypt.so.2'] as const;

/** libxcrypt's CRYPT_MAX_PASSPHRASE_SIZE, the NUL included: it fails a longer phrase instead of cutting it. */
export const PHRASE_SIZE = 512;
/** libxcrypt's CRYPT_OUTPUT_SIZE, the NUL included: no stored hash is longer. */
export const SETTING_SIZE = 384;
/** sizeof(struct crypt_data), part of libxcrypt's ABI; the result stands at its start. */
const DATA_SIZE = 32_768;
/** Slots kept for the next calls; as many as any sensible number of concurrent calls, 34 KiB each. */
const IDLE_SLOTS = 16;

/** Thrown where the system has no libcrypt that can be used; the message names the package. */
export class LibcryptMissing extends Error {
  override name = 'LibcryptMissing';
}

/** What a libcrypt says of a method; 'legacy' works but should not be given to new passwords. */
export type CryptSupport = 'supported' | 'legacy' | 'unsupported' | 'unknown';

export interface Libcrypt {
  /** The library that was found. */
  readonly library: string;
  /**
   * Hashes a phrase under a setting (a stored hash is one). Null where libcrypt refuses: a setting that it does
   * not know, a phrase or setting that is too long or holds a NUL. Never a failure token.
   */
  crypt(phrase: string, setting: string): Promise<string | null>;
  /** True when the phrase hashes to what is stored. Compares in constant time. */
  verify(phrase: string, stored: string): Promise<boolean>;
  /** Whether the method of a stored hash is known here, from its prefix alone; 'unknown' where the library cannot tell. */
  support(setting: string): CryptSupport;
}

type Slot = { phrase: Buffer; setting: Buffer; data: Buffer };

/**
 * Finds and opens libcrypt.
 * @param names sonames or paths, the first that opens is taken
 * @throws LibcryptMissing
 */
export function openLibcrypt(names: readonly string[] = LIBCRYPT_NAMES): Libcrypt {
  const library = openFirst(names);
  const slots: Slot[] = [];

  async function crypt(phrase: string, setting: string): Promise<string | null> {
    if (!isCString(phrase, PHRASE_SIZE) || !isCString(setting, SETTING_SIZE)) return null;
    const slot = slots.pop() ?? newSlot();
    try {
      return await cryptInSlot(library, slot, phrase, setting);
    } finally {
      // The struct holds the phrase and what was derived from it.
      slot.phrase.fill(0);
      slot.setting.fill(0);
      slot.data.fill(0);
      if (slots.length < IDLE_SLOTS) slots.push(slot);
    }
  }

  async function verify(phrase: string, stored: string): Promise<boolean> {
    // How accounts are locked; and no failure token of libcrypt's must ever meet its like.
    if (stored === '' || stored.startsWith('*')) return false;
    const hash = await crypt(phrase, stored);
    return hash !== null && equalOctets(hash, stored);
  }

  return { library, crypt, verify, support: (setting) => support(library, setting) };
}

function openFirst(names: readonly string[]): string {
  const causes: string[] = [];
  for (const name of names) {
    try {
      open({ library: name, path: name });
      // A library without crypt_rn (glibc's own, before libxcrypt) is found out here, not at the first login.
      if (probe(name)) return name;
      causes.push(`${name}: crypt_rn gives no hash`);
    } catch (error) {
      causes.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new LibcryptMissing(
    `crypt(3) passwords need libxcrypt: install the package libcrypt1 (Debian, Ubuntu), libxcrypt ` +
      `(Fedora, Arch, Alpine) or libcrypt1 (SUSE) [${causes.join('; ')}]`,
  );
}

/** A DES hash: the cheapest of all, in every build that keeps the traditional method; else only the call counts. */
function probe(library: string): boolean {
  const slot = newSlot();
  slot.phrase.write('\0', 'latin1');
  slot.setting.write('ab\0', 'latin1');
  load({ library, funcName: 'crypt_rn', ...SIGNATURE, paramsValue: callArguments(slot) });
  return slot.data[0] !== 0;
}

const SIGNATURE = {
  // The address: a String would be read from NULL where libcrypt refuses, and crash the process.
  retType: DataType.BigInt,
  paramsType: [DataType.U8Array, DataType.U8Array, DataType.U8Array, DataType.I32] as DataType[],
};

function callArguments(slot: Slot): unknown[] {
  return [slot.phrase, slot.setting, slot.data, DATA_SIZE];
}

async function cryptInSlot(library: string, slot: Slot, phrase: string, setting: string) {
  // The slot was zeroed, so each string is ended by a NUL.
  slot.phrase.write(phrase, 'latin1');
  slot.setting.write(setting, 'latin1');
  const call = { library, funcName: 'crypt_rn', ...SIGNATURE, paramsValue: callArguments(slot) };
  const address = BigInt(await (load({ ...call, runInNewThread: true }) as unknown as Promise<bigint>));
  if (address === 0n) return null;
  const end = slot.data.indexOf(0);
  const hash = slot.data.toString('latin1', 0, end < 0 ? SETTING_SIZE : end);
  // A failure token ('*0', '*1') is no hash, whatever the return value said.
  return hash === '' || hash.startsWith('*') ? null : hash;
}

/** crypt_checksalt's answers: 0 good, 1 invalid, 2 method disabled, 3 legacy method, 4 too cheap. */
const CHECKSALT: readonly CryptSupport[] = ['supported', 'unsupported', 'unsupported', 'legacy', 'legacy'];

function support(library: string, setting: string): CryptSupport {
  if (!isCString(setting, SETTING_SIZE)) return 'unsupported';
  try {
    const answer = load({
      library,
      funcName: 'crypt_checksalt',
      retType: DataType.I32,
      paramsType: [DataType.U8Array],
      paramsValue: [Buffer.from(`${setting}\0`, 'latin1')],
    });
    return CHECKSALT[answer] ?? 'unknown';
  } catch {
    return 'unknown'; // libxcrypt before 4.3 has no crypt_checksalt.
  }
}

/** True where C sees the same string: no NUL, and room for the one behind it. */
function isCString(octets: string, size: number): boolean {
  return octets.length < size && !octets.includes('\0');
}

/** Own ArrayBuffers: memory that no garbage collector moves while a thread writes into it. */
function newSlot(): Slot {
  const zeroed = (size: number) => Buffer.from(new ArrayBuffer(size));
  return { phrase: zeroed(PHRASE_SIZE), setting: zeroed(SETTING_SIZE), data: zeroed(DATA_SIZE) };
}
