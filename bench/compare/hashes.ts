/**
 * So many hashes at once for so many seconds, checked as a login is; prints the figures of a first login.
 *
 *     bun bench/compare/hashes.ts WORK
 */
import { randomBytes } from 'node:crypto';
import { verifyPhc } from '../../src/auth/argon2.ts';
import { type Argon2id, paramsOf } from './setup.ts';

type Work = { argon2id: Argon2id; seconds: number; atOnce: number };

const { argon2id, seconds, atOnce } = JSON.parse(process.argv[2] ?? '') as Work;
const phc = { params: paramsOf(argon2id), salt: randomBytes(16), hash: randomBytes(32) };
const password = Buffer.from('secret');

// The library is loaded.
await verifyPhc(phc, password);
const used = process.cpuUsage();
const began = performance.now();
const until = began + seconds * 1_000;
let hashes = 0;
await Promise.all(Array.from({ length: atOnce }, another));
const { user, system } = process.cpuUsage(used);
const cpuMs = (user + system) / 1e3;
const ms = performance.now() - began;
const figures = {
  cpuPerLogin: cpuMs / hashes,
  loginsPerSecond: (1_000 * hashes) / ms,
  busyPercent: (100 * cpuMs) / ms / atOnce,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);

async function another(): Promise<void> {
  while (performance.now() < until) {
    await verifyPhc(phc, password);
    hashes++;
  }
}
