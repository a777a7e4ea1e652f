import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Mutant, nameOf } from "./mutant.ts";

/** Mutants that no test can tell from the code, or need not; each with its reason. */
type Survivor = { readonly mutant: string; readonly reason: string };

export function readSurvivors(root: string): (mutant: Mutant) => boolean {
  const listed = JSON.parse(readFileSync(join(root, "test/mutants/survivors.json"), "utf8")) as readonly Survivor[];
  const names = new Set(listed.map(({ mutant }) => mutant));
  return (mutant) => names.has(nameOf(mutant));
}
