import { fork } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plantedInCommit } from "./planted/commit.ts";
import type { Planted } from "./planted/fault.ts";
import { plantedInManager } from "./planted/manager.ts";
import { plantedInOperations } from "./planted/operations.ts";
import { plantedInStorage } from "./planted/storage.ts";
import type { Shrunk } from "./shrink.ts";

/** Mistakes around the cores, of each kind that has been made or feared. The simulation must find each of them soon. */
export const planted: readonly Planted[] = [...plantedInCommit, ...plantedInManager, ...plantedInOperations, ...plantedInStorage];

/** It has found it within so many worlds, or it has not. */
export const plantedSeeds = 200;

/** What the process is asked to do with the mistake. */
export type PlantedTask =
  | { readonly type: "find"; readonly seeds: number; readonly first: number | undefined }
  /** The world of this seed. */
  | { readonly type: "shrink"; readonly seed: number; readonly worldsMax: number };

export type PlantedFinding = { readonly seed: number; readonly failure: string; readonly lines: number };

const recordFile = join(import.meta.dirname, "planted", "worlds.json");

/** In which world each was found last. */
export const plantedWorlds: Readonly<Record<string, number>> = JSON.parse(readFileSync(recordFile, "utf8"));

export function recordWorlds(found: ReadonlyMap<string, number>): void {
  const worlds = planted.flatMap(({ name }) => {
    const world = found.get(name) ?? plantedWorlds[name];
    return world === undefined ? [] : [[name, world] as const];
  });
  writeFileSync(recordFile, `${JSON.stringify(Object.fromEntries(worlds), undefined, 2)}\n`);
}

/** Simulates worlds with this mistake in the code until one fails: where it was found last, then 1, 2, 3, … */
export const findPlanted = (mutant: Planted, seeds = plantedSeeds): Promise<PlantedFinding | undefined> =>
  withMistake(mutant, { type: "find", seeds, first: plantedWorlds[mutant.name] });

export const shrinkPlanted = (mutant: Planted, seed: number, worldsMax: number): Promise<Shrunk | undefined> =>
  withMistake(mutant, { type: "shrink", seed, worldsMax });

/** In a process of its own. The assertions of the code are off: others must see the mistake. */
function withMistake<Found>(mutant: Planted, task: PlantedTask): Promise<Found | undefined> {
  const child = fork(join(import.meta.dirname, "planted", "child.ts"), [JSON.stringify(mutant), JSON.stringify(task)], {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    child.once("message", (answer) => resolve((answer as { found?: Found }).found));
    child.once("exit", (code) => reject(new Error(`the simulation with "${mutant.name}" has ended with ${code}`)));
  });
}
