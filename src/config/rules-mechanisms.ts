import type { LoginMethod } from '../pop3/credentials.ts';
import { doubtful, wrong } from './finding.ts';
import { knowsCertificates, offersOf, serves, settingFor, someOffer } from './mechanisms.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';

/** What domains offer besides logins that send the password, and what listeners announce of it. */
export function mechanismRules(config: Config): Finding[] {
  return [
    ...placesOf(config).flatMap((place) => placeRules(config, place)),
    ...announcementRules(config),
    ...iterationRules(config),
  ];
}

/** Cyrus SASL's MAX_ITERATION_COUNTER: its clients give up on more. */
const MOST_THAT_ALL_COMPUTE = 65_536;

function iterationRules({ passwords, tables }: Config): Finding[] {
  if (passwords.scramIterations <= MOST_THAT_ALL_COMPUTE || !someOffer(tables).scram) return [];
  const hint = `${MOST_THAT_ALL_COMPUTE} are the most that Cyrus SASL computes`;
  return [
    doubtful(['passwords', 'scram_iterations'], 'mail programs may refuse so many', hint, [['tables']]),
  ];
}

const SETTINGS = ['apop', 'scram'] as const;
type Setting = (typeof SETTINGS)[number];

/** A setting that is true, and the domain that it is for: null for all that have none of their own. */
type Place = { setting: Setting; path: Path; domain: string | null };

function placesOf({ tables }: Config): Place[] {
  const ofAll = SETTINGS.flatMap((setting) =>
    tables[setting] ? [{ setting, path: ['tables', setting], domain: null }] : [],
  );
  const ofDomains = [...tables.domains].flatMap(([domain, own]) =>
    SETTINGS.flatMap((setting) =>
      own[setting] === true ? [{ setting, path: ['tables', 'domains', own.name, setting], domain }] : [],
    ),
  );
  return [...ofAll, ...ofDomains];
}

const NAMES: Record<Setting, string> = { apop: 'APOP', scram: 'SCRAM' };

function placeRules(config: Config, { setting, path, domain }: Place): Finding[] {
  const { tables, passwords } = config;
  const findings: Finding[] = [];
  const kept = setting === 'scram' || tables.source === 'redis';
  if (kept && passwords.sealKeyFile === null) {
    const hint = 'give passwords.seal_key_file, the path of a key made by `head -c 32 /dev/urandom`';
    const restsOn: Path[] = [
      ['passwords', 'seal_key_file'],
      ['tables', 'source'],
    ];
    const whose = domain === null ? '' : ` for ${domain}`;
    findings.push(wrong(path, `${NAMES[setting]}${whose} needs a key`, hint, restsOn));
  }
  const upstream = passthroughOf(config, setting, domain);
  if (upstream !== null) {
    const message = `${NAMES[setting]} does not tell the password that upstream ${upstream.name} is to be sent`;
    const hint = 'give the upstream a login of row, master, plain or secret instead of passthrough';
    findings.push(wrong(path, message, hint, [['upstreams', upstream.index, 'login']]));
  }
  return findings;
}

/** The first upstream with the client's own password that serves a domain which this setting counts for. */
function passthroughOf(
  { tables, upstreams }: Config,
  setting: Setting,
  domain: string | null,
): { index: number; name: string } | null {
  const follows = [...tables.domains].filter(([, own]) => own[setting] === null);
  const served =
    domain === null
      ? [null, ...follows.map(([, own]) => own.upstream)]
      : [tables.domains.get(domain)!.upstream];
  for (const named of served) {
    const index = named === null ? 0 : upstreams.findIndex(({ name }) => name === named);
    const upstream = upstreams[index];
    if (upstream?.login.mode === 'passthrough') return { index, name: upstream.name };
  }
  return null;
}

function announcementRules({ listeners, tables }: Config): Finding[] {
  const offers = someOffer(tables);
  const findings = listeners.flatMap((listener, index): Finding[] => {
    const { mechanisms, digestAuth } = listener;
    const path: Path = ['listeners', index];
    const restsOn: Path[] = [['tables']];
    const at = (method: LoginMethod): Path => [...path, 'mechanisms', mechanisms!.indexOf(method)];
    const idle = mechanisms?.find((method) => !serves(method, offers)) ?? null;
    if (idle !== null) {
      const hint = `set tables.${settingFor(idle)}, or tables.domains.DOMAIN.${settingFor(idle)}, or leave it out`;
      return [wrong(at(idle), 'no domain offers it', hint, restsOn)];
    }
    if (mechanisms?.includes('EXTERNAL') && !knowsCertificates(listener)) {
      const hint = 'set client_certificates.identity to email or common_name, or leave it out';
      return [wrong(at('EXTERNAL'), 'no certificate names a user', hint, [[...path, 'client_certificates']])];
    }
    const nobody = digestAuth === 'never' || digestAuth.length === 0;
    if (nobody || offers.apop || offers.scram) return [];
    const hint = 'set tables.apop or tables.scram, or leave it out';
    return [wrong([...path, 'digest_auth'], 'no domain offers APOP, CRAM-MD5 or SCRAM', hint, restsOn)];
  });
  return [...findings, ...unevenRules(listeners, tables)];
}

/** Mail programs that choose a mechanism by themselves take the one that only some of the users have. */
function unevenRules(listeners: Config['listeners'], tables: Config['tables']): Finding[] {
  const index = listeners.findIndex(({ mechanisms }) => mechanisms === null);
  const uneven = SETTINGS.find((setting) => !tables[setting] && someOffer(tables)[setting]);
  if (index < 0 || uneven === undefined) return [];
  const [domain] = [...tables.domains].find(([name]) => offersOf(tables, name)[uneven])!;
  const path: Path = ['tables', 'domains', tables.domains.get(domain)!.name, uneven];
  const hint = `set tables.${uneven} for all of them, or list the mechanisms of each listener`;
  const message = 'users of other domains fail with mail programs that choose it by themselves';
  return [doubtful(path, message, hint, [['listeners', index, 'mechanisms']])];
}
