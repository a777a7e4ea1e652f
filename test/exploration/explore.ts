import { createHash } from "node:crypto";
import { specKey, violatedInvariants } from "./spec.ts";
import { type Beyond, type Constants, createWorld, type State, type Successor, stateKey } from "./world.ts";

export type SpecStep = {
  readonly from: string;
  readonly to: string;
  /** Of the first step of the code that is this one. */
  readonly name: string;
  readonly beyond: Beyond | undefined;
};

export type Exploration = {
  readonly states: number;
  readonly steps: number;
  /** False: `statesMax` was reached first. */
  readonly complete: boolean;
  /** Keys of what was reached, in the terms of the spec. */
  readonly specStates: ReadonlySet<string>;
  /** Steps that change the state of the spec. */
  readonly specSteps: ReadonlyMap<string, SpecStep>;
  readonly violation: { readonly what: string; readonly path: readonly string[] } | undefined;
};

/** Breadth first, so what is found is found on a shortest way. */
export function explore(
  constants: Constants,
  options: { readonly statesMax: number; readonly onProgress?: (states: number) => void },
): Exploration {
  const world = createWorld(constants);
  const seen = new Set<string>();
  /** How each state was reached, by its number. */
  const parents: number[] = [];
  const names: string[] = [];
  let frontier: { readonly state: State; readonly number: number }[] = [];
  const specStates = new Set<string>();
  const specSteps = new Map<string, SpecStep>();
  let steps = 0;

  const pathTo = (number: number): string[] => {
    const path: string[] = [];
    for (let at = number; at > 0; at = parents[at] as number) path.unshift(names[at] as string);
    return path;
  };

  /** The invariants that do not hold in it, if it is new. */
  function visit(state: State, parent: number, name: string): readonly string[] {
    const key = createHash("sha1").update(stateKey(state)).digest("latin1");
    if (seen.has(key)) return [];
    frontier.push({ state, number: seen.size });
    seen.add(key);
    parents.push(parent);
    names.push(name);
    specStates.add(specKey(state.spec));
    return violatedInvariants(state.spec, constants.participants, constants.maxPartCrash);
  }

  const result = (violation: Exploration["violation"]): Exploration => ({
    states: seen.size,
    steps,
    complete: frontier.length === 0,
    specStates,
    specSteps,
    violation,
  });

  visit(world.initial, 0, "");
  while (frontier.length > 0 && seen.size < options.statesMax) {
    const level = frontier;
    frontier = [];
    for (const { state, number } of level) {
      let successors: readonly Successor[];
      try {
        successors = world.successors(state);
      } catch (error) {
        // An assertion of the core, most likely.
        return result({ what: error instanceof Error ? `${error.name}: ${error.message}` : String(error), path: pathTo(number) });
      }
      const from = specKey(state.spec);
      for (const { name, state: next, beyond } of successors) {
        steps += 1;
        const violated = visit(next, number, name);
        if (violated.length > 0) return result({ what: violated.join(", "), path: [...pathTo(number), name] });
        if (next.spec === state.spec) continue;
        const to = specKey(next.spec);
        const edge = `${from} ${to}`;
        if (from !== to && !specSteps.has(edge)) specSteps.set(edge, { from, to, name, beyond });
      }
    }
    options.onProgress?.(seen.size);
  }
  return result(undefined);
}
