// Installs what `npm start` and (with --test) `npm test` need and is not there yet; says nothing where all is there.
// It runs before anything is installed, so: plain JavaScript, no package, any Node from 14.13 up.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK = join(ROOT, 'package-lock.json');
const MODULES = join(ROOT, 'node_modules');
/** Holds the digest of the lock file that node_modules was made from; it goes when node_modules goes. */
const STAMP = join(MODULES, '.teapop-proxy-setup');
/** npm's own record of what it put into node_modules. */
const INSTALLED = join(MODULES, '.package-lock.json');
/** The first npm that reads lock files of version 3. */
const OLDEST_NPM = 7;

/**
 * The programs that the tests drive: Debian's package, where to see that it is there (a command's name or a path),
 * and the services that come with it and that nobody asked for.
 */
const SYSTEM_PACKAGES = [
  { name: 'redis-server', proof: 'redis-server', units: ['redis-server.service'] },
  { name: 'dovecot-core', proof: 'dovecot', units: ['dovecot.service', 'dovecot.socket'] },
  { name: 'dovecot-pop3d', proof: '/usr/lib/dovecot/pop3', units: [] },
  { name: 'mpop', proof: 'mpop', units: [] },
  { name: 'fetchmail', proof: 'fetchmail', units: ['fetchmail.service'] },
  { name: 'curl', proof: 'curl', units: [] },
  { name: 'getmail6', proof: 'getmail', units: [] },
  { name: 'libmail-pop3client-perl', proof: '/usr/share/perl5/Mail/POP3Client.pm', units: [] },
  { name: 'libdigest-hmac-perl', proof: '/usr/share/perl5/Digest/HMAC_MD5.pm', units: [] },
  { name: 'libio-socket-ssl-perl', proof: '/usr/share/perl5/IO/Socket/SSL.pm', units: [] },
  { name: 'neomutt', proof: 'neomutt', units: [] },
  { name: 'bsdutils', proof: 'script', units: [] },
  { name: 'nmap', proof: 'nmap', units: [] },
  { name: 'postgresql', proof: 'pg_ctlcluster', units: ['postgresql.service'] },
  { name: 'mariadb-server', proof: 'mariadbd', units: ['mariadb.service'] },
  { name: 'python3', proof: 'python3', units: [] },
  { name: 'testssl.sh', proof: 'testssl', units: [] },
  { name: 'openssl', proof: 'openssl', units: [] },
  { name: 'haproxy', proof: 'haproxy', units: ['haproxy.service'] },
  { name: 'prometheus', proof: 'promtool', units: ['prometheus.service'] },
  { name: 'systemd', proof: 'systemd-analyze', units: [] },
  { name: 'iproute2', proof: 'ss', units: [] },
  { name: 'procps', proof: 'ps', units: [] },
];
/**
 * Further mailstores: Debian lets none of them be installed beside Dovecot's POP3 server, so the packages are only
 * unpacked here, with the libraries of theirs that a system may lack. test/support/mailstores.ts runs them.
 */
const UNPACKED_PACKAGES = [
  ...['courier-pop', 'courier-base', 'courier-authlib', 'courier-authdaemon', 'popa3d'],
  ...['libcourier-unicode4', 'libgdbm6', 'libidn12', 'libltdl7'],
];
const UNPACKED = join(MODULES, '.cache', 'teapop-proxy', 'mailstores');
/** Says what lies unpacked there: all of it, since it is written last. */
const UNPACKED_STAMP = join(UNPACKED, '.packages');
/** Servers lie in sbin, which is not in everybody's PATH. */
const FURTHER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Debian asks this program whether a package may start its service; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_THAT_REFUSES =
  '#!/bin/sh\n# Made by the set-up of the tests of teapop-proxy; may be deleted.\nexit 101\n';

function main(args) {
  installNpmPackages();
  if (!args.includes('--test')) return;
  installSystemPackages();
  unpackPackages();
}

function fail(...lines) {
  process.stderr.write(`\nteapop-proxy: ${lines.join('\n')}\n`);
  process.exit(1);
}

function installNpmPackages() {
  const digest = createHash('sha256').update(readFileSync(LOCK)).digest('hex');
  if ((isStamped(digest) || isInstalled()) && bunRuns()) {
    if (!isStamped(digest)) writeFileSync(STAMP, digest);
    return;
  }
  refuseOldNpm();
  process.stdout.write('teapop-proxy: installing the npm packages (once) …\n');
  const byHand = ['By hand:', '', `    cd ${ROOT} && npm ci`, ''];
  if (!npmCi()) {
    fail(
      'the npm packages could not be installed: `npm ci` failed, its reason stands above.',
      'It needs the network, and a package-lock.json that fits package.json.',
      ...byHand,
    );
  }
  if (!bunRuns()) {
    fail(
      'the npm packages are installed, but node_modules/.bin/bun does not run.',
      'Its install script has to be allowed (npm config get ignore-scripts must say false),',
      'and the processor and C library must be among those that Bun has a binary for.',
      ...byHand,
    );
  }
  writeFileSync(STAMP, digest);
}

function isStamped(digest) {
  return existsSync(STAMP) && readFileSync(STAMP, 'latin1') === digest;
}

/** True when node_modules holds each package of the lock file in its version, as after an `npm ci` by hand. */
function isInstalled() {
  if (!existsSync(INSTALLED)) return false;
  const wanted = JSON.parse(readFileSync(LOCK, 'utf8')).packages;
  const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages;
  const paths = Object.keys(wanted).filter((path) => path !== '');
  // Optional packages are those of other platforms; a package that the lock does not know is one too many.
  return (
    paths.every((path) =>
      present[path] ? present[path].version === wanted[path].version : wanted[path].optional,
    ) && Object.keys(present).every((path) => path in wanted)
  );
}

function bunRuns() {
  const bun = join(MODULES, '.bin', 'bun');
  return existsSync(bun) && spawnSync(bun, ['--version'], { stdio: 'ignore' }).status === 0;
}

function refuseOldNpm() {
  const version = /^npm\/(\d+)/.exec(process.env.npm_config_user_agent || '');
  if (version !== null && Number(version[1]) < OLDEST_NPM) {
    fail(
      `npm ${version[1]} cannot read this project's lock file; it takes npm ${OLDEST_NPM} or later (Node 16 or later).`,
    );
  }
}

function npmCi() {
  // The npm that runs us, with the Node that it runs on: PATH begins with the node_modules/.bin that is replaced.
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  const [command, ...args] = npm && node && existsSync(node) ? [node, npm] : ['npm'];
  const env = { ...process.env, PATH: searchPath().join(delimiter) };
  return (
    spawnSync(command, [...args, 'ci', '--include=dev'], { cwd: ROOT, env, stdio: 'inherit' }).status === 0
  );
}

function searchPath() {
  return (process.env.PATH || '').split(delimiter).filter((folder) => folder !== join(MODULES, '.bin'));
}

function installSystemPackages() {
  const wanted = missingPackages();
  if (wanted.length === 0) return;
  const names = wanted.map(({ name }) => name);
  const byHand = ['Install them as root, on Debian or Ubuntu with', '', `    ${aptCommands(names)}`, ''];
  const lacking = `the tests drive programs of the distribution; these packages are missing: ${names.join(' ')}`;
  if (process.getuid() !== 0 || !isThere('apt-get')) fail(lacking, ...byHand);
  process.stdout.write(`teapop-proxy: installing for the tests: ${names.join(' ')} …\n`);
  withoutServices(wanted, () => {
    apt(['update']);
    apt(['install', '-y', '--no-install-recommends', ...names]);
  });
  const still = missingPackages().map(({ name }) => name);
  if (still.length > 0) {
    fail(`these packages are still missing, for the reason above: ${still.join(' ')}`, ...byHand);
  }
}

function missingPackages() {
  return SYSTEM_PACKAGES.filter(({ proof }) => !isThere(proof));
}

/** By its path and not by the package's name: where a program comes from does not matter. */
function isThere(proof) {
  const paths = proof.startsWith('/')
    ? [proof]
    : [...searchPath(), ...FURTHER_FOLDERS].map((folder) => join(folder, proof));
  return paths.some((path) => {
    try {
      // A library of Perl's is read, a program is run.
      accessSync(path, path.endsWith('.pm') ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function unpackPackages() {
  const wanted = UNPACKED_PACKAGES.join(' ');
  if (existsSync(UNPACKED_STAMP) && readFileSync(UNPACKED_STAMP, 'latin1') === wanted) return;
  const byHand = ['By hand, on Debian or Ubuntu:', '', ...unpackCommands().map((line) => `    ${line}`), ''];
  const lacking = `the tests drive mailstores whose packages are to be unpacked in ${UNPACKED}`;
  if (!isThere('apt-get') || !isThere('dpkg')) fail(`${lacking}; there is no apt-get here.`, ...byHand);
  process.stdout.write(`teapop-proxy: unpacking for the tests: ${wanted} …\n`);
  rmSync(UNPACKED, { recursive: true, force: true });
  mkdirSync(UNPACKED, { recursive: true });
  // The lists of packages may be missing or old; only root can fetch them anew.
  if (!download() && (process.getuid() !== 0 || !apt(['update']) || !download()))
    fail(`${lacking}; they could not be fetched, for the reason above.`, ...byHand);
  const packages = readdirSync(UNPACKED).filter((name) => name.endsWith('.deb'));
  for (const name of packages) {
    if (spawnSync('dpkg', ['-x', name, '.'], { cwd: UNPACKED, stdio: 'inherit' }).status !== 0)
      fail(`${lacking}; ${name} could not be unpacked, for the reason above.`, ...byHand);
    unlinkSync(join(UNPACKED, name));
  }
  writeFileSync(UNPACKED_STAMP, wanted);
}

function download() {
  // As apt's own user it could not write here.
  const asOurselves = ['-q', '-o', 'APT::Sandbox::User=root'];
  return apt([...asOurselves, 'download', ...UNPACKED_PACKAGES], UNPACKED);
}

function unpackCommands() {
  return [
    `mkdir -p ${UNPACKED} && cd ${UNPACKED}`,
    `apt-get download ${UNPACKED_PACKAGES.join(' ')}`,
    'for package in *.deb; do dpkg -x "$package" . && rm "$package"; done',
    `printf '${UNPACKED_PACKAGES.join(' ')}' >.packages`,
  ];
}

function aptCommands(names) {
  return `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`;
}

function apt(args, cwd = ROOT) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt may be at work, as after the start of a fresh machine: wait for it.
  return (
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], { cwd, env, stdio: 'inherit' })
      .status === 0
  );
}

/** The tests start servers of their own: those of the packages are neither started nor enabled. */
function withoutServices(packages, install) {
  const ours = !existsSync(POLICY);
  // An interrupt ends apt-get; this process must live on to take the policy away.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  if (ours) writeFileSync(POLICY, POLICY_THAT_REFUSES, { mode: 0o755 });
  try {
    install();
  } finally {
    if (ours) unlinkSync(POLICY);
  }
  const units = packages.reduce((all, { units }) => all.concat(units), []);
  if (isThere('systemctl') && units.length > 0) {
    const booted = existsSync('/run/systemd/system');
    for (const unit of units) {
      // A unit that this release of the package does not have is no loss.
      spawnSync('systemctl', ['disable', ...(booted ? ['--now'] : []), unit], { stdio: 'ignore' });
    }
  }
}

main(process.argv.slice(2));
