// What is known of the mutants of each module: specs/mutants.json.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../manifest.ts";
import type { SpecMutant } from "./mutants.ts";

export type Survivor = {
  readonly action: string;
  /** Several of one action may have one reason. */
  readonly text: string | readonly string[];
  /** It describes the same steps, as far as they can be reached. */
  readonly equivalent?: string;
  /** It does not, and no property speaks of the difference. */
  readonly accepted?: string;
};

export type ModuleMutants = {
  /** Names of models, in the order in which they are asked: what is quick and notices much comes first. */
  readonly models: readonly string[];
  /** What a sample asks: answers in seconds, of many mutants at once. Also of the instances that the code is compared with. */
  readonly sample: readonly string[];
  readonly survivors: readonly Survivor[];
};

export function loadMutants(specsDir: string): ReadonlyMap<string, ModuleMutants> {
  const parsed = JSON.parse(readFileSync(join(specsDir, "mutants.json"), "utf8")) as Record<string, ModuleMutants>;
  return new Map(Object.entries(parsed));
}

export function modelsOf(models: readonly Model[], { models: names }: ModuleMutants): readonly Model[] {
  return names.map((name) => {
    const model = models.find((one) => one.name === name);
    if (model === undefined) throw new Error(`mutants.json: no model ${name}`);
    return model;
  });
}

export const isListed = (survivor: Survivor, mutant: SpecMutant): boolean =>
  survivor.action === mutant.action && textsOf(survivor).includes(mutant.text);

const textsOf = ({ text }: Survivor): readonly string[] => (typeof text === "string" ? [text] : text);

/** A survivor without a reason, and one that is no mutant any more. */
export function problemsOf({ survivors }: ModuleMutants, mutants: readonly SpecMutant[]): readonly string[] {
  return survivors.flatMap((survivor) => {
    const { action } = survivor;
    const place = `${action}: ${textsOf(survivor)[0]}`;
    const reasons = [survivor.equivalent, survivor.accepted].filter((reason) => reason !== undefined && reason !== "");
    return [
      ...(reasons.length === 1 ? [] : [`${place}: needs one reason`]),
      ...textsOf(survivor)
        .filter((text) => !mutants.some((mutant) => mutant.action === action && mutant.text === text))
        .map((text) => `${action}: ${text}: is listed, and is no mutant`),
    ];
  });
}
