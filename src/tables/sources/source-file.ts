import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { FileFault } from '../teapop/diagnostics.ts';

/** Large enough that reading costs little, small enough to hold for each file that is open. */
const CHUNK_OCTETS = 64 * 1024;

/** Thrown where the tables' files cannot be read as they are now. What was served before stays in force. */
export class SourceUnreadable extends Error {
  override name = 'SourceUnreadable';
}

/** Gets each chunk in turn; it is valid until the promise that is returned settles. */
export type ChunkHandler = (octets: Uint8Array) => void | Promise<void>;

/**
 * Reads a file from start to end in constant memory.
 * @param names 'one' refuses a file with more than one hard link
 * @returns null, or why it is not read at all
 * @throws SourceUnreadable where reading fails halfway or the file is written to meanwhile
 */
export async function readSource(
  path: string | Buffer,
  names: 'one' | 'any',
  onChunk: ChunkHandler,
): Promise<FileFault | null> {
  const file = await openSource(path);
  if (typeof file === 'string') return file;
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) return 'not-regular';
    // As teapop has it: the second name of a password file could stand in a folder that others write to.
    if (names === 'one' && before.nlink !== 1n) return 'linked';
    await readChunks(path, file, Number(before.size), onChunk);
    // Half of the old and half of the new content would lock out whoever stands behind the seam.
    if (!sameContent(before, await file.stat({ bigint: true }))) {
      throw new SourceUnreadable(`${path}: written to while it was read`);
    }
    return null;
  } finally {
    await file.close();
  }
}

async function openSource(path: string | Buffer): Promise<FileHandle | FileFault> {
  try {
    // Without O_NONBLOCK a FIFO of that name would hold the sync for good.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable';
  }
}

async function readChunks(
  path: string | Buffer,
  file: FileHandle,
  size: number,
  onChunk: ChunkHandler,
): Promise<void> {
  // An octet more, so that a small file's end is seen by the read that has all of it.
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_OCTETS, size + 1));
  let octets = 0;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null).catch((error: Error) => {
      throw new SourceUnreadable(`${path}: ${error.message}`);
    });
    if (bytesRead === 0) return;
    await onChunk(chunk.subarray(0, bytesRead));
    octets += bytesRead;
    if (bytesRead < chunk.length && octets >= size) return;
  }
}

function sameContent(before: BigIntStats, after: BigIntStats): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs;
}

/** A path as the system takes it: octets, whatever they are. */
export function octetPath(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
