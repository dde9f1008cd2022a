import { Pop3Client } from './pop3-client.ts';
import { until } from './process.ts';
import type { SessionLine } from './proxy-process.ts';
import type { RunningSite } from './running-site.ts';

type Credentials = { login: string; password: string };

/** A client of the listener; it has read the greeting. */
export async function openClient(site: RunningSite, listener = 'plain'): Promise<Pop3Client> {
  const port = site.proxy.port(listener);
  const client =
    listener === 'pop3s'
      ? await Pop3Client.connectTls(port, site.certificates.ca)
      : await Pop3Client.connect(port);
  await client.line();
  return client;
}

/** USER and PASS; the reply to PASS. */
export async function logIn(client: Pop3Client, { login, password }: Credentials): Promise<string> {
  await client.ask(`USER ${login}`);
  return client.ask(`PASS ${password}`);
}

/** A client that has logged in. */
export async function openSession(site: RunningSite, person: Credentials, listener?: string) {
  const client = await openClient(site, listener);
  const reply = await logIn(client, person);
  if (reply.startsWith('+OK')) return client;
  client.destroy();
  throw new Error(`${person.login} was not let in: ${reply}`);
}

/** What a login is told; the connection is ended by QUIT. */
export async function loginReply(site: RunningSite, person: Credentials, listener?: string): Promise<string> {
  const client = await openClient(site, listener);
  try {
    const reply = await logIn(client, person);
    await client.ask('QUIT');
    return reply;
  } finally {
    client.destroy();
  }
}

/** Runs a client and ends it; the line of its session. */
export async function sessionOf(
  site: RunningSite,
  client: Pop3Client,
  run: () => Promise<void>,
): Promise<SessionLine> {
  const port = client.socket.localPort;
  await run();
  client.destroy();
  const find = async () => (await site.proxy.sessions(0)).find((line) => line.client.port === port);
  await until('the line of the session', async () => (await find()) !== undefined);
  return (await find())!;
}
