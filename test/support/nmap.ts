import { run } from './process.ts';
import { temporaryFolder } from './temp.ts';

/**
 * What nmap's pop3-capabilities makes of ports on loopback, sorted, by port. It is told which service to expect
 * there, by a list of its own: left to find out, it says nothing to an implicit TLS port for ten seconds.
 */
export async function capabilitiesSeen(
  services: Readonly<Record<number, 'pop3' | 'pop3s'>>,
): Promise<Record<number, string[]>> {
  const folder = temporaryFolder('nmap');
  try {
    const lines = Object.entries(services).map(([port, service]) => `${service}\t${port}/tcp\t0.5\n`);
    const list = folder.file('services', lines.join(''));
    const options = ['-Pn', '-n', '--servicedb', list, '--script', 'pop3-capabilities', '-oX', '-'];
    const { code, output } = await run(['nmap', ...options, '127.0.0.1']);
    if (code !== 0) throw new Error(`nmap ended with ${code}:\n${output}`);
    return Object.fromEntries(
      [...output.matchAll(/<port [^>]*portid="(\d+)".*?<\/port>/gs)].map(([port, number]) => [
        number,
        // One or more words in parentheses belong to the name before them.
        (/ output="([^"]*)"/.exec(port)?.[1]?.match(/[^ (]+(\([^)]*\))?/g) ?? []).sort(),
      ]),
    );
  } finally {
    folder.remove();
  }
}
