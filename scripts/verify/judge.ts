// Does what TLC found agree with what the manifest expects?

import type { Model } from "./manifest.ts";
import type { TlcResult } from "./tlc.ts";

/** The ways in which the result differs from the manifest; none means passed. */
export function differences(model: Model, result: TlcResult): readonly string[] {
  if (result.exit !== model.exit) {
    const violated = result.violated === undefined ? "" : ` (${result.violated} violated)`;
    const survived = model.kind === "mutant" && result.exit === 0 ? "the mutant survived: " : "";
    return [`${survived}exit code ${result.exit}${violated}, expected ${model.exit}`, ...firstErrors(result)];
  }
  const found: string[] = [];
  if (model.violates !== result.violated) {
    found.push(`${result.violated ?? "nothing"} violated, expected ${model.violates ?? "nothing"}`);
  }
  if (model.distinct !== undefined && model.distinct !== result.distinct) {
    found.push(`${result.distinct ?? "no"} states, expected ${model.distinct}`);
  }
  if (model.neverTaken !== undefined) found.push(...coverageDifferences(model.neverTaken, result.taken));
  return found;
}

function coverageDifferences(neverTaken: readonly string[], taken: ReadonlyMap<string, number>): readonly string[] {
  if (taken.size === 0) return ["TLC printed no coverage"];
  const found: string[] = [];
  for (const [action, count] of taken) {
    const never = neverTaken.includes(action);
    if (never && count > 0) found.push(`${action} is taken, expected never`);
    if (!never && count === 0) found.push(`${action} is never taken`);
  }
  for (const action of neverTaken) {
    if (!taken.has(action)) found.push(`${action} is no action`);
  }
  return found;
}

/** The result says what is wrong with the protocol; these say what is wrong with the model. */
function firstErrors(result: TlcResult): readonly string[] {
  if (result.violated !== undefined) return [];
  return result.output
    .split("\n")
    .filter((line) => /error|exception/i.test(line))
    .slice(0, 4)
    .map((line) => line.trim());
}
