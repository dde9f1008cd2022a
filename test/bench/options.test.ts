import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Options, parseOptions, usage } from '../../bench/compare/options.ts';

const KNOWN = { peers: ['bun', 'nginx', 'dovecot'], workloads: ['w1', 'w3'] };

function parsed(...args: string[]): Options {
  const options = parseOptions(args, KNOWN);
  if ('error' in options) throw new Error(options.error);
  return options;
}

function refused(...args: string[]): string {
  const options = parseOptions(args, KNOWN);
  return 'error' in options ? options.error : assert.fail(`${args} was taken`);
}

test('by default all peers and workloads, and nothing written', () => {
  const options = parsed();
  assert.deepEqual(options.peers, KNOWN.peers);
  assert.deepEqual(options.workloads, KNOWN.workloads);
  assert.deepEqual([options.reps, options.duration, options.warmup], [3, 2, 3]);
  assert.deepEqual([options.soak, options.write], [0, false]);
});

test('what is chosen keeps the order of the tables', () => {
  const options = parsed(
    '--peers',
    'dovecot, bun',
    '--workloads=w3',
    '--reps',
    '1',
    '--duration=0.5',
    '--write',
  );
  assert.deepEqual(options.peers, ['bun', 'dovecot']);
  assert.deepEqual(options.workloads, ['w3']);
  assert.deepEqual([options.reps, options.duration, options.write], [1, 0.5, true]);
});

test('what cannot be is refused, with what can be', () => {
  assert.equal(refused('--reps', '0'), "--reps is '0'; it can be a whole number from 1 to 99");
  assert.match(refused('--reps', '1.5'), /whole number/);
  assert.match(refused('--duration', 'long'), /^--duration is 'long'/);
  assert.match(refused('--duration', ''), /^--duration is ''/);
  assert.equal(refused('--soak', '0.5'), '--soak is at least 1, or 0');
  assert.equal(refused('--peers', 'nginx,qpopper'), "--peers has 'qpopper'; it can have bun, nginx, dovecot");
  assert.match(refused('--workloads', ''), /it can have w1, w3$/);
  assert.match(refused('--rep', '1'), /--rep/);
  assert.match(refused('w1'), /w1/);
});

test('the help names the peers and the workloads', () => {
  assert.match(usage(KNOWN), /bun,nginx,dovecot\n.*w1,w3\n/);
});
