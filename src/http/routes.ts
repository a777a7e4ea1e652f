import { type HttpRule, httpRules, type Verb } from "./rules.ts";

/** What is served at a path. */
export type Place = {
  /** Of each verb, those that it may mean: a list, and the stream of what it lists. */
  readonly byVerb: ReadonlyMap<Verb, readonly HttpRule[]>;
  /** The values of its variables, decoded, in the order of the segments. */
  readonly values: readonly string[];
};

type Node = { readonly literals: Map<string, Node>; variable: Node | undefined; readonly rules: HttpRule[] };

const emptyNode = (): Node => ({ literals: new Map(), variable: undefined, rules: [] });

const root = emptyNode();
for (const rule of httpRules) {
  let node = root;
  for (const segment of rule.segments) {
    if ("literal" in segment) {
      const next = node.literals.get(segment.literal) ?? emptyNode();
      node.literals.set(segment.literal, next);
      node = next;
    } else {
      node.variable ??= emptyNode();
      node = node.variable;
    }
  }
  node.rules.push(rule);
}

/** Undefined: nothing is served there. Throws URIError if the path is not encoded as paths are. */
export function placeOf(path: string): Place | undefined {
  const values: string[] = [];
  let node: Node | undefined = root;
  for (const text of path.slice(1).split("/")) {
    const literal: Node | undefined = node.literals.get(text);
    // An empty segment is no id, and would be an id that is missing.
    if (literal === undefined && node.variable !== undefined && text !== "") values.push(decodeURIComponent(text));
    node = literal ?? (text === "" ? undefined : node.variable);
    if (node === undefined) return undefined;
  }
  if (node.rules.length === 0) return undefined;
  const byVerb = new Map<Verb, HttpRule[]>();
  for (const rule of node.rules) byVerb.set(rule.verb, [...(byVerb.get(rule.verb) ?? []), rule]);
  return { byVerb, values };
}
