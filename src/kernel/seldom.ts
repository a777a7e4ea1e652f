import type { DurationMs } from "./time.ts";

/** Lines that others can cause as often as they like. What is left out is counted, and told by the next line that is not. */
export type SeldomLog = {
  /** `about`: whose lines are counted together. */
  readonly [level in Level]: (about: string, fields: object, message: string) => void;
};

type Level = "info" | "warn" | "error";

type Spell = { readonly sinceMs: DurationMs; count: number };

const spellMs: DurationMs = 60_000;

/** In one spell, of one message about one. A warning sends somebody to look, once; what is informative is of use for itself. */
const lineCountMax: Readonly<Record<Level, number>> = { error: 1, warn: 1, info: 100 };

/** Whoever makes up names to be counted by shares one count with all that come after these. */
export const spellCountMax = 1_000;

export function createSeldomLog(
  logger: { readonly [level in Level]: (fields: object, message: string) => void },
  monotonicMs: () => DurationMs,
): SeldomLog {
  /** The one that began last is the last. */
  const spells = new Map<string, Spell>();

  /** How many were left out before this line. Undefined: so is this one. */
  function leftOutBefore(level: Level, about: string, message: string): number | undefined {
    const nowMs = monotonicMs();
    const isOver = ({ sinceMs }: Spell): boolean => nowMs - sinceMs >= spellMs;
    const key = roomFor(`${message} ${about}`, isOver) ? `${message} ${about}` : message;
    const spell = spells.get(key);
    if (spell && !isOver(spell)) {
      spell.count += 1;
      return spell.count > lineCountMax[level] ? undefined : 0;
    }
    spells.delete(key);
    spells.set(key, { sinceMs: nowMs, count: 1 });
    return Math.max(0, (spell?.count ?? 0) - lineCountMax[level]);
  }

  function roomFor(key: string, isOver: (spell: Spell) => boolean): boolean {
    if (spells.has(key) || spells.size < spellCountMax) return true;
    for (const [oldest, spell] of spells) {
      if (!isOver(spell)) return false;
      spells.delete(oldest);
      return true;
    }
    return true;
  }

  const say =
    (level: Level) =>
    (about: string, fields: object, message: string): void => {
      const leftOut = leftOutBefore(level, about, message);
      if (leftOut === undefined) return;
      logger[level](leftOut === 0 ? fields : { ...fields, leftOut }, message);
    };
  return { info: say("info"), warn: say("warn"), error: say("error") };
}
