import {
  CLIENT_TIMEOUT,
  type Fetched,
  type FetchOptions,
  inFolder,
  LOOPBACK,
  onlyKnown,
  savingScript,
  withCarriageReturns,
} from './fetching.ts';
import { run } from './process.ts';

/** Python's email package takes the message apart and puts it together again with LF line ends. It has no STLS. */
export async function getmail(options: FetchOptions): Promise<Fetched> {
  onlyKnown('getmail', options, 'apop');
  return inFolder(
    'getmail',
    (folder) => {
      const state = folder.folder('state');
      const config = folder.file('getmailrc', getmailConfig(options, savingScript(folder)), 0o600);
      return run(['getmail', `--getmaildir=${state}`, `--rcfile=${config}`], {
        env: { HOME: folder.path },
        timeout: options.timeout ?? CLIENT_TIMEOUT,
      });
    },
    withCarriageReturns,
  );
}

function getmailConfig(options: FetchOptions, save: string): string {
  const trust =
    options.caFile === undefined ? '' : `ca_certs = ${options.caFile}\nssl_cert_hostname = localhost\n`;
  return `[retriever]
type = SimplePOP3${options.mode === 'tls' ? 'SSL' : ''}Retriever
server = ${options.host ?? LOOPBACK}
port = ${options.port}
username = ${options.user}
password = ${options.password}
timeout = 20
use_apop = ${options.auth === 'apop'}
${options.mode === 'tls' ? trust : ''}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("${save}",)
allow_root_commands = true
[options]
verbose = 2
read_all = true
delete = ${options.remove === true}
delivered_to = false
received = false
`;
}
