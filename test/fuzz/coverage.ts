/** Which parts of the sources have run, by the coverage that V8 counts. Node alone has it. */
import { Session } from 'node:inspector';

type Range = { startOffset: number; endOffset: number; count: number };
type Script = { url: string; functions: { ranges: Range[] }[] };

const SOURCES = new URL('../../src/', import.meta.url).href;

export class Coverage {
  readonly #session = new Session();
  /** By source: an octet for each character, 1 where it has run. */
  readonly #known = new Map<string, Uint8Array>();

  start(): void {
    this.#session.connect();
    this.#ask('Profiler.enable');
    this.#ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.#session.disconnect();
  }

  /**
   * How many characters have run since the last call that are not known to have run before.
   * @param noted whether they are known from now on
   */
  news(noted: boolean): number {
    let news = 0;
    const { result } = this.#ask('Profiler.takePreciseCoverage') as { result: Script[] };
    for (const script of result) if (script.url.startsWith(SOURCES)) news += this.#newIn(script, noted);
    return news;
  }

  #newIn({ url, functions }: Script, noted: boolean): number {
    const end = Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
    const now = new Uint8Array(end);
    // An inner range comes behind the one that it lies in, and says better.
    for (const { ranges } of functions)
      for (const { startOffset, endOffset, count } of ranges)
        now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    const known = this.#known.get(url);
    if (known === undefined || known.length < end) {
      const grown = new Uint8Array(end);
      if (known !== undefined) grown.set(known);
      this.#known.set(url, grown);
    }
    const all = this.#known.get(url)!;
    let news = 0;
    for (let at = 0; at < end; at++) {
      if (now[at] === 0 || all[at] === 1) continue;
      if (noted) all[at] = 1;
      news += 1;
    }
    return news;
  }

  /** Answers before it returns. */
  #ask(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw new Error(`${method}: ${error.message}`);
      answer = result;
    });
    return answer;
  }
}
