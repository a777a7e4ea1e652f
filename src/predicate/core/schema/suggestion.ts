import { nearest } from "../../../kernel/nearest.ts";
import type { Run } from "./run.ts";
import { named } from "./words.ts";

/** A name that is looked at. */
const suggestionSteps = 50;

/** For all that is found together: a quarter of the steps. */
export const suggestionNamesMax = 500;

/** `; did you mean "temperature"?`, or nothing. */
export function suggestion(name: string, names: readonly string[], { budget }: Run): string {
  if (names.length > budget.names) return "";
  budget.names -= names.length;
  budget.steps -= names.length * suggestionSteps;
  const meant = nearest(name, names);
  return meant === undefined ? "" : `; did you mean ${named(meant)}?`;
}
