import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type TemporaryFolder = {
  path: string;
  /** Writes a file (folders on the way are made) and returns its path. */
  file(name: string, content: string | Uint8Array, mode?: number): string;
  folder(name: string, mode?: number): string;
  remove(): void;
};

/** A folder that other users may enter: Dovecot's processes run as several. Text is written as latin1 octets. */
export function temporaryFolder(label: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `teapop-proxy-${label}-`));
  chmodSync(path, 0o755);
  return {
    path,
    file: (name, content, mode = 0o644) => writeFile(join(path, name), content, mode),
    folder: (name, mode = 0o755) => makeFolder(join(path, name), mode),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

function writeFile(path: string, content: string | Uint8Array, mode: number): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? Buffer.from(content, 'latin1') : content, { mode });
  chmodSync(path, mode);
  return path;
}

function makeFolder(path: string, mode: number): string {
  mkdirSync(path, { recursive: true });
  // mkdir's own mode is cut by the umask, and drops the sticky and setgid bits on some systems.
  chmodSync(path, mode);
  return path;
}
