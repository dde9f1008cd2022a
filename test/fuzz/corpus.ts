import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Inputs that are needed to reach what is reached: a run of the fuzzer writes them anew. */
const CORPUS = join(import.meta.dirname, 'corpus');
/** Inputs that once did harm: these stay. */
const FOUND = join(import.meta.dirname, 'found');

/** All inputs of a target that are kept, each a file of its octets. */
export function readKept(target: string): Buffer[] {
  return [CORPUS, FOUND].map((folder) => join(folder, target)).flatMap(readFolder);
}

function readFolder(folder: string): Buffer[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).toSorted();
  return names.map((name) => readFileSync(join(folder, name)));
}

/** @returns the file's path */
export function keepFound(target: string, input: Uint8Array): string {
  return write(join(FOUND, target), input);
}

/** These inputs and no other. */
export function replaceCorpus(target: string, inputs: readonly Uint8Array[]): void {
  const folder = join(CORPUS, target);
  rmSync(folder, { recursive: true, force: true });
  for (const input of inputs) write(folder, input);
}

function write(folder: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16));
  writeFileSync(path, input);
  return path;
}
