import { type ConfigError, type Finding, formatPath, type Path, type Place } from './problem.ts';
import { placeKey, type Reading, readYaml } from './yaml.ts';

/** A list shows how a value was meant; a long one is cut. */
const LONGEST_QUOTE = 60;

/** A key that holds a secret itself. `password_file` and `password_env` only name where one is. */
const SECRET_KEY = /(?:pass(?:word|phrase|wd)?|secret|token)["']?\s*:\s*[^\s{#]/i;
const MISUSED_KEY =
  /password_env["']?\s*:\s*(?!["']?[A-Z_][A-Z0-9_]*["']?\s*(?:[,}#]|$))\S|password_file["']?\s*:\s*(?!["']?\/|null)\S/im;
const URL_SECRET = /:\/\/[^/\s]*@/;

/** Settings for which a password may have been given by mistake. */
const DELICATE_KEY = /^(?:key|master|plain|.*(?:pass|secret|token|_key_).*)$/i;

/** The text of the config, and the places of its settings: turns findings into errors with line and column. */
export class Source {
  readonly file: string;
  readonly reading: Reading;
  #text: string;
  #lines: number[] = [0];
  /** Parts of the text that are never shown. */
  #hidden: { start: number; end: number }[] = [];

  /** @param text without a byte order mark */
  constructor(file: string, text: string) {
    this.file = file;
    this.#text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines.push(at + 1);
    this.reading = readYaml(text);
  }

  get text(): string {
    return this.#text;
  }

  /** All that the findings and the YAML itself have against the file, in the order of its lines. */
  report(findings: readonly Finding[]): ConfigError[] {
    for (const finding of findings) this.#hide(finding);
    const broken = new Set(this.reading.syntax.map((problem) => this.#lineOf(problem.offset)));
    const errors = findings.map((finding) => this.#error(finding)).filter((error) => !broken.has(error.line));
    return errors.sort((one, other) => one.line - other.line || one.column - other.column);
  }

  /** Errors of the YAML itself; a line that is one is quoted only where the whole file holds no secret. */
  reportSyntax(): ConfigError[] {
    const secret = holdsSecret(this.#text);
    return this.reading.syntax.map(({ offset, message, hint }) => {
      const { line, column } = this.#position(offset);
      const excerpt = secret ? null : this.#lineText(line);
      return {
        severity: 'error',
        file: this.file,
        line,
        column,
        path: '',
        value: null,
        message,
        hint,
        excerpt,
      };
    });
  }

  #error(finding: Finding): ConfigError {
    const { place, whole } = this.#find(finding);
    const atKey = finding.at === 'key' || !whole;
    const { line, column } = this.#position(atKey ? place.key : place.value);
    return {
      severity: finding.severity,
      file: this.file,
      line,
      column,
      path: formatPath(finding.path),
      value:
        whole && finding.quote === undefined && !this.#isDelicate(finding.path, place)
          ? this.#quote(place)
          : null,
      message: finding.message,
      hint: finding.hint,
      excerpt: this.#excerpt(line),
    };
  }

  /** The setting's place, or that of the nearest section around it which the file has. */
  #find({ path, place: own }: Finding): { place: Place; whole: boolean } {
    if (own !== undefined) return { place: own, whole: true };
    for (let length = path.length; length > 0; length -= 1) {
      const place = this.reading.places.get(placeKey(path.slice(0, length)));
      if (place !== undefined) return { place, whole: length === path.length };
    }
    const root = this.reading.places.get(placeKey([])) ?? { key: 0, value: 0, end: 0, scalar: false };
    return { place: root, whole: path.length === 0 };
  }

  #hide(finding: Finding): void {
    const place = finding.place ?? this.reading.places.get(placeKey(finding.path));
    if (place === undefined || finding.path.length === 0) return;
    // Settings where one value belongs: nobody can tell what is in them.
    const strange = finding.quote === undefined && !place.scalar;
    if (finding.quote !== 'hide' && !strange && !this.#isDelicate(finding.path, place)) return;
    this.#hidden.push({ start: place.value, end: Math.max(place.end, place.value) });
  }

  /** A path is none: it only says where the secret is. */
  #isDelicate(path: Path, place: Place): boolean {
    const key = String(path.at(-1));
    const named = /^(?:key|.*_file)$/.test(key) && /^["']?\//.test(this.#text.slice(place.value, place.end));
    return DELICATE_KEY.test(key) && !named;
  }

  #position(offset: number): { line: number; column: number } {
    const line = this.#lineOf(offset);
    return { line, column: offset - this.#lines[line - 1]! + 1 };
  }

  #lineOf(offset: number): number {
    let low = 0;
    let high = this.#lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lines[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  #lineText(line: number): string {
    const end = this.#lines[line] ?? this.#text.length + 1;
    return this.#text.slice(this.#lines[line - 1]!, end - 1).replace(/\r$/, '');
  }

  /** The line up to what must not be shown; null where nothing is left. */
  #excerpt(line: number): string | null {
    const text = this.#lineText(line);
    const start = this.#lines[line - 1]!;
    const cuts = this.#hidden.filter((part) => part.start <= start + text.length && part.end > start);
    const shown = text.slice(
      0,
      Math.max(0, Math.min(text.length, ...cuts.map((part) => part.start - start))),
    );
    return shown.trim() === '' || holdsSecret(shown) ? null : shown;
  }

  #quote(place: Place): string | null {
    if (!place.scalar) return null;
    const written = this.#text.slice(place.value, place.end);
    if (written === '') return 'nothing';
    if (holdsSecret(written) || /[\n\r]/.test(written)) return null;
    return written.length > LONGEST_QUOTE ? `${written.slice(0, LONGEST_QUOTE)}…` : written;
  }
}

function holdsSecret(text: string): boolean {
  return SECRET_KEY.test(text) || MISUSED_KEY.test(text) || URL_SECRET.test(text);
}
