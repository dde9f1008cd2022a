import assert from 'node:assert/strict';
import type { UpstreamEffect, UpstreamMachine } from '../../src/pop3/upstream-effect.ts';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import { base64, latin1, segmentations, text } from './drive.ts';

export const PASSTHROUGH: UpstreamPlan = {
  tls: 'off',
  login: { kind: 'userpass', user: 'johnacme', password: ' p w ' },
};
export const STLS: UpstreamPlan = { ...PASSTHROUGH, tls: 'starttls' };
export const plainPlan = (password: string): UpstreamPlan => ({
  tls: 'off',
  login: { kind: 'plain', authzid: 'johnacme', authcid: 'master', password },
});
export const PLAIN = plainPlan('secret');
export const LONG = plainPlan('s'.repeat(300));

/** An effect as the lines of a transcript. */
function written(effect: UpstreamEffect, stage: string): string[] {
  switch (effect.do) {
    case 'send':
      return [`> ${text(effect.octets)}`];
    case 'done':
      return [`done ${text(effect.reply)}`, `rest ${text(effect.rest)}`];
    case 'answered':
      return [`answered ${effect.capabilities?.join(', ') ?? 'nothing'}`];
    case 'fail':
      return [`fail ${effect.failure} at ${stage}`];
    default:
      return [effect.do];
  }
}

/** A mailstore by script: each answer comes once the machine has nothing left to do. */
export function talkTo(
  machine: UpstreamMachine,
  answers: readonly string[],
  cut: (answer: string) => string[],
): string[] {
  const transcript: string[] = [];
  const run = () => {
    for (let effect = machine.next(); effect !== null; effect = machine.next())
      transcript.push(...written(effect, machine.stage));
  };
  run();
  for (const answer of answers) {
    if (answer === '(secured)') machine.secured();
    else if (answer === '(closed)') machine.closed();
    else {
      for (const segment of cut(answer)) {
        const octets = latin1(segment);
        machine.receive(octets);
        run();
        machine.keep();
        octets.fill(0x51);
      }
    }
    run();
  }
  return transcript;
}

/** The same to a login. */
export function talk(
  plan: UpstreamPlan,
  answers: readonly string[],
  cut: (answer: string) => string[],
): string[] {
  return talkTo(new UpstreamLogin(plan), answers, cut);
}

/** What comes of a mailstore's answers, the same whether each arrives whole or in pieces. */
export function converse(plan: UpstreamPlan, ...answers: string[]): string[] {
  return converseWith(() => new UpstreamLogin(plan), ...answers);
}

/** The same with any machine. */
export function converseWith(make: () => UpstreamMachine, ...answers: string[]): string[] {
  const transcripts = [0, 1, 2].map((how) =>
    talkTo(make(), answers, (answer) => segmentations(answer)[how]!),
  );
  assert.deepEqual(transcripts[1], transcripts[0]);
  assert.deepEqual(transcripts[2], transcripts[0]);
  return transcripts[0]!;
}

export const GREETING = '+OK Dovecot ready.\r\n';
export const SENT = ['> USER johnacme\r\n', '> PASS  p w \r\n'];
export const AUTH = `> AUTH PLAIN ${base64('johnacme\0master\0secret')}\r\n`;
