/** testssl.sh and nmap's TLS scripts against a port on loopback, what they find taken apart. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.ts';
import { temporaryFolder } from './temp.ts';

export type Service = 'pop3' | 'pop3s';

/** A finding of testssl.sh: from OK and INFO over LOW to CRITICAL, or WARN where it could not find out. */
export type Finding = { id: string; severity: string; finding: string };

/** Protocols, ciphers by strength, forward secrecy, what the server prefers and shows, all vulnerabilities. */
const CHECKS = ['-p', '-s', '-f', '-P', '-S', '-U'];

/** For a scan: a minute, and more on a busy machine. */
const SCAN_TIMEOUT = 240_000;

/** @param caFile the authority to whom the server's certificates lead */
export async function testssl(port: number, service: Service, caFile: string): Promise<Finding[]> {
  const folder = temporaryFolder('testssl');
  const report = join(folder.path, 'report.json');
  const output = ['--quiet', '--color', '0', '--warnings', 'off', '--jsonfile', report];
  const starttls = service === 'pop3' ? ['--starttls', 'pop3'] : [];
  const target = [...CHECKS, ...starttls, `127.0.0.1:${port}`];
  try {
    const ended = await run(['testssl', ...output, '--nodns', 'none', '--add-ca', caFile, ...target], {
      timeout: SCAN_TIMEOUT,
    });
    // Its code tells how many checks had a problem; a scan that was not finished has no report that can be read.
    if (ended.signal !== null) throw new Error(`testssl was ended by ${ended.signal}:\n${ended.output}`);
    return JSON.parse(readFileSync(report, 'utf8')) as Finding[];
  } finally {
    folder.remove();
  }
}

/** What nmap looks at: what is offered and shown, and by which holes of old it could be broken. */
const SCRIPTS = [
  ...['ssl-enum-ciphers', 'ssl-cert', 'ssl-dh-params', 'ssl-known-key'],
  ...['ssl-poodle', 'ssl-heartbleed', 'ssl-ccs-injection'],
];

/**
 * What nmap's scripts for TLS say, by port. Those for holes are silent where they find none; told to, they say in so
 * many words that a server is not vulnerable.
 */
export async function nmapTls(services: Readonly<Record<number, Service>>): Promise<Record<number, string>> {
  const folder = temporaryFolder('nmap');
  try {
    const lines = Object.entries(services).map(([port, service]) => `${service}\t${port}/tcp\t0.5\n`);
    const list = folder.file('services', lines.join(''));
    const scripts = ['--script', SCRIPTS.join(','), '--script-args', 'vulns.showall', '-oX', '-'];
    const { code, output } = await run(['nmap', '-Pn', '-n', '--servicedb', list, ...scripts, '127.0.0.1'], {
      timeout: SCAN_TIMEOUT,
    });
    if (code !== 0) throw new Error(`nmap ended with ${code}:\n${output}`);
    const ports = output.matchAll(/<port [^>]*portid="(\d+)".*?<\/port>/gs);
    return Object.fromEntries([...ports].map(([text, port]) => [Number(port), text]));
  } finally {
    folder.remove();
  }
}
