import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CLIENT_TIMEOUT,
  type Fetched,
  type FetchOptions,
  inFolder,
  onlyKnown,
  withCarriageReturns,
} from './fetching.ts';
import { type Outcome, run } from './process.ts';
import type { TemporaryFolder } from './temp.ts';

/** It wants a terminal, and keys pressed. */
const KEYS = 'push <fetch-mail><quit>y';
/** Typed where it asks whether a certificate that it does not know is to be taken. */
const REJECT = 'r';

/** It fetches into an mbox, from which the messages are taken; with an IP address it looks for no name in a certificate. */
export async function neomutt(options: FetchOptions): Promise<Fetched> {
  // With the GSASL library it cannot be told which mechanism to use.
  onlyKnown('neomutt', options, 'apop', 'best');
  return inFolder('neomutt', (folder) => fetch(options, folder), withCarriageReturns);
}

async function fetch(options: FetchOptions, folder: TemporaryFolder): Promise<Outcome> {
  const spool = folder.file('spool', '');
  const config = folder.file('neomuttrc', neomuttConfig(options, folder, spool), 0o600);
  const log = join(folder.path, 'debug');
  // -n: nothing of the system's configuration; -f: an empty folder to look at meanwhile.
  const command = `neomutt -n -F ${config} -d 2 -l ${log} -f ${folder.file('empty', '')} -e '${KEYS}'`;
  const outcome = await run(['script', '--quiet', '--return', '--command', command, '/dev/null'], {
    env: { TERM: 'xterm', HOME: folder.path, LC_ALL: 'C' },
    input: REJECT,
    timeout: options.timeout ?? CLIENT_TIMEOUT,
  });
  const output = readFileSync(`${log}0`, 'latin1');
  const messages = readFileSync(spool, 'latin1')
    .split(/^From \S+ .*\n/m)
    .slice(1);
  for (const [index, message] of messages.entries()) {
    // An mbox has an empty line behind each message.
    folder.file(`mail/${index + 1}`, message.slice(0, -1));
  }
  // It leaves with 0 whatever happened; an error is a line of its log.
  const failed = /^\[[^\]]*\]<E>/m.test(output);
  return { ...outcome, code: outcome.code === 0 && failed ? 1 : outcome.code, output };
}

function neomuttConfig(options: FetchOptions, folder: TemporaryFolder, spool: string): string {
  const tls = options.mode !== 'plain';
  const trust = options.caFile === undefined ? '' : `set ssl_ca_certificates_file = "${options.caFile}"`;
  return `set folder = "${folder.path}"
set spool_file = "${spool}"
set mbox_type = mbox
set sleep_time = 0
set pop_host = "pop${options.mode === 'tls' ? 's' : ''}://${options.host ?? 'localhost'}:${options.port}/"
set pop_user = "${options.user}"
set pop_pass = "${options.password}"
${options.auth === 'best' ? '' : `set pop_authenticators = ${options.auth ?? 'user'}`}
set pop_delete = ${options.remove === true ? 'yes' : 'no'}
set ssl_starttls = ${options.mode === 'stls' ? 'yes' : 'no'}
set ssl_force_tls = ${tls ? 'yes' : 'no'}
set certificate_file = "${folder.path}/certificates"
${trust}
`;
}
