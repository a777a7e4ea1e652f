import { fork } from "node:child_process";
import { join } from "node:path";
import type { Mutant } from "../exploration/mutants.ts";
import { plantedInCommit } from "./planted/commit.ts";
import { plantedInManager } from "./planted/manager.ts";
import { plantedInStorage } from "./planted/storage.ts";
import type { Shrunk } from "./shrink.ts";

/** Mistakes around the cores, of each kind that has been made or feared. The simulation must find each of them soon. */
export const planted: readonly Mutant[] = [...plantedInCommit, ...plantedInManager, ...plantedInStorage];

/** It has found it within so many worlds, or it has not. */
export const plantedSeeds = 200;

/** What the process is asked to do with the mistake. */
export type PlantedTask =
  | { readonly type: "find"; readonly seeds: number }
  /** The world of this seed. */
  | { readonly type: "shrink"; readonly seed: number; readonly worldsMax: number };

export type PlantedFinding = { readonly seed: number; readonly failure: string; readonly lines: number };

/** Simulates worlds 1, 2, 3, … with this mistake in the code until one fails. */
export const findPlanted = (mutant: Mutant, seeds = plantedSeeds): Promise<PlantedFinding | undefined> =>
  withMistake(mutant, { type: "find", seeds });

export const shrinkPlanted = (mutant: Mutant, seed: number, worldsMax: number): Promise<Shrunk | undefined> =>
  withMistake(mutant, { type: "shrink", seed, worldsMax });

/** In a process of its own. The assertions of the code are off: others must see the mistake. */
function withMistake<Found>(mutant: Mutant, task: PlantedTask): Promise<Found | undefined> {
  const child = fork(join(import.meta.dirname, "planted", "child.ts"), [JSON.stringify(mutant), JSON.stringify(task)], {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    child.once("message", (answer) => resolve((answer as { found?: Found }).found));
    child.once("exit", (code) => reject(new Error(`the simulation with "${mutant.name}" has ended with ${code}`)));
  });
}
