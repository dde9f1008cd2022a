import {
  type Address,
  type Command,
  type RedisPeer,
  type Reply,
  shown,
} from '../../src/tables/redis/link.ts';
import { TablesUnavailable } from '../../src/tables/teapop/store.ts';

export type Answer = Reply | TablesUnavailable;

/** A server that does as it is told. */
export type FakePeer = {
  up: boolean;
  /** Its last connection. */
  closed: boolean;
  heard: Command[];
  /** Before the answer that all give. */
  answer: (command: Command, before: Command | undefined) => Answer | undefined;
  /** Takes its connections away, or gives them back. */
  set(up: boolean): void;
};

/** Servers by number of port, who come to be when somebody connects to them. */
export function fakePeers(usual: (port: number, command: Command) => Answer) {
  const peers = new Map<number, FakePeer>();
  const opened: string[] = [];
  const listeners = new Map<number, Set<() => void>>();
  const peer = (port: number): FakePeer => {
    const known = peers.get(port);
    if (known !== undefined) return known;
    const fresh: FakePeer = {
      up: true,
      closed: false,
      heard: [],
      answer: () => undefined,
      set: (up) => {
        fresh.up = up;
        for (const listener of listeners.get(port) ?? []) listener();
      },
    };
    peers.set(port, fresh);
    listeners.set(port, new Set());
    return fresh;
  };
  const open = (address: Address): RedisPeer => {
    const { port } = address;
    const it = peer(port);
    opened.push(shown(address));
    it.closed = false;
    const down = () => new TablesUnavailable(`node ${port} is down`);
    return {
      ask: async (commands) => {
        if (!it.up) return commands.map(down);
        return commands.map((command, i) => {
          it.heard.push(command);
          return it.answer(command, commands[i - 1]) ?? usual(port, command);
        });
      },
      whenReady: () => (it.up ? Promise.resolve() : Promise.reject(down())),
      problem: () => (it.up ? null : `node ${port} is down`),
      onChange: (listener) => void listeners.get(port)!.add(listener),
      close: () => {
        it.closed = true;
      },
    };
  };
  return { node: peer, open, opened };
}
