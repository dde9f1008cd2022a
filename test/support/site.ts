import { type Argon2Params, hashPassword } from '../../src/auth/argon2.ts';
import { createPasswordTools } from '../../src/auth/password-tools.ts';
import type { RedisSettings } from '../../src/tables/redis/link.ts';
import type { CompileOptions } from '../../src/tables/sources/compile.ts';
import { type SyncOptions, syncTables } from '../../src/tables/sync/sync.ts';
import type { PasswordTools } from '../../src/tables/teapop/password-tools.ts';
import { temporaryFolder } from './temp.ts';

/** The least that Argon2 takes: a test hashes thousands. */
export const CHEAP: Argon2Params = { memory: 8 * 1024, time: 1, parallelism: 1 };

export type Site = {
  /** Its folder. */
  path: string;
  /** Writes a file of the site; `{dir}` in it stands for the site's folder. */
  write(name: string, text: string): string;
  files: CompileOptions;
  /** A sync to Redis; the options override what a small site needs. */
  sync(port: number, options?: Partial<SyncOptions>): ReturnType<typeof syncTables>;
  remove(): void;
};

/** A mail host's folder with a domain table `teapop.passwd` and its password files. */
export function makeSite(label: string): Site {
  const folder = temporaryFolder(label);
  const files: CompileOptions = {
    domainTable: `${folder.path}/teapop.passwd`,
    resolveNames: true,
    accounts: 'any',
    resolve: async (name) => (name === 'localhost' ? '127.0.0.1' : null),
  };
  return {
    path: folder.path,
    write: (name, text) => folder.file(name, text.replaceAll('{dir}', folder.path)),
    files,
    sync: (port, options = {}) =>
      syncTables({
        files,
        redis: redisAt(port),
        prefix: 'test',
        fingerprintKeyFile: `${folder.path}/state/fingerprint.key`,
        passwords: createPasswordTools(CHEAP, null),
        keeping: () => 'hashed',
        concurrency: 2,
        ...options,
      }),
    remove: () => folder.remove(),
  };
}

/** With time for an answer on a busy machine, too. */
export function redisAt(port: number): RedisSettings {
  const servers = { kind: 'single', host: '127.0.0.1', port } as const;
  return { servers, username: null, password: null, database: 0, tls: null, timeout: 10_000 };
}

/** Tools that count the passwords they hash. */
export function countingTools(params = CHEAP): PasswordTools & { hashed: string[] } {
  const hashed: string[] = [];
  const hash = (password: string) => {
    hashed.push(password);
    return hashPassword(password, params);
  };
  return { ...createPasswordTools(params, null), hash, hashed };
}
