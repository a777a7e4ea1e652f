// Breaks the specs in some places that a seed picks, of all modules together, and asks only what answers in seconds. When the rate falls, a
// property or a model has lost its bite. Whether each mutant is noticed is for `make spec-mutants`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { progress } from "../../progress.ts";
import type { Model } from "../manifest.ts";
import { prepareShortRuns, type Tlc } from "../tlc.ts";
import { comparedOf } from "./compared.ts";
import { huntMutant, huntTogether } from "./hunt.ts";
import { mutantsOf } from "./mutants.ts";
import { type Order, pick, remarkOf } from "./report.ts";
import { loadMutants, type ModuleMutants } from "./survivors.ts";

/** Of those that are not listed. Lower than in a whole run: what only other models notice counts as missed, and a few more or less of a hundred are chance. */
const floorPercent = 55;

export async function checkSample(tlc: Tlc, order: Omit<Order, "asked" | "module">): Promise<number> {
  const { specsDir, count, seed, jobs } = order;
  const modules = loadMutants(specsDir);
  const read = (name: string): string => readFileSync(join(specsDir, `${name}.tla`), "utf8");
  const picked = pick(
    [...modules.keys()].flatMap((name) => mutantsOf(name, read)),
    count,
    seed,
  );
  prepareShortRuns(tlc);
  let killed = 0;
  const missed: string[] = [];
  const wrong: string[] = [];
  for (const [name, mutants] of Map.groupBy(picked, ({ module }) => module)) {
    const known = modules.get(name) as ModuleMutants;
    const hunt = { ...order, tlc, models: sampledModels(order.models, name, known) };
    await huntTogether(hunt, name, mutants, jobs);
    for (const mutant of mutants) {
      const { text } = remarkOf(known, mutant, await huntMutant(hunt, mutant));
      const place = `${text.padEnd(8)}  ${name}:${mutant.line} ${mutant.action} ${mutant.kind}: ${mutant.text}`;
      if (text === "killed") killed += 1;
      if (text === "SURVIVED") missed.push(place);
      if (text === "LISTED") wrong.push(place);
    }
  }
  progress("");
  const share = (100 * killed) / Math.max(1, killed + missed.length);
  const isLow = share < floorPercent;
  for (const place of [...wrong, ...(isLow || order.verbose ? missed : [])]) console.log(place);
  console.log(
    `mutants of the specs, seed ${seed}: of ${picked.length}, ${picked.length - killed - missed.length} are listed; small models kill ` +
      `${killed} of the others, ${share.toFixed(0)} %; at least ${floorPercent} % must be`,
  );
  return isLow || wrong.length > 0 ? 1 : 0;
}

/** By name, of the manifest and of what the code is compared with. */
export function sampledModels(models: readonly Model[], module: string, { sample }: ModuleMutants): readonly Model[] {
  const all = [...comparedOf(module), ...models];
  return sample.map((name) => {
    const model = all.find((one) => one.name === name);
    if (model === undefined) throw new Error(`mutants.json: no model ${name}`);
    return model;
  });
}
