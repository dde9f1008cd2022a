import { freePort } from './ports.ts';
import { serving, start } from './process.ts';
import { temporaryFolder } from './temp.ts';
import { requireTool } from './tool.ts';

export type Front = {
  /** Where it listens; default 127.0.0.1. */
  address?: string;
  /** The proxy's listener behind it. */
  port: number;
  /** What stands on the server line: send-proxy, checks … */
  server: string;
  /** Further lines of the section. */
  more?: string;
};

export type Haproxy<Name extends string> = {
  port(name: Name): number;
  output(): string;
  stop(): Promise<void>;
};

/** A real HAProxy with a front for each name. */
export async function startHaproxy<Name extends string>(fronts: Record<Name, Front>): Promise<Haproxy<Name>> {
  const folder = temporaryFolder('haproxy');
  const ports = new Map<string, number>();
  const sections: string[] = [];
  for (const [name, { address = '127.0.0.1', port, server, more = '' }] of Object.entries<Front>(fronts)) {
    ports.set(name, await freePort());
    sections.push(`listen ${name}
  bind ${address}:${ports.get(name)}
  ${more}
  server proxy 127.0.0.1:${port} ${server}
`);
  }
  const config = `global
  log stderr format raw daemon
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout check 2s
${sections.join('')}`;
  const program = requireTool('haproxy', 'haproxy');
  const haproxy = await start([program, '-db', '-f', folder.file('haproxy.cfg', config)]);
  // Fronts listen on several addresses; the process is up when one of them does.
  const first = Object.entries<Front>(fronts).find(([, { address }]) => address === undefined)![0];
  await serving(haproxy, [ports.get(first)!]);
  return {
    port: (name) => ports.get(name)!,
    output: () => haproxy.output(),
    stop: async () => {
      await haproxy.stop();
      folder.remove();
    },
  };
}
