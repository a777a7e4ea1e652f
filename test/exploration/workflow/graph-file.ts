import type { Graph } from "../tlc-graph.ts";
import type { Constants } from "./models.ts";

/** A graph as it is handed to another process. States are told by their place. */
export type GraphFile = {
  readonly constants: Constants;
  readonly states: readonly string[];
  readonly edges: readonly (readonly [from: number, to: number, actions: readonly string[]])[];
};

export function graphFileOf(constants: Constants, { states, edges }: Graph): GraphFile {
  const keys = [...states];
  const placeOf = new Map(keys.map((key, place) => [key, place]));
  const place = (key: string): number => placeOf.get(key) as number;
  const listed = [...edges].flatMap(([from, out]) =>
    [...out].map(([to, actions]) => [place(from), place(to), [...actions]] as const),
  );
  return { constants, states: keys, edges: listed };
}

export function graphOf({ states, edges }: Pick<GraphFile, "states" | "edges">): Graph {
  const graph = new Map<string, Map<string, Set<string>>>();
  for (const [from, to, actions] of edges) {
    const key = states[from] as string;
    const out = graph.get(key) ?? new Map<string, Set<string>>();
    graph.set(key, out.set(states[to] as string, new Set(actions)));
  }
  return { states: new Set(states), edges: graph };
}
