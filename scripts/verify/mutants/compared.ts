// The instances that the code is compared with: it has the states and the steps that TLC finds in them, all and no others.
//
// So a mutant with another graph is killed by `verify-code.ts --part compare`. Here its graph is counted, not dumped: it has as many
// states, and takes as many steps that change something, or it is another one.

import { configOf as commitConfig } from "../../../test/exploration/commit-graph.ts";
import { comparedModels as commitModels } from "../../../test/exploration/models.ts";
import { configOf as workflowConfig } from "../../../test/exploration/workflow/graph.ts";
import { comparedModels as workflowModels } from "../../../test/exploration/workflow/models.ts";
import type { Model } from "../manifest.ts";

/** Tells their names from those of the manifest. */
export const comparedPrefix = "code: ";

/** Its cfg is the text, and no file. */
export function comparedOf(module: string): readonly Model[] {
  const texts = new Map<string, string>();
  const add = (name: string, cfg: string): void => {
    // What only the code does, such as to lose a session, makes no other instance.
    if (![...texts.values()].includes(cfg)) texts.set(name, cfg);
  };
  if (module === "TwoPhaseCommit") for (const { name, constants } of commitModels) add(name, commitConfig(constants));
  if (module === "WorkflowManager") for (const { name, constants } of workflowModels) add(name, workflowConfig(constants));
  return [...texts].map(([name, cfg]) => ({ name: `${comparedPrefix}${name}`, kind: "safety", module, cfg, exit: 0 }));
}

export const isCompared = ({ cfg }: Model): boolean => cfg.includes("\n");
