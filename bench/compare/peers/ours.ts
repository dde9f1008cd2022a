/** teapop-proxy itself, by bench/start: tables from files; limits, metrics and the log as by default. */
import { join } from 'node:path';
import { named } from '../setup.ts';
import type { Command, Peer, Place, Way } from './peer.ts';

const START = join(import.meta.dirname, '../../start');
const AUX = join(import.meta.dirname, '../../aux');
const RUNTIMES = join(import.meta.dirname, '../../../node_modules/.bin');

export const oursOnBun: Peer = {
  id: 'bun',
  title: '**teapop-proxy on Bun**',
  needs: [],
  version: { of: 'Bun', command: [join(RUNTIMES, 'bun'), '--version'] },
  start: (place) => start(place, 'bun'),
  hashed: hashed('**teapop-proxy on Bun**, tables in Redis, counted too', 'bun'),
  warms: true,
};

export const oursOnNode: Peer = {
  id: 'node',
  title: '**teapop-proxy on Node**',
  needs: [],
  version: { of: 'Node', command: [join(RUNTIMES, 'node'), '--version'] },
  start: (place) => start(place, 'node'),
  hashed: hashed('**teapop-proxy on Node**, tables in Redis, counted too', 'node'),
  warms: true,
};

/** What the log's line for each session and the admin listener cost: the difference to the one above. */
export const oursQuiet: Peer = {
  id: 'quiet',
  title: 'teapop-proxy on Bun, log.level warn, admin off',
  needs: [],
  version: oursOnBun.version,
  start: (place) => start(place, 'bun', { PB_QUIET: '1' }),
  only: ['w1', 'w3b', 'w4'],
  warms: true,
};

function hashed(title: string, runtime: string): Way {
  return {
    title,
    start: (place) => start(place, runtime),
    aux: (place) => ({ command: [AUX], env: environment(place) }),
  };
}

function start(place: Place, runtime: string, env: Record<string, string> = {}): Command {
  const { argon2id } = place;
  const tables = argon2id === null ? [] : ['argon2id', named(argon2id)];
  return { command: [START, runtime, ...tables], env: { ...environment(place), ...env } };
}

function environment(place: Place): Record<string, string> {
  return {
    PB_RUN: place.run,
    PB_PORT: String(place.port),
    PB_TLS: place.tls ? '1' : '0',
    PB_SINK_PORT: String(place.sinkPort),
    PB_AUX_PORT: String(place.auxPort),
    PB_USERS: place.usersFile,
    PB_PASSWORD: place.password,
    PB_CERT: place.certificate,
    PB_KEY: place.key,
    PB_MAXCONN: String(place.maxConnections),
    PB_WORKERS: String(place.workers),
  };
}
