/** The demo's world: one virtual user, whose maildrop holds letters that explain what happened. */

/** The login and password of deploy/demo/, and the local user that they lead to. */
export const DEMO_LOGIN = 'john@acme.com';
export const DEMO_PASSWORD = 'j04n4CmE';
export const DEMO_LOCAL_USER = 'johnacme';

const BODIES: readonly { subject: string; lines: readonly string[] }[] = [
  {
    subject: 'It works: you are johnacme',
    lines: [
      'Hello John,',
      '',
      'you asked for the mail of john@acme.com, who is no account of any system. This is how',
      'you came to this letter:',
      '',
      '  1. The proxy split the login at the @: userid "john", domain "acme.com".',
      '  2. deploy/demo/teapop.passwd has a line for acme.com. It names the password file.',
      '  3. deploy/demo/acme.com.passwd has a line for john. The password was right.',
      '  4. That line also names the mailbox, /var/spool/mail/johnacme. Its last part is',
      '     the local user: johnacme.',
      '  5. The proxy logged in to the mailstore as johnacme and connected you through.',
      '',
      'Since the +OK that answered your password you have been talking to the mailstore',
      'itself: a small POP3 server on a port of its own, in the place of your real one.',
      '',
      'The proxy',
    ],
  },
  {
    subject: 'What to try next',
    lines: [
      'Hello John,',
      '',
      'some things to see, each in a terminal beside the running demo:',
      '',
      '  The conversation itself, with what each side says:',
      '    curl -v -u john@acme.com:j04n4CmE pop3://127.0.0.1:1110/1',
      '',
      '  A wrong password. It takes 3 seconds, and the answer is the same for a user or a',
      '  domain that does not exist:',
      '    curl -v -u john@acme.com:wrong pop3://127.0.0.1:1110/',
      '',
      '  By hand: USER john@acme.com, PASS j04n4CmE, STAT, LIST, RETR 1, QUIT',
      '    nc -C 127.0.0.1 1110',
      '',
      '  A second name for this maildrop: add a line to deploy/demo/acme.com.passwd, such as',
      '    sales:s4LeS:/var/spool/mail/johnacme',
      '  then start the demo again and log in as sales@acme.com.',
      '',
      'What you delete is gone after QUIT, and back when the demo starts again.',
      '',
      'The proxy',
    ],
  },
  {
    subject: 'From here to your own users',
    lines: [
      'Hello John,',
      '',
      'if you run teapop, its files are all that the proxy needs: /etc/teapop.passwd and the',
      'password files that it names. Lines that teapop would drop without a word, and users',
      'that it would lock out, are shown to you with file, line, reason and cure.',
      '',
      'With many users the tables belong in Redis, where any number of proxies look them',
      'up; passwords go there as hashes. Your POP server stays where it is and as it is: each',
      'session reaches it as the local user that the tables name.',
      '',
      'The README leads through it step by step; deploy/ has files to begin with.',
      '.',
      'The line above is a single dot. In POP3 that ends a message, unless both sides do',
      'their work: the mailstore doubled it and your mail program took one away again.',
      '',
      'The proxy',
    ],
  },
];

/** Octet strings with CRLF line ends. The same at each start, so that a client knows what it has seen. */
export const DEMO_MESSAGES: readonly string[] = BODIES.map(({ subject, lines }, index) =>
  [
    'From: teapop-proxy <proxy@mailstore.invalid>',
    `To: ${DEMO_LOGIN}`,
    `Subject: ${subject}`,
    `Date: Sat, 22 Nov 2003 10:0${index}:00 +0000`,
    `Message-ID: <demo-${index + 1}@mailstore.invalid>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    ...lines,
    '',
  ].join('\r\n'),
);
