import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** One write of the system each. */
const CHUNK_OCTETS = 256 * 1024;

/** Octets on their way to the end of a file. What was appended waits in memory until `drain`. */
export class AppendFile {
  readonly #file: FileHandle;
  #written: number;
  #full: Buffer[] = [];
  #chunk = Buffer.allocUnsafe(CHUNK_OCTETS);
  #filled = 0;
  #sum = 0;
  #at: number;

  /** @param at where the first octet goes */
  constructor(file: FileHandle, at: number) {
    this.#file = file;
    this.#written = this.#at = at;
  }

  /** Where the next octet goes. */
  get at(): number {
    return this.#at;
  }

  /** CRC-32 of all that was written. */
  get sum(): number {
    return this.#sum;
  }

  append(octets: Buffer): void {
    this.#at += octets.length;
    for (let from = 0; from < octets.length; ) {
      const taken = octets.copy(this.#chunk, this.#filled, from);
      this.#filled += taken;
      from += taken;
      if (this.#filled === CHUNK_OCTETS) this.#nextChunk();
    }
  }

  /** Writes full chunks. */
  async drain(): Promise<void> {
    const chunks = this.#full;
    this.#full = [];
    for (const chunk of chunks) await this.#write(chunk);
  }

  /** Writes everything. */
  async flush(): Promise<void> {
    this.#nextChunk();
    await this.drain();
  }

  #nextChunk(): void {
    this.#full.push(this.#chunk.subarray(0, this.#filled));
    this.#chunk = Buffer.allocUnsafe(CHUNK_OCTETS);
    this.#filled = 0;
  }

  async #write(octets: Buffer): Promise<void> {
    for (let from = 0; from < octets.length; ) {
      const { bytesWritten } = await this.#file.write(octets, from, octets.length - from, this.#written);
      this.#written += bytesWritten;
      from += bytesWritten;
    }
    this.#sum = crc32(octets, this.#sum);
  }
}
