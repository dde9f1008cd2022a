import type { RedisLink, Script } from '../../src/tables/redis/link.ts';
import { TablesUnavailable } from '../../src/tables/teapop/store.ts';

/** Cuts the link for good: before the call of this number (from 0) of a script, or right behind it. */
export type Cut = { script: Script; call: number; behind?: boolean };

/** A link that works until the cut, and from then on has lost Redis. */
export function interrupted(link: RedisLink, cut: Cut): RedisLink {
  let calls = 0;
  let lost = false;
  const gone = () => new TablesUnavailable('connection lost, as the test wants it');
  const whole = () => (lost ? Promise.reject(gone()) : Promise.resolve());
  return {
    ...link,
    command: async (...command) => {
      await whole();
      return link.command(...command);
    },
    batch: async (commands) => {
      await whole();
      return link.batch(commands);
    },
    evaluate: async (script, all) => {
      await whole();
      if (script.sha !== cut.script.sha) return link.evaluate(script, all);
      const left = cut.call - calls + (cut.behind === true ? 1 : 0);
      calls += all.length;
      if (left > all.length || (left === all.length && cut.behind !== true))
        return link.evaluate(script, all);
      lost = true;
      await link.evaluate(script, all.slice(0, left));
      throw gone();
    },
  };
}
