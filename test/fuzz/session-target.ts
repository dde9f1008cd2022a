import { type MemoryTransport, memoryTransport } from '../../src/transport/memory.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { TransportPeer } from '../support/transport-peer.ts';
import { must, OWN_LINES, type Target } from './target.ts';

/** Between two deeds of an input. */
const NEXT = '\x1f';
/** Turns of the microtask queue in which everything that can happen without a clock has happened. */
const TURNS = 200;
const LOGIN = 'USER johnacme\r\nPASS upstream-secret\r\n';

type Stage = { transport: MemoryTransport; proxy: TestProxy; stores: TransportPeer[] };
let stage: Promise<Stage> | null = null;

/** One proxy for all inputs: what one leaves behind the next would meet. */
async function open(): Promise<Stage> {
  // So small that replies have to wait now and then.
  const transport = memoryTransport(60);
  const stores: TransportPeer[] = [];
  const accept = (connection: ConstructorParameters<typeof TransportPeer>[0]) =>
    void stores.push(new TransportPeer(connection));
  const { port } = await transport.listen({ address: '127.0.0.1', port: 0, accept });
  const proxy = await startTestProxy({ transport, upstream: { port } });
  return { transport, proxy, stores };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await null;
}

type Deed = (stage: Stage, client: TransportPeer, words: string) => unknown;

const DEEDS: Record<string, Deed> = {
  c: (_, client, words) => client.closed || client.send(words),
  C: (_, client) => client.connection.end(),
  d: (_, client) => client.connection.destroy(),
  r: ({ transport }, client) => client.closed || transport.abort(client.connection),
  p: (_, client) => client.connection.pause(),
  g: (_, client) => client.connection.resume(),
  m: ({ stores }, _, words) => (stores.at(-1)?.closed === false ? stores.at(-1)!.send(words) : null),
  M: ({ stores }) => stores.at(-1)?.connection.end(),
  D: ({ stores }) => stores.at(-1)?.connection.destroy(),
  R: ({ transport, stores }) =>
    stores.at(-1)?.closed === false ? transport.abort(stores.at(-1)!.connection) : null,
  w: () => turns(3),
  W: () => turns(TURNS),
};

async function play(input: string): Promise<void> {
  stage ??= open();
  const here = await stage;
  const { proxy, transport, stores } = here;
  stores.length = 0;
  proxy.lines.length = 0;
  const client = TransportPeer.connect(transport, proxy.port);
  let sent = '';
  for (const deed of input.split(NEXT)) {
    const name = deed[0] ?? '';
    if (!Object.hasOwn(DEEDS, name)) continue;
    if (name === 'c') sent += deed.slice(1);
    await DEEDS[name]!(here, client, deed.slice(1));
  }
  await turns(TURNS);
  client.connection.destroy();
  for (const store of stores) if (!store.closed) transport.abort(store.connection);
  // A mailstore that failed is asked again for its capabilities, whenever that is due: nobody's session, and untold yet.
  const gone = () => proxy.sessions.size === 0 && stores.every(({ closed, text }) => closed || text === '');
  for (let tries = 0; tries < 50 && !gone(); tries++)
    await new Promise((resolve) => setTimeout(resolve, tries < 10 ? 0 : 10));
  must(proxy.sessions.size === 0, 'a session is left');
  must(gone(), 'an upstream connection is left', stores);
  check(here, client, sent);
}

function check({ proxy, stores }: Stage, client: TransportPeer, sent: string): void {
  const faults = proxy.lines.filter((line) => /"(session|login)-error"|"end":"internal"/.test(line));
  must(faults.length === 0, 'a fault of its own', faults);
  const letIn = stores.some(({ text }) => text.startsWith(LOGIN));
  // The last line may be cut short, where the client went before it was whole.
  const heard = client.text.slice(0, client.text.lastIndexOf('\n') + 1);
  if (!letIn) must(OWN_LINES.test(heard), 'says what is not its own', heard);
  for (const { text } of stores) {
    must(LOGIN.startsWith(text.slice(0, LOGIN.length)), 'a login that is none', text);
    must(sent.includes(text.slice(LOGIN.length)), 'makes up octets for the mailstore', text);
  }
}

const script = (...deeds: string[]) => deeds.join(NEXT);
const logIn = [
  'cUSER john\r\nPASS secret\r\n',
  'W',
  'm+OK ready\r\n',
  'W',
  'm+OK\r\n',
  'W',
  'm+OK logged in\r\n',
  'W',
];

/** A whole session, from the accept to its end, with a client and a mailstore that do as the input says. */
export const session: Target = {
  name: 'session',
  seeds: [
    script(...logIn, 'cSTAT\r\n', 'w', 'm+OK 0 0\r\n', 'cQUIT\r\n', 'w', 'm+OK bye\r\n', 'M'),
    script(
      'cUSER john\r\nPASS secret\r\nSTAT\r\nQUIT\r\n',
      'W',
      'm+OK ready\r\n',
      'W',
      'm+OK\r\n',
      'W',
      'm-ERR no\r\n',
    ),
    script('cUSER john\r\nPASS wrong\r\n', 'W', 'cQUIT\r\n', 'W'),
    script(...logIn, 'p', `m${'x'.repeat(300)}`, 'W', 'g', 'W', 'C', 'w', 'M'),
    script('cUSER john\r\nPASS secret\r\n', 'w', 'd'),
    script('cUSER john\r\nPASS secret\r\n', 'W', 'R', 'W', 'cNOOP\r\n', 'W'),
    script(...logIn, 'C', 'W', `m${'y'.repeat(200)}\r\n`, 'M', 'W'),
    script('cCAPA\r\n', 'C', 'W'),
  ],
  words: [
    ...logIn.map((deed) => deed + NEXT),
    ...[
      `w${NEXT}`,
      `W${NEXT}`,
      `C${NEXT}`,
      `d${NEXT}`,
      `r${NEXT}`,
      `p${NEXT}`,
      `g${NEXT}`,
      `M${NEXT}`,
      `D${NEXT}`,
      `R${NEXT}`,
    ],
    ...[
      `cQUIT\r\n${NEXT}`,
      `cCAPA\r\n${NEXT}`,
      `m-ERR no\r\n${NEXT}`,
      `m+${NEXT}`,
      `cAUTH PLAIN\r\n${NEXT}`,
      NEXT,
    ],
    ...['c', 'm', '\r\n', 'x'.repeat(100)],
  ],
  run: (input) => play(Buffer.from(input).toString('latin1')),
};

/** Ends the proxy, so that the process can leave. */
export async function closeSessions(): Promise<void> {
  const open = await stage;
  stage = null;
  await open?.proxy.close();
}
