import { Pop3Client } from './pop3-client.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions } from './proxy.ts';
import { type Script, type ScriptedMailstore, startScriptedMailstore } from './scripted-mailstore.ts';

export type Parts = { proxy: TestProxy; mailstore: ScriptedMailstore };

/** Runs a test between a client, the proxy and a scripted mailstore, and ends all three. */
export async function between(
  script: Script,
  options: Omit<TestProxyOptions, 'upstream'> & { upstream?: Partial<TestProxyOptions['upstream']> },
  run: (client: Pop3Client, parts: Parts) => Promise<void>,
): Promise<void> {
  const mailstore = await startScriptedMailstore(script);
  const proxy = await startTestProxy({ ...options, upstream: { port: mailstore.port, ...options.upstream } });
  const client = await Pop3Client.connect(proxy.port);
  try {
    await run(client, { proxy, mailstore });
  } finally {
    client.destroy();
    await proxy.close();
    await mailstore.close();
  }
}

/** A mailstore that takes every login and then waits. */
export const logsIn: Script = (connection) => connection.logIn();

/** Greeting, USER and PASS as john, up to the mailstore's +OK. */
export async function logIn(client: Pop3Client): Promise<void> {
  await client.line();
  await client.ask('USER john');
  await client.ask('PASS secret');
}
