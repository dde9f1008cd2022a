/**
 * How long a login waits for its mailstore, by how the proxy is set: `bun bench/upstream-latency.ts [--all] [RTT-IN-MS]`,
 * 10 by default; `--all` shows each login. A real Dovecot behind a line that delays every octet by half of the round trip, the connect too; medians from
 * PASS to +OK. Prints Markdown.
 */
import { parseArgs } from 'node:util';
import { pickTransport } from '../src/transport/pick.ts';
import type { Connection, ConnectionHandler } from '../src/transport/transport.ts';
import { Pop3Client } from '../test/support/pop3-client.ts';
import { pause } from '../test/support/ports.ts';
import { ADDRESS, JOHN, MASTER, type SiteParts, startSite } from '../test/support/running-site.ts';

const { values, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const RTT_MS = Number(positionals[0] ?? 10);
const LOGINS = 21;
/** Longer than it takes to open a connection ahead. */
const BETWEEN_MS = 20 * RTT_MS;

const transport = await pickTransport();

/** One end of the line: what comes goes on to the other, so much later, in order. */
class End {
  readonly connection: Connection;
  other: End | null = null;
  #waiting: Uint8Array[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
    connection.context = this;
    connection.handler = HANDLER;
  }

  received(octets: Uint8Array): void {
    // The line is not to add what its own kernel would wait for.
    transport.acknowledge(this.connection);
    const own = octets.slice();
    setTimeout(() => this.pour(own), RTT_MS / 2);
  }

  pour(octets: Uint8Array): void {
    if (this.other === null) this.#waiting.push(octets);
    else this.other.connection.write(octets);
  }

  joins(other: End): void {
    this.other = other;
    for (const octets of this.#waiting.splice(0)) this.pour(octets);
  }

  closed(): void {
    setTimeout(() => this.other?.connection.destroy(), RTT_MS / 2);
  }
}

const end = (connection: Connection) => connection.context as End;

const HANDLER: ConnectionHandler = {
  opened() {},
  received: (connection, octets) => end(connection).received(octets),
  drained() {},
  secured() {},
  ended: (connection) => connection.destroy(),
  closed: (connection) => end(connection).closed(),
};

/** A line to a port, whose near end answers a connect at once: what that would have taken comes on top of the greeting. */
async function startLine(port: number): Promise<number> {
  const listener = await transport.listen({
    address: ADDRESS,
    port: 0,
    accept(connection) {
      const near = new End(connection);
      // SYN, SYN-ACK, ACK; the greeting then takes the fourth way.
      setTimeout(() => {
        const far = new End(transport.connect({ address: ADDRESS, port, handler: HANDLER, context: null }));
        far.joins(near);
        near.joins(far);
      }, 1.5 * RTT_MS);
    },
  });
  return listener.port;
}

/** As a busy mailstore has it: no login waits for a process. */
const EXTRA = `
service pop3-login {
  service_count = 0
  process_min_avail = 2
}
service pop3 {
  process_min_avail = 4
}
`;

const WAYS: Readonly<Record<string, object>> = {
  'line by line (`pipelining: off`)': { pipelining: 'off' },
  'at once (PIPELINING)': {},
  'opened ahead (`preconnect`), line by line': { pipelining: 'off', preconnect: 2 },
  'opened ahead, at once': { preconnect: 2 },
};

async function measure(settings: object): Promise<number> {
  const site = await startSite({
    source: 'files',
    mailstore: { extra: EXTRA },
    config: async (parts) => ({ upstreams: [await upstream(parts, settings)] }),
  });
  try {
    await pause(BETWEEN_MS);
    const times: number[] = [];
    for (let i = 0; i < LOGINS; i++) times.push(await logIn(site.proxy.port('plain')));
    if (values.all) process.stderr.write(`${times.map((ms) => ms.toFixed(0)).join(' ')}\n`);
    return times.sort((a, b) => a - b)[Math.floor(LOGINS / 2)]!;
  } finally {
    await site.stop();
  }
}

async function upstream({ dovecot, folder, certificates }: SiteParts, settings: object) {
  const passwordFile = folder.file('the.password', MASTER.password, 0o600);
  const login = { master: { user: MASTER.user, password_file: passwordFile } };
  const tls = { ca_file: certificates.caFile, server_name: 'mail.test' };
  return {
    name: 'mailstore',
    host: ADDRESS,
    port: await startLine(dovecot!.port),
    ...tls,
    login,
    ...settings,
  };
}

async function logIn(port: number): Promise<number> {
  const client = await Pop3Client.connect(port);
  await client.line();
  await client.ask(`USER ${JOHN.login}`);
  const startedAt = performance.now();
  const reply = await client.ask(`PASS ${JOHN.password}`);
  const ms = performance.now() - startedAt;
  if (!reply.startsWith('+OK')) throw new Error(reply);
  await client.ask('QUIT');
  client.destroy();
  await pause(BETWEEN_MS);
  return ms;
}

process.stdout.write('| the login goes | without TLS | STLS |\n|---|---:|---:|\n');
for (const [way, settings] of Object.entries(WAYS)) {
  const plain = await measure(settings);
  const stls = await measure({ ...settings, tls: 'starttls' });
  process.stdout.write(`| ${way} | ${plain.toFixed(0)} ms | ${stls.toFixed(0)} ms |\n`);
}
process.exit(0);
