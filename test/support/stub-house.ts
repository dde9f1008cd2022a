import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type TemporaryFolder, temporaryFolder } from './temp.ts';

/** What users start. */
export const PROGRAM = fileURLToPath(new URL('../../bin/teapop-proxy', import.meta.url));

/** A house with nothing in it but bin/teapop-proxy and, in place of a runtime, a shell script of one line. */
export function stubHouse(runtime: 'bun' | 'node', line: string): TemporaryFolder {
  const house = temporaryFolder('house');
  house.file(`node_modules/.bin/${runtime}`, `#!/bin/sh\n${line}\n`, 0o755);
  house.file('bin/teapop-proxy', readFileSync(PROGRAM), 0o755);
  return house;
}
