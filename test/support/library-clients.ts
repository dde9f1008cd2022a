/** Programs on the libraries that scripts fetch mail with: Python's poplib, Perl's Mail::POP3Client. */
import { join } from 'node:path';
import {
  CLIENT_TIMEOUT,
  type Fetched,
  type FetchOptions,
  inFolder,
  LOOPBACK,
  onlyKnown,
} from './fetching.ts';
import { run } from './process.ts';

const POPLIB_PROGRAM = `
import json, os, poplib, ssl, sys
o = json.load(sys.stdin)
poplib._MAXLINE = 1 << 20  # its own bound of 2,048 octets is the client's, not the protocol's
context = ssl.create_default_context(cafile=o.get("caFile"))
if "caFile" not in o:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
make = poplib.POP3_SSL if o["mode"] == "tls" else poplib.POP3
how = {"context": context} if o["mode"] == "tls" else {}
pop = make(o["host"], o["port"], timeout=20, **how)
if o["mode"] == "stls":
    pop.stls(context=context)
if o.get("auth") == "apop":
    pop.apop(o["user"], o["password"])
else:
    pop.user(o["user"])
    pop.pass_(o["password"])
for number in range(1, pop.stat()[0] + 1):
    with open(os.path.join(o["folder"], str(number)), "wb") as file:
        file.write(b"".join(line + b"\\r\\n" for line in pop.retr(number)[1]))
    if o.get("remove"):
        pop.dele(number)
pop.quit()
`;

/** Takes lines apart; put together again with CRLF they are the message, if it has no lone LF. */
export async function poplib(options: FetchOptions): Promise<Fetched> {
  onlyKnown('poplib', options, 'apop');
  return inFolder('poplib', (folder) => {
    const input = JSON.stringify({ host: LOOPBACK, ...options, folder: join(folder.path, 'mail') });
    return run(['python3', '-c', POPLIB_PROGRAM], { input, timeout: options.timeout ?? CLIENT_TIMEOUT });
  });
}

const PERL_PROGRAM = `
use strict; use warnings; use IO::Socket::SSL; use JSON::PP; use Mail::POP3Client;
my $o = decode_json(do { local $/; <STDIN> });
IO::Socket::SSL::set_defaults($o->{caFile}
  ? (SSL_ca_file => $o->{caFile}, SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'pop3')
  : (SSL_verify_mode => SSL_VERIFY_NONE));
my $pop = Mail::POP3Client->new(HOST => $o->{host}, PORT => $o->{port}, TIMEOUT => 20,
  AUTH_MODE => uc($o->{auth} || 'pass'), USESSL => $o->{mode} eq 'tls');
$pop->User($o->{user});
$pop->Pass($o->{password});
$pop->Connect();
$pop->State eq 'TRANSACTION' or die $pop->Message;
for my $number (1 .. $pop->Count) {
  open(my $file, '>:raw', "$o->{folder}/$number") or die $!;
  $pop->RetrieveToFile($file, $number) or die $pop->Message;
  close($file) or die $!;
  $o->{remove} and ($pop->Delete($number) or die $pop->Message);
}
$pop->Close or die $pop->Message;
`;

/** It has no STLS. */
export async function perl(options: FetchOptions): Promise<Fetched> {
  onlyKnown('Mail::POP3Client', options, 'apop', 'cram-md5', 'best');
  return inFolder('perl', (folder) => {
    const input = JSON.stringify({ host: LOOPBACK, ...options, folder: join(folder.path, 'mail') });
    return run(['perl', '-e', PERL_PROGRAM], { input, timeout: options.timeout ?? CLIENT_TIMEOUT });
  });
}
