import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brief, good, onlyError, withRest } from './configs.ts';

const upstream = (more: string) =>
  withRest(`upstreams: [{ name: mailstore, host: 127.0.0.1, port: 1110${more} }]\n`);

describe('connections opened ahead', () => {
  test('are none unless they are asked for', () => {
    const { preconnect, preconnectAge } = good(upstream('')).config.upstreams[0]!;
    assert.deepEqual([preconnect, preconnectAge], [0, 60_000]);
    const set = good(upstream(', preconnect: 8, preconnect_age: 2m')).config.upstreams[0]!;
    assert.deepEqual([set.preconnect, set.preconnectAge], [8, 120_000]);
  });

  for (const [text, error] of Object.entries({
    'preconnect: -1': 'upstreams[0].preconnect expected a whole number from 0 to 1000',
    'preconnect: 1001': 'upstreams[0].preconnect expected a whole number from 0 to 1000',
    'preconnect: many': 'upstreams[0].preconnect expected a whole number from 0 to 1000',
    'preconnect_age: 500ms': 'upstreams[0].preconnect_age expected 1s to 1h',
  })) {
    test(`are not ${text}`, () => {
      assert.equal(brief(onlyError(upstream(`, ${text}`))).replace(/^\S+ /, ''), error);
    });
  }

  test('have no client for a PROXY header to tell', () => {
    const error = onlyError(upstream(', proxy_protocol: v2, preconnect: 1'));
    assert.deepEqual(
      [error.path, error.message],
      ['upstreams[0].preconnect', 'not used with proxy_protocol'],
    );
    assert.match(error.hint ?? '', /xclient/);
    assert.doesNotThrow(() => good(upstream(', proxy_protocol: v2, preconnect: 0')));
    assert.doesNotThrow(() => good(upstream(', xclient: true, preconnect: 1')));
  });
});
