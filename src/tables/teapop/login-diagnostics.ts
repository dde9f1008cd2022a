import { quote } from './diagnostics.ts';
import { lowerCase } from './letter-case.ts';
import type { Diagnostic } from './model.ts';

/** What a login was decided by, or would have been. Names are octet strings. */
export type Decided = {
  domainTable: string;
  /** Of the entry that decided; null where none did. */
  line: number | null;
  /** The domains that were asked for. */
  domains: readonly string[];
  passwordFile: string | null;
  userid: string;
};

/** Of all diagnostics those for which this login may have come out otherwise than somebody expects. */
export function diagnosticsOf(login: Decided, diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.filter((each) => {
    if (each.file === login.passwordFile) return ENDS.has(each.code) || names(each, login.userid);
    if (each.file !== login.domainTable) return false;
    const isOfEntry = each.line === login.line && login.line !== null;
    return isOfEntry || each.code === 'no-domain-table' || login.domains.some((name) => names(each, name));
  });
}

/** Where the reading of a password file ended before the file did. */
const ENDS = new Set(['max', 'blank-line', 'missing-colon']);

function names({ reason }: Diagnostic, name: string): boolean {
  return name !== '' && lowerCase(reason).includes(lowerCase(quote(name)));
}
