/**
 * The cases about octets that are written as they were received, which is what a relay does. The array may be one that
 * a transport reads into again: what the kernel has not taken of it is not to change with what others receive.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { ascii, digestOf, Pump } from './octets.ts';
import { onStage, type Probe, type Stage, type Tls } from './probe.ts';

/** More than the kernel's buffers there and back together take, so that the slow readers stop all writers. */
const VOLUME = 24 * 1_048_576;
const READERS = 4;
/** Between one piece and the next of a slow reader: the others' octets go through meanwhile. */
const SLOWNESS = 1;
/** For octets to come that are not to be heard of yet. */
const A_WHILE = 60;

/** Sends back what comes, as a relay does it: stopped where it is not taken. */
function echo(server: Probe): void {
  server.reactions.received = (connection, octets) => {
    if (!connection.write(octets)) connection.pause();
  };
  server.reactions.drained = (connection) => connection.resume();
  server.reactions.ended = (connection) => connection.end();
}

function readSlowly(connection: Connection): void {
  connection.pause();
  sleep(SLOWNESS).then(() => connection.resume());
}

/** Sends octets of its own kind, which no other sends at the same place, and reads them back slowly. */
function sender(stage: Stage, tls: Tls, kind: number): Probe {
  return stage.connect((client) => {
    const start = () => new Pump(client, VOLUME, () => client.connection.end(), kind).run();
    client.reactions.opened = (connection) => (tls === null ? start() : connection.startTls(tls.client));
    client.reactions.secured = start;
    client.reactions.received = readSlowly;
  });
}

/** A connection that stands, with TLS where there is to be some. */
async function standing(stage: Stage, tls: Tls, index: number): Promise<{ client: Probe; server: Probe }> {
  const client = stage.connect((probe) => {
    if (tls !== null) probe.reactions.opened = (connection) => connection.startTls(tls.client);
  });
  const server = await stage.accepted(index);
  await client.until(tls === null ? 'opened' : 'secured');
  if (tls !== null) await server.until('secured');
  return { client, server };
}

export function passingOnCases(transport: Transport, secure: () => Tls, label: string): void {
  test(`${transport.name}, ${label}: octets passed on as they came do not change with what others receive`, async () => {
    const tls = secure();
    const accept = (connection: Connection) => tls !== null && connection.startTls(tls.server);
    await onStage(transport, { accept, prepare: echo }, async (stage) => {
      const clients = Array.from({ length: READERS }, (_, kind) => sender(stage, tls, kind));
      await Promise.all(clients.map((client) => client.until('closed')));
      for (const [kind, client] of clients.entries()) {
        assert.equal(client.octets, VOLUME);
        assert.equal(client.digest(), digestOf(VOLUME, kind));
        assert.equal(client.error, null);
      }
    });
  });

  test(`${transport.name}, ${label}: octets that come while paused do not change with what others receive`, async () => {
    const tls = secure();
    const accept = (connection: Connection) => tls !== null && connection.startTls(tls.server);
    await onStage(transport, { accept }, async (stage) => {
      const [waiting, other] = [await standing(stage, tls, 0), await standing(stage, tls, 1)];
      waiting.server.call((connection) => connection.pause());
      waiting.client.call((connection) => connection.write(ascii('for one')));
      await sleep(A_WHILE);
      other.client.call((connection) => connection.write(ascii('another')));
      await other.server.untilOctets('another'.length);
      waiting.server.call((connection) => connection.resume());
      await waiting.server.untilOctets('for one'.length);
      assert.deepEqual([waiting.server.text, other.server.text], ['for one', 'another']);
    });
  });
}
