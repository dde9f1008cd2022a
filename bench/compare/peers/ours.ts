/** teapop-proxy itself, by bench/start: tables from files; limits, metrics and the log as by default. */
import { join } from 'node:path';
import type { Command, Peer, Place } from './peer.ts';

const START = join(import.meta.dirname, '../../start');
const RUNTIMES = join(import.meta.dirname, '../../../node_modules/.bin');

export const oursOnBun: Peer = {
  id: 'bun',
  title: '**teapop-proxy on Bun**',
  needs: [],
  version: { of: 'Bun', command: [join(RUNTIMES, 'bun'), '--version'] },
  start: (place) => start(place, 'bun'),
};

export const oursOnNode: Peer = {
  id: 'node',
  title: '**teapop-proxy on Node**',
  needs: [],
  version: { of: 'Node', command: [join(RUNTIMES, 'node'), '--version'] },
  start: (place) => start(place, 'node'),
};

/** What the log's line for each session and the admin listener cost: the difference to the one above. */
export const oursQuiet: Peer = {
  id: 'quiet',
  title: 'teapop-proxy on Bun, log.level warn, admin off',
  needs: [],
  version: oursOnBun.version,
  start: (place) => start(place, 'bun', { PB_QUIET: '1' }),
  only: ['w1', 'w3b', 'w4'],
};

function start(place: Place, runtime: string, env: Record<string, string> = {}): Command {
  return {
    command: [START, runtime],
    env: {
      PB_RUN: place.run,
      PB_PORT: String(place.port),
      PB_TLS: place.tls ? '1' : '0',
      PB_SINK_PORT: String(place.sinkPort),
      PB_AUX_PORT: String(place.auxPort),
      PB_USERS: place.users,
      PB_PASSWORD: place.password,
      PB_CERT: place.certificate,
      PB_KEY: place.key,
      PB_MAXCONN: String(place.maxConnections),
      PB_WORKERS: '1',
      ...env,
    },
  };
}
