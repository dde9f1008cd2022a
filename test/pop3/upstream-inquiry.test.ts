import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { UpstreamTls } from '../../src/pop3/upstream-greeting.ts';
import { UpstreamInquiry } from '../../src/pop3/upstream-inquiry.ts';
import { UPSTREAM_LINE_LIMIT } from '../../src/pop3/upstream-reply.ts';
import { latin1 } from './drive.ts';
import { converseWith, GREETING, talkTo } from './mailstore.ts';

const ask =
  (tls: UpstreamTls = 'off') =>
  () =>
    new UpstreamInquiry(tls);
const inquire = (...answers: string[]) => converseWith(ask(), ...answers);
const inOne = (answer: string) => [answer];
const LIST = '+OK\r\nTOP\r\nUIDL\r\nEXPIRE 5 USER\r\n.\r\n';
const ASKED = '> CAPA\r\n';
const ANSWERED = [ASKED, 'answered TOP, UIDL, EXPIRE 5 USER', '> QUIT\r\n'];

describe('a question for the capabilities', () => {
  it('is asked behind the greeting, answered up to the dot, and ends with QUIT', () => {
    assert.deepEqual(inquire(), []);
    assert.deepEqual(inquire(GREETING), [ASKED]);
    assert.deepEqual(inquire(GREETING, LIST.slice(0, -3)), [ASKED]);
    assert.deepEqual(inquire(GREETING, LIST), ANSWERED);
    assert.deepEqual(inquire(GREETING, LIST.replaceAll('\r\n', '\n')), ANSWERED);
  });

  it('takes what comes behind the QUIT for nothing', () => {
    assert.deepEqual(inquire(GREETING, LIST, '+OK bye\r\n', 'x'.repeat(9_000)), ANSWERED);
    assert.deepEqual(inquire(GREETING, LIST, '(closed)'), [...ANSWERED, 'fail closed at done']);
  });

  it('is asked inside TLS, where there is to be TLS, and not at all without', () => {
    const inside = converseWith(ask('starttls'), GREETING, '+OK\r\n', '(secured)', LIST);
    assert.deepEqual(inside, ['> STLS\r\n', 'startTls', ...ANSWERED]);
    const none = converseWith(ask('starttls'), GREETING, '-ERR\r\n', LIST);
    assert.deepEqual(none, ['> STLS\r\n', 'fail stls-refused at stls']);
    assert.deepEqual(converseWith(ask('implicit'), '(secured)', GREETING, LIST), ANSWERED);
  });

  it('has the dot taken off a line that begins with one', () => {
    assert.equal(inquire(GREETING, '+OK\r\n..X\r\n...\r\n.\r\n')[1], 'answered .X, ..');
  });

  it('is answered by nothing where the mailstore knows no CAPA, and by an empty list', () => {
    for (const reply of ['-ERR\r\n', '-ERR what?\r\n'])
      assert.deepEqual(inquire(GREETING, reply), [ASKED, 'answered nothing', '> QUIT\r\n']);
    assert.equal(inquire(GREETING, '+OK\r\n.\r\n')[1], 'answered ');
  });

  it('fails on what is no answer', () => {
    for (const [reply, failure] of [
      ['what?\r\n', 'reply-invalid'],
      ['+ \r\n', 'unexpected-continuation'],
      ['+OK\r\nTOP\r\n(closed)', 'closed'],
    ] as const) {
      const answers = reply.split('(closed)').length > 1 ? [reply.slice(0, -8), '(closed)'] : [reply];
      assert.equal(inquire(GREETING, ...answers).at(-1), `fail ${failure} at capa`);
    }
    assert.deepEqual(inquire('-ERR busy\r\n'), ['fail greeting-refused at greeting']);
    assert.deepEqual(inquire(GREETING, '(closed)'), [ASKED, 'fail closed at capa']);
  });

  it('fails on octets behind the dot: the answers could not be told apart', () => {
    const transcript = talkTo(new UpstreamInquiry('off'), [GREETING, `${LIST}+OK\r\n`], inOne);
    assert.deepEqual(transcript, [ASKED, 'fail octets-out-of-turn at capa']);
  });

  it('fails on a list or a line without end', () => {
    const lines = (count: number) => `+OK\r\n${'X\r\n'.repeat(count)}.\r\n`;
    assert.match(inquire(GREETING, lines(100))[1]!, /^answered X, X/);
    assert.equal(inquire(GREETING, lines(101)).at(-1), 'fail reply-too-long at capa');
    const long = `+OK\r\n${'X'.repeat(UPSTREAM_LINE_LIMIT)}`;
    assert.equal(inquire(GREETING, long).at(-1), 'fail reply-too-long at capa');
  });

  it('comes to an end whatever is answered, and says nothing but CAPA, STLS and QUIT', () => {
    const answer = fc.oneof(
      fc.constantFrom('+OK\r\n', '.\r\n', '-ERR\r\n', 'TOP\r\n', '+ \r\n', '(closed)'),
      fc.string().map((text) => Buffer.from(text).toString('latin1')),
    );
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 9 }), (answers) => {
        const transcript = talkTo(new UpstreamInquiry('off'), [GREETING, ...answers, '(closed)'], inOne);
        const said = transcript.filter((line) => line.startsWith('>')).map((line) => line.slice(2, 6));
        assert.deepEqual(said, ['CAPA', 'QUIT'].slice(0, said.length));
        assert.match(transcript.at(-1)!, /^fail /);
      }),
    );
  });

  it('keeps nothing of what the mailstore says after it', () => {
    const machine = new UpstreamInquiry('off');
    talkTo(machine, [GREETING, LIST], inOne);
    machine.receive(latin1('x'.repeat(100_000)));
    assert.equal(machine.next(), null);
  });
});
