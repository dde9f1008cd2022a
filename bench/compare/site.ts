/** What all measurements of a run share: a certificate, the mailstore. */
import { join } from 'node:path';
import { freePort, waitForPort } from '../../test/support/ports.ts';
import { run } from '../../test/support/process.ts';
import { makeCgroup, removeCgroup } from './accounting.ts';
import { type Site, startOn } from './instances.ts';

export type Cores = { loadCore: number; proxyCore: number };

/** Two descriptors a session, and some for the rest. */
const MOST_CONNECTIONS = 9_000;
const PASSWORD = 'secret';

export async function makeSite(folder: string, { loadCore, proxyCore }: Cores): Promise<Site> {
  const key = join(folder, 'key.pem');
  const certificate = join(folder, 'certificate.pem');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', '/CN=bench.example', '-days', '30'];
  const made = await run([
    'openssl',
    'req',
    '-x509',
    ...curve,
    ...names,
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  if (made.code !== 0) throw new Error(`openssl made no certificate: ${made.output}`);
  const probe = makeCgroup(`teapop-proxy-bench-${process.pid}`);
  if (probe !== null) removeCgroup(probe);
  return {
    ...{ folder, key, certificate, loadCore, proxyCore, cgroups: probe !== null },
    ...{ sinkPort: await freePort(), password: PASSWORD, maxConnections: MOST_CONNECTIONS },
  };
}

export async function withSink<T>(site: Site, work: (pid: number) => Promise<T>): Promise<T> {
  const program = join(import.meta.dirname, 'sink.ts');
  const sink = await startOn(site.loadCore, { command: [process.execPath, program, String(site.sinkPort)] });
  try {
    await waitForPort(site.sinkPort);
    return await work(sink.pid);
  } finally {
    await sink.stop();
  }
}
