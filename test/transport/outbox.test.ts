import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../src/transport/outbox.ts';

test('octets in an outbox are its own, of a Buffer as of a plain array', () => {
  for (const octets of [Buffer.from('mail'), new Uint8Array(Buffer.from('mail'))]) {
    const outbox = new Outbox();
    outbox.add(octets);
    octets.fill(0);
    let sent = '';
    outbox.flush((chunk) => {
      sent += Buffer.from(chunk).toString('latin1');
      return chunk.length;
    });
    assert.deepEqual([sent, outbox.octets], ['mail', 0]);
  }
});
