import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { PROGRAM } from '../support/stub-house.ts';
import { temporaryFolder } from '../support/temp.ts';

/** Far more than a pipe holds. */
const MISTAKES = 3_000;

/** Reads only when the program has had time to end: what it wrote must not end with it. */
async function readLate(runtime: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, TEAPOP_PROXY_RUNTIME: runtime };
  const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  let text = '';
  for await (const octets of child.stderr) text += octets;
  return text;
}

describe('output to a slow reader arrives whole', () => {
  for (const runtime of ['bun', 'node']) {
    test(`on ${runtime}`, async () => {
      const folder = temporaryFolder('output');
      const mistakes = Array.from({ length: MISTAKES }, (_, i) => `mistake_${i}: 1\n`);
      const file = folder.file('teapop-proxy.yaml', mistakes.join(''));
      const text = await readLate(runtime, 'check', '--config', file);
      folder.remove();
      assert.ok(text.length > 100_000, `${text.length} characters`);
      assert.match(text.slice(-40), /: \d+ errors, \d+ warnings\n$/);
    });
  }
});
