import assert from 'node:assert/strict';
import { test } from 'node:test';
import { good, onlyError, withRest } from './configs.ts';

const listener = (more: string) =>
  withRest(`listeners: [{ name: a, port: 110, tls: off, plaintext_auth: [127.0.0.0/8]${more} }]\n`);

test('connections are spread by themselves or by their clients', () => {
  const of = (more: string) => good(listener(more)).config.listeners[0]!.spread;
  assert.equal(of(''), 'connections');
  assert.equal(of(', spread: clients'), 'clients');
  assert.equal(onlyError(listener(', spread: evenly')).message, 'expected connections or clients');
});

test('spread by clients behind load balancers is doubted', () => {
  const doubts = (more: string) =>
    good(listener(`, proxy_protocol: { from: [192.0.2.1] }${more}`)).warnings.map(
      ({ path, message }) => `${path}: ${message}`,
    );
  assert.deepEqual(doubts(', spread: clients'), [
    "listeners[0].spread: all connections come from the balancers' few addresses",
  ]);
  assert.deepEqual(doubts(''), []);
});
