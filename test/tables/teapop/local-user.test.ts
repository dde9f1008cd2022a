import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLocalUserRule, type LocalUserFacts, localUser } from '../../../src/tables/teapop/local-user.ts';
import { mailboxPath } from '../../../src/tables/teapop/mailbox.ts';

const JOHN: LocalUserFacts = {
  type: 'textfile',
  userid: 'john',
  domain: 'Acme.com',
  mailbox: '/var/spool/mail/johnacme',
  uid: 'johnacme',
};

const fromMailbox = (mailbox: string) => localUser('mailbox', { ...JOHN, mailbox });

test('the default rule takes the last component of the mailbox', () => {
  const cases: Record<string, string | null> = {
    '/var/spool/mail/johnacme': 'johnacme',
    johnacme: 'johnacme',
    'j/o/johnacme/': 'johnacme',
    '/home/johnacme/Maildir/': 'johnacme',
    '/home/johnacme/Maildir': 'johnacme',
    '/home/johnacme/.Maildir/': 'johnacme',
    '/home/johnacme/Mailbox': 'johnacme',
    '/home/johnacme/.Mailbox': 'johnacme',
    '/home/johnacme//Maildir//': 'johnacme',
    '/home/johnacme/maildir/': 'maildir',
    'bob smith': 'bob smith',
    'j\xf6hn': 'j\xf6hn',
    'Maildir/': null,
    '': null,
    '/': null,
    '/var/mail/.': null,
    '/var/mail/..': null,
    '/var/mail/../Maildir/': null,
    'john\r': null,
    'john\n': null,
    'jo\0hn': null,
    'john\x7f': null,
  };
  for (const [mailbox, name] of Object.entries(cases)) assert.equal(fromMailbox(mailbox), name, mailbox);
});

test('other rules', () => {
  assert.equal(localUser('userid', JOHN), 'john');
  assert.equal(localUser('uid', { ...JOHN, uid: 'acme' }), 'acme');
  assert.equal(localUser('uid', { ...JOHN, uid: '+' }), 'john');
  assert.equal(localUser('uid', { ...JOHN, uid: '' }), null);
  assert.equal(localUser('{userid}@{domain}', JOHN), 'john@acme.com');
  assert.equal(localUser('{mailbox}.{userid}', JOHN), 'johnacme.john');
});

test('a template fills in what it is given, literally', () => {
  assert.equal(localUser('{userid}', { ...JOHN, userid: '{domain}$&' }), '{domain}$&');
  assert.equal(localUser('{userid}@{domain}', { ...JOHN, domain: null }), null, 'half a name is none');
  assert.equal(localUser('{mailbox}-x', { ...JOHN, mailbox: '' }), null);
  assert.equal(localUser('{userid}@{domain}', { ...JOHN, domain: 'a/b' }), null);
  assert.equal(localUser('{userid}@{domain}', { ...JOHN, domain: 'a\r\nQUIT' }), null);
});

test('of a passwd entry the account is the userid, whatever the rule', () => {
  for (const rule of ['mailbox', 'uid', '{userid}@{domain}']) {
    assert.equal(localUser(rule, { ...JOHN, type: 'passwd', uid: 'mail' }), 'john');
    assert.equal(localUser(rule, { ...JOHN, type: 'passwd', userid: 'jo\rhn' }), null);
    assert.equal(localUser(rule, { ...JOHN, type: 'passwd', userid: '../x' }), null);
  }
});

test('knows which rules make sense', () => {
  for (const rule of ['mailbox', 'userid', 'uid', '{userid}', 'x-{userid}@{domain}']) {
    assert.ok(isLocalUserRule(rule), rule);
  }
  for (const rule of ['', 'Mailbox', 'john', '{user}', '{userid}{}', '{toString}']) {
    assert.ok(!isLocalUserRule(rule), rule);
  }
});

test('the path of a maildrop is maildir, hash folders and mailbox', () => {
  const cases: [maildir: string, hashLevels: number, mailbox: string, path: string][] = [
    ['/var/mail', 0, 'johnacme', '/var/mail/johnacme'],
    ['/var/mail', 2, 'johnacme', '/var/mail/j/o/johnacme'],
    ['/var/mail/', 0, 'johnacme', '/var/mail/johnacme'],
    ['/var/mail', 1, 'johnacme/', '/var/mail/j/johnacme/'],
    ['/var/mail', 4, 'jo', '/var/mail/j/o/jo'],
    ['', 0, '/var/spool/mail/johnacme', '/var/spool/mail/johnacme'],
    ['', 2, 'johnacme', '/j/o/johnacme'],
    ['/var/mail', 0, '/johnacme', '/var/mail/johnacme'],
    ['/', 0, 'johnacme', '/johnacme'],
    ['/home', 0, '', '/home/'],
  ];
  for (const [maildir, hashLevels, mailbox, path] of cases) {
    assert.equal(mailboxPath({ maildir, hashLevels }, mailbox), path);
  }
});
