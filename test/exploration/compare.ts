import type { Exploration } from "./explore.ts";
import type { Graph } from "./tlc-graph.ts";
import type { Beyond } from "./world.ts";

export type Comparison = {
  /** Reached by the code, unknown to the spec. */
  readonly strangeStates: readonly string[];
  /** Taken by the code, and no step of the spec. */
  readonly strangeSteps: readonly string[];
  /** States of the spec that the code does not reach. */
  readonly unreached: readonly string[];
  /** Steps of the spec that the code takes, by action. */
  readonly taken: ReadonlyMap<string, number>;
  readonly beyond: ReadonlyMap<Beyond, number>;
};

export function compare(exploration: Exploration, graph: Graph): Comparison {
  const strangeSteps: string[] = [];
  const taken = new Map<string, number>();
  const beyond = new Map<Beyond, number>();
  for (const { from, to, name, beyond: kind } of exploration.specSteps.values()) {
    const action = graph.edges.get(from)?.get(to);
    if (action !== undefined) taken.set(action, (taken.get(action) ?? 0) + 1);
    else if (kind !== undefined) beyond.set(kind, (beyond.get(kind) ?? 0) + 1);
    else strangeSteps.push(`${name}:\n  ${from}\n  ${to}`);
  }
  return {
    strangeStates: [...exploration.specStates].filter((key) => !graph.states.has(key)),
    strangeSteps,
    unreached: [...graph.states].filter((key) => !exploration.specStates.has(key)),
    taken,
    beyond,
  };
}
