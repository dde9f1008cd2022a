import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian puts programs that not every user's PATH names. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The path of a program that a test cannot do without. Throws, naming the package that brings it, where it is missing. */
export function requireTool(command: string, debianPackage: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  const found = folders.map((folder) => join(folder, command)).find(isExecutable);
  if (found !== undefined) return found;
  throw new Error(`${command} is missing: install the Debian package ${debianPackage}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
