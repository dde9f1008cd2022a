import type { DovecotOptions, DovecotUser } from './dovecot.ts';
import type { TemporaryFolder } from './temp.ts';

/** The first uid of the maildrops' owners: above Debian's range for people, below that for "nobody". */
const FIRST_UID = 61_000;
/** Debian's group of /var/spool/mail, by number in base-passwd. */
const MAIL_GROUP = 8;

export type Maildrop = { user: DovecotUser; uid: number; gid: number; path: string };

export type Layout = {
  folder: TemporaryFolder;
  port: number;
  tlsPort: number;
  maildrops: Map<string, Maildrop>;
};

/** Maildrops as on the mailstore: mbox files in a spool folder or a Maildir in the home, each owned by its user. */
export function layOut(folder: TemporaryFolder, users: readonly DovecotUser[]): Map<string, Maildrop> {
  folder.folder('spool', 0o2775);
  folder.folder('home');
  return new Map(
    users.map((user, index) => {
      const path =
        user.maildrop === 'maildir'
          ? `${folder.path}/home/${user.name}/Maildir`
          : `${folder.path}/spool/${user.name}`;
      return [user.name, { user, uid: FIRST_UID + index, gid: FIRST_UID + index, path }];
    }),
  );
}

export const SPOOL_GROUP = MAIL_GROUP;

/**
 * The whole configuration. What a site has to set when the proxy is Dovecot's client, and why:
 *
 * - `service anvil { unix_listener anvil-auth-penalty { mode = 0 } }`: the penalty for failed logins goes by the
 *   client's address, and the proxy's is everybody's: one user's wrong passwords would delay all the others.
 * - `mail_max_userip_connections = 0`: the limit by user and address would count one user's sessions from
 *   anywhere as sessions from one place.
 * - `auth_failure_delay`: the proxy delays failures itself; the mailstore's delay counts as part of that.
 * - `disable_plaintext_auth = no` where the way between them needs no TLS. (A proxy on Dovecot's own host counts
 *   as secure anyhow.)
 * - `auth_master_user_separator = *` and a passdb with `master = yes`: for `user*master` and for SASL PLAIN with
 *   an authzid.
 */
export function dovecotConfig(layout: Layout, options: DovecotOptions): string {
  const { path } = layout.folder;
  return `
base_dir = ${path}/run
state_dir = ${path}/state
log_path = /dev/stderr
protocols = pop3
listen = 127.0.0.1
mail_location = mbox:~/mail:INBOX=${path}/spool/%u
mail_privileged_group = mail
first_valid_uid = ${FIRST_UID}
mail_max_userip_connections = 0
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = ${options.failureDelay ?? 0} secs
disable_plaintext_auth = no
service anvil {
  unix_listener anvil-auth-penalty {
    mode = ${options.penalty === true ? '0600' : '0'}
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${layout.port}
  }
  inet_listener pop3s {
    port = ${options.tls === undefined ? 0 : layout.tlsPort}
    ssl = yes
  }
}
service pop3 {
  process_limit = 2048
}
passdb {
  driver = passwd-file
  args = ${path}/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = ${path}/users
}
userdb {
  driver = passwd-file
  args = ${path}/users
}
${tlsConfig(layout, options)}
${options.extra ?? ''}
`;
}

function tlsConfig({ folder }: Layout, { tls }: DovecotOptions): string {
  if (tls === undefined) return 'ssl = no';
  const certificate = folder.file('certificate.pem', tls.certificate, 0o600);
  const key = folder.file('key.pem', tls.key, 0o600);
  return `ssl = yes\nssl_cert = <${certificate}\nssl_key = <${key}`;
}

/** `user:password:uid:gid:gecos:home:shell:extra`, both a passdb and a userdb. */
export function usersFile(layout: Layout): string {
  return [...layout.maildrops.values()]
    .map(({ user, uid, gid, path }) => {
      const home = `${layout.folder.path}/home/${user.name}`;
      const mail = user.maildrop === 'maildir' ? ` userdb_mail=maildir:${path}` : '';
      return `${user.name}:{PLAIN}${user.password}:${uid}:${gid}::${home}::${mail.trimStart()}\n`;
    })
    .join('');
}

export function mastersFile(options: DovecotOptions): string {
  const { master } = options;
  return master === undefined ? '' : `${master.user}:{PLAIN}${master.password}\n`;
}
