import { type Exploration, edgeKey } from "./exploration.ts";
import type { Graph } from "./tlc-graph.ts";

/** What the code and the spec do not have in common. A step that changes nothing is none: the spec may take such at any time. */
export type Comparison = {
  /** Reached by the code, unknown to the spec. */
  readonly strangeStates: readonly string[];
  /** Taken by the code, and no step of the spec, or one by another action. */
  readonly strangeSteps: readonly string[];
  /** States of the spec that the code does not reach. */
  readonly unreached: readonly string[];
  /** Steps of the spec that the code does not take. */
  readonly untaken: readonly string[];
  readonly stepsOfSpec: number;
  readonly actions: number;
};

export function compare({ specStates, specSteps }: Exploration, graph: Graph): Comparison {
  const text = (name: string, from: string, action: string, to: string): string => `${name} ${action}:\n  ${from}\n  ${to}`;
  const untaken: string[] = [];
  const actions = new Set<string>();
  let stepsOfSpec = 0;
  for (const [from, out] of graph.edges) {
    for (const [to, labels] of out) {
      for (const action of from === to ? [] : labels) {
        stepsOfSpec += 1;
        actions.add(action);
        const edge = edgeKey(specStates.get(from) ?? -1, action, specStates.get(to) ?? -1);
        if (!specSteps.has(edge)) untaken.push(text("", from, action, to));
      }
    }
  }
  return {
    strangeStates: [...specStates.keys()].filter((key) => !graph.states.has(key)),
    strangeSteps: [...specSteps.values()]
      .filter(({ from, to, action }) => !graph.edges.get(from)?.get(to)?.has(action))
      .map(({ from, to, action, name }) => text(name, from, action, to)),
    unreached: [...graph.states].filter((key) => !specStates.has(key)),
    untaken,
    stepsOfSpec,
    actions: actions.size,
  };
}
