import { wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';

const REASONS: Record<string, string> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  ELOOP: 'too many symbolic links',
};

/** Why the system would not give a file, in words; of other errors the code alone, for messages may quote. */
export function systemReason(error: unknown): string {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error';
  return REASONS[code] ?? code;
}

/** @param path of the setting that names the file */
export function unreadable(file: string, path: Path, error: unknown): Finding {
  const reason = systemReason(error);
  const hint =
    reason === REASONS.ENOENT ? 'create it, or give its real path' : 'the proxy must be able to read it';
  return wrong(path, `${file} cannot be read: ${reason}`, hint);
}
