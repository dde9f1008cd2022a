import { doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';

/** Who is let in without the password of the account that is opened: masters, and owners of certificates. */
export function masterRules(config: Config): Finding[] {
  return [...namedTwice(config), ...withoutPassword(config), ...certificateRules(config)];
}

function namedTwice({ tables }: Config): Finding[] {
  const users = tables.masters.map(({ user }) => oneSpelling(user, tables.dividers));
  return users.flatMap((user, index) => {
    const first = users.indexOf(user);
    if (first === index) return [];
    const hint = `tables.masters[${first}] has it already: give one of them all of the domains`;
    const restsOn: Path[] = [['tables', 'masters', first, 'user']];
    return [wrong(['tables', 'masters', index, 'user'], 'a master given twice', hint, restsOn)];
  });
}

/** As the tables take it: any divider divides, and letter case counts before it alone. */
function oneSpelling(user: string, dividers: string): string {
  const at = Array.from(user).findIndex((character) => dividers.includes(character));
  return at < 0 ? user : `${user.slice(0, at)} ${user.slice(at + 1).toLowerCase()}`.trimEnd();
}

function withoutPassword(config: Config): Finding[] {
  return config.tables.masters.flatMap(({ domains }, index): Finding[] => {
    const upstream = passthroughOf(config, domains);
    if (upstream === null) return [];
    const message = `a master does not know the password that upstream ${upstream.name} is to be sent`;
    const hint =
      'give the upstream a login of row, master, plain or secret, or list the domains that it does not serve';
    const path: Path = ['tables', 'masters', index, ...(domains === null ? [] : ['domains'])];
    return [wrong(path, message, hint, [['upstreams', upstream.index, 'login']])];
  });
}

/** The first upstream with the client's own password that serves one of the domains; of all for null. */
function passthroughOf(
  { tables, upstreams }: Config,
  domains: readonly string[] | null,
): { name: string; index: number } | null {
  const named = domains ?? ['', ...tables.domains.keys()];
  for (const domain of named) {
    const wanted = tables.domains.get(domain)?.upstream ?? null;
    const index = wanted === null ? 0 : upstreams.findIndex(({ name }) => name === wanted);
    const upstream = upstreams[index];
    if (upstream?.login.mode === 'passthrough') return { name: upstream.name, index };
  }
  return null;
}

function certificateRules(config: Config): Finding[] {
  const upstream = passthroughOf(config, null);
  const index = config.listeners.findIndex(
    ({ clientCertificates, mechanisms }) =>
      (clientCertificates?.identity ?? null) !== null && (mechanisms?.includes('EXTERNAL') ?? true),
  );
  if (upstream === null || index < 0) return [];
  const path: Path = ['listeners', index, 'client_certificates', 'identity'];
  const message = `a certificate does not tell the password that upstream ${upstream.name} is to be sent`;
  const hint =
    'give the upstream a login of row, master, plain or secret: its users cannot log in by EXTERNAL';
  return [doubtful(path, message, hint, [['upstreams', upstream.index, 'login']])];
}
