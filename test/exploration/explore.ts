import { type Exploration, edgeKey, type SpecStep } from "./exploration.ts";
import { violatedByOperators } from "./operator.ts";
import { specKey, violatedInvariants } from "./spec.ts";
import { type Constants, createWorld, type State, type Successor, stateKey } from "./world.ts";

/** Breadth first, so what is found is found on a shortest way. */
export function explore(
  constants: Constants,
  options: { readonly statesMax?: number | undefined; readonly onProgress?: (states: number) => void },
): Exploration {
  const world = createWorld(constants);
  const { statesMax = Number.POSITIVE_INFINITY, onProgress } = options;
  const seen = new Set<string>();
  /** How each state was reached, by its number. */
  const parents: number[] = [];
  const names: string[] = [];
  let frontier: { readonly state: State; readonly number: number }[] = [];
  const specStates = new Map<string, number>();
  const specSteps = new Map<string, SpecStep>();
  let steps = 0;

  const pathTo = (number: number): string[] => {
    const path: string[] = [];
    for (let at = number; at > 0; at = parents[at] as number) path.unshift(names[at] as string);
    return path;
  };

  function numberOf(key: string): number {
    const number = specStates.get(key) ?? specStates.size;
    if (number === specStates.size) specStates.set(key, number);
    return number;
  }

  const operators = constants.also?.includes("resolve") ?? false;

  /** The invariants that do not hold in it, if it is new. */
  function visit(state: State, parent: number, name: string): readonly string[] {
    const key = stateKey(state);
    if (seen.has(key)) return [];
    frontier.push({ state, number: seen.size });
    seen.add(key);
    parents.push(parent);
    names.push(name);
    numberOf(specKey(state.spec));
    return state.operated ? [] : violatedInvariants(state.spec, constants.participants);
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
  while (frontier.length > 0 && seen.size < statesMax) {
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
      for (const { name, state: next, action = "no action" } of successors) {
        steps += 1;
        const violated = new Set([...visit(next, number, name), ...(operators ? violatedByOperators(state, next) : [])]);
        if (violated.size > 0) return result({ what: [...violated].join(", "), path: [...pathTo(number), name] });
        const to = specKey(next.spec);
        if (from === to) continue;
        const edge = edgeKey(numberOf(from), action, numberOf(to));
        if (!specSteps.has(edge)) specSteps.set(edge, { from, to, action, name });
      }
    }
    onProgress?.(seen.size);
  }
  return result(undefined);
}
