import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../config/load.ts';
import { Secrets } from '../config/secrets.ts';
import { startMailstore } from '../demo/mailstore.ts';
import { DEMO_LOCAL_USER, DEMO_LOGIN, DEMO_MESSAGES, DEMO_PASSWORD } from '../demo/messages.ts';
import { createLog } from '../ops/log.ts';
import { Server } from '../server/server.ts';
import { pickTransport } from '../transport/pick.ts';
import { readArguments } from './arguments.ts';
import { type CommandIo, EXIT } from './io.ts';
import { untilStopped } from './serve.ts';

export const USAGE = `usage: teapop-proxy demo

Runs the whole proxy on shipped tables, with a small mailstore of its own behind it, on 127.0.0.1:1110 (or the
port in TEAPOP_PROXY_DEMO_PORT).
`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Its own line names the password file by a path from the project's folder. */
const TABLE = `${ROOT}deploy/demo/teapop.passwd`;

/** The port that the README names. */
const PORT = 1110;

/** The whole proxy on an embedded default: shipped tables instead of Redis, a small mailstore behind it. */
export async function demo(argv: string[], io: CommandIo): Promise<number> {
  const values = readArguments(argv, {}, USAGE, io);
  if (typeof values === 'number') return values;
  process.chdir(ROOT);
  const transport = await pickTransport();
  // The mailstore knows no virtual user's password: only the proxy can open its maildrops.
  const secret = randomBytes(16).toString('hex');
  const mailstore = await startMailstore({
    transport,
    address: '127.0.0.1',
    port: 0,
    maildrops: new Map([[DEMO_LOCAL_USER, { password: secret, messages: DEMO_MESSAGES }]]),
  });
  const log = createLog({ level: 'info' });
  try {
    const config = demoConfig(Number(io.env.TEAPOP_PROXY_DEMO_PORT ?? PORT), mailstore.port);
    const secrets = new Secrets(null, new Map([['demo', secret]]));
    const server = await Server.start({ config, secrets, transport, log });
    io.out(welcome(server.bound[0]!.port, server.admin!.port, mailstore.port));
    await untilStopped(server, log);
    return EXIT.ok;
  } catch (error) {
    io.err(`demo: ${(error as Error).message}\n`);
    return EXIT.failed;
  } finally {
    await mailstore.close();
  }
}

function demoConfig(port: number, mailstorePort: number) {
  const text = `
listeners: [{ name: pop3, address: 127.0.0.1, port: ${port}, tls: off, plaintext_auth: always }]
tables: { source: files, domain_table: ${JSON.stringify(TABLE)} }
upstreams: [{ name: demo, host: 127.0.0.1, port: ${mailstorePort}, login: { secret: { password_env: DEMO } } }]
admin: { port: 0 }
shutdown: { grace: 1s }
`;
  const parsed = parseConfig(text, 'demo');
  if ('errors' in parsed) throw new Error(parsed.errors.map(({ message }) => message).join('; '));
  return parsed.config;
}

function welcome(port: number, adminPort: number, mailstorePort: number): string {
  const login = `'${DEMO_LOGIN}:${DEMO_PASSWORD}'`;
  return `teapop-proxy serves POP3 on 127.0.0.1:${port}

  tables     ${TABLE}
  mailstore  127.0.0.1:${mailstorePort} (a small one of its own), where ${DEMO_LOGIN} is ${DEMO_LOCAL_USER}
  health     http://127.0.0.1:${adminPort}/readyz, metrics at /metrics

Try it:

  curl --user ${login} pop3://127.0.0.1:${port}/1

Ctrl-C ends it. Each session leaves a line of JSON below.

`;
}
