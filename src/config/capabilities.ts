import { z } from 'zod';
import { say } from './fields.ts';

/** RFC 2449 §4: a line has 512 octets, CRLF counted. */
const LONGEST = 510;

/** Tags that an operator cannot decide on, and who does. */
const NOT_FOR_LISTS: Readonly<Record<string, string>> = {
  USER: 'the proxy announces it where a login is possible',
  SASL: 'the proxy announces the mechanisms that it takes',
  STLS: 'the proxy announces it where TLS can begin',
  IMPLEMENTATION: 'the proxy announces its own',
  UTF8: 'the proxy does not take the command UTF8, which comes before the login',
  LANG: 'the proxy does not take the command LANG before the login',
};

const expected = say('expected a capability', 'a tag and its parameters, as in UIDL or EXPIRE NEVER');

const line = z
  .string({ error: expected })
  .regex(new RegExp(`^(?=.{1,${LONGEST}}$)[!-~]+( [!-~]+)*$`), expected)
  .superRefine((text, context) => {
    const why = NOT_FOR_LISTS[tagOf(text)];
    if (why !== undefined)
      context.addIssue({ code: 'custom', input: text, message: say('not for this list', why) });
  });

const lines = z.array(line).superRefine((all, context) => {
  const tags = all.map(tagOf);
  const index = tags.findIndex((tag, at) => tags.indexOf(tag) < at);
  if (index < 0) return;
  const message = say('a capability given twice', `keep one ${tags[index]}`);
  context.addIssue({ code: 'custom', input: all[index], path: [index], message });
});

/** What CAPA announces before the login, beside what the proxy itself decides. */
export const capabilities = z
  .union([z.literal('auto'), lines], {
    error: say(
      'expected auto or a list of capabilities',
      '[TOP, UIDL, RESP-CODES, AUTH-RESP-CODE, PIPELINING]',
    ),
  })
  .prefault('auto')
  .describe(
    'What CAPA announces before the login: auto for what all mailstores announce themselves, or a list instead, such as [TOP, UIDL, RESP-CODES, AUTH-RESP-CODE, PIPELINING]. USER, SASL, STLS and IMPLEMENTATION come by themselves.',
  );

function tagOf(text: string): string {
  return text.split(' ')[0]!.toUpperCase();
}
