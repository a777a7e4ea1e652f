import { firstBytes } from "../../kernel/text.ts";

/** A rule that did not hold when a move was judged, and did not stop it. */
export type RuleWarning = { readonly ruleId: string; readonly ruleVersion: number; readonly message: string };

/** What the rules warned of. */
export type Warnings = {
  readonly first: readonly RuleWarning[];
  /** How many more there were. */
  readonly omitted: number;
};

export const noWarnings: Warnings = { first: [], omitted: 0 };

/** Kept with a move, for ever: more than a person reads of one. The contract says the same. */
export const warningCountMax = 16;

/** Their ids and messages in UTF-8: an eighth of what the caller may keep in the same event. The first fits always. */
export const warningBytesMax = 8 * 1024;

/** As many of the first as may be kept. */
export function keptOf({ first, omitted }: Warnings): Warnings {
  let text = "";
  const isTooMuch = ({ ruleId, message }: RuleWarning): boolean => {
    text += ruleId + message;
    return firstBytes(text, warningBytesMax) !== text;
  };
  const few = first.slice(0, warningCountMax);
  const end = few.findIndex(isTooMuch);
  const kept = end < 0 ? few : few.slice(0, end);
  return { first: kept, omitted: omitted + first.length - kept.length };
}
