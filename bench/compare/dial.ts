/**
 * The load generator's connections: Bun's sockets in plain text, node:tls where a session is to be resumed, node:net
 * where the address matters.
 */
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import type { Tls } from './workloads.ts';

export type Link = { write(octets: Buffer): void; end(): void; terminate(): void; resumed(): boolean };
export type Ear = { open(link: Link): void; data(octets: Buffer): void; close(why: string): void };

const HOST = '127.0.0.1';

/** One connection. `close` is called once, also where none came about. */
export type Dial = (ear: Ear) => void;

export function dialler(port: number, tls: Tls): Dial {
  return tls === 'off' ? (ear) => dialPlain(port, ear) : dialTls(port, tls);
}

const handlers = {
  open(socket: Bun.Socket<Ear>) {
    socket.data.open({
      // Commands are short: a kernel that does not take one at once has no room for the reply either.
      write: (octets) => void socket.write(octets),
      end: () => void socket.end(),
      terminate: () => socket.terminate(),
      resumed: () => false,
    });
  },
  data: (socket: Bun.Socket<Ear>, octets: Buffer) => socket.data.data(octets),
  close: (socket: Bun.Socket<Ear>) => socket.data.close('closed'),
  error() {},
  connectError: (socket: Bun.Socket<Ear>, error: Error) => socket.data.close(error.message),
};

function dialPlain(port: number, ear: Ear): void {
  Bun.connect<Ear>({ hostname: HOST, port, socket: handlers, data: ear }).catch(() => {
    // connectError has said it.
  });
}

/** In plain text, by node:net: Bun's own sockets take no address of one's own. */
export function diallerFrom(localAddress: string, port: number): Dial {
  return (ear) => {
    const socket = connectPlain({ host: HOST, port, localAddress, noDelay: true });
    let why = 'closed';
    socket.once('connect', () =>
      ear.open({
        write: (octets) => void socket.write(octets),
        end: () => socket.end(),
        terminate: () => socket.destroy(),
        resumed: () => false,
      }),
    );
    socket.on('data', (octets: Buffer) => ear.data(octets));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => ear.close(why));
  };
}

/** The first is what all can do but perdition, which has the second: more is for `hybrid`, lest less work be compared. */
const GROUPS = { full: 'X25519:P-256', resumed: 'X25519:P-256', hybrid: 'X25519MLKEM768' } as const;

function dialTls(port: number, tls: Exclude<Tls, 'off'>): Dial {
  let session: Buffer | undefined;
  return (ear) => {
    const offered = tls === 'resumed' ? session : undefined;
    const socket = connect({
      host: HOST,
      port,
      rejectUnauthorized: false,
      ecdhCurve: GROUPS[tls],
      ...(offered === undefined ? {} : { session: offered }),
    });
    let why = 'closed';
    socket.setNoDelay(true);
    socket.once('secureConnect', () =>
      ear.open({
        write: (octets) => void socket.write(octets),
        end: () => socket.end(),
        terminate: () => socket.destroy(),
        resumed: () => socket.isSessionReused(),
      }),
    );
    socket.on('session', (fresh) => {
      session = fresh;
    });
    socket.on('data', (octets: Buffer) => ear.data(octets));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => ear.close(why));
  };
}
