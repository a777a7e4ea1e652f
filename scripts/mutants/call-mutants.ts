import type { Mutant } from "./mutant.ts";
import { mutant, type Place, textOf } from "./place.ts";
import { calleeOf, type Node, nodeAt, nodesAt } from "./syntax.ts";

/** What may stand in place of a call. */
export function callMutants(here: Place, node: Node): readonly Mutant[] {
  const { on, name } = calleeOf(node);
  if (name === "apply" || name === "write") return splitMutants(here, node);
  if (on === "Math") return extremeMutants(here, node, name);
  return methodMutants(here, node, name);
}

/** The smaller for the larger, and one of them whatever the other is: an epoch that goes back. */
function extremeMutants(here: Place, node: Node, name: string): readonly Mutant[] {
  if (name !== "max" && name !== "min") return [];
  const other = name === "max" ? "min" : "max";
  const values = nodesAt(node, "arguments");
  return [
    mutant(here, node, "changed operator", textOf(here, node).replace(`Math.${name}`, `Math.${other}`)),
    ...(values.length === 2 && values.every(({ type }) => type !== "SpreadElement")
      ? values.map((value) => mutant(here, node, "changed operator", textOf(here, value)))
      : []),
  ];
}

const others = new Map([
  ["some", "every"],
  ["every", "some"],
  ["findLast", "find"],
  ["shift", "pop"],
  ["pop", "shift"],
  ["startsWith", "endsWith"],
  ["endsWith", "startsWith"],
]);

/** What they are called on can stand for what they answer. */
const leftOut = new Set(["filter", "slice", "sort", "toSorted", "reverse", "toReversed", "trim", "toLowerCase"]);

/** Another end of a list, all for one of them, and what is not chosen, cut or put in order. */
function methodMutants(here: Place, node: Node, name: string): readonly Mutant[] {
  const callee = nodeAt(node, "callee");
  const on = callee && nodeAt(callee, "object");
  const property = callee && nodeAt(callee, "property");
  if (callee === undefined || on === undefined || property === undefined || callee["computed"] === true) return [];
  const text = textOf(here, node);
  const other = others.get(name);
  if (other !== undefined) {
    const at = property.start - node.start;
    return [mutant(here, node, "changed method", `${text.slice(0, at)}${other}${text.slice(at + name.length)}`)];
  }
  // Without it, the compiler refuses what comes after it, or bytes and texts become others.
  const isNarrowing = name === "filter" && /undefined|null| is |\.type\b/.test(text.slice(property.end - node.start));
  if (!leftOut.has(name) || isNarrowing) return [];
  const dropped = text.slice(on.end - node.start);
  return [mutant(here, node, "dropped method", textOf(here, on), { before: around(on, dropped), after: around(on, "") })];

  function around(receiver: Node, rest: string): string {
    return `${textOf(here, receiver).slice(-40)}${rest}`;
  }
}

/** What belongs together is written in two batches, the first statement in its own: a fence, or a record beside what it records. */
function splitMutants(here: Place, node: Node): readonly Mutant[] {
  const callee = nodeAt(node, "callee");
  const [written, ...others] = nodesAt(node, "arguments");
  if (callee === undefined || written === undefined || others.length > 0) return [];
  const call = textOf(here, callee);
  if (written.type !== "ArrayExpression") {
    // Elsewhere it is not known to be a list of statements.
    if (call !== "engine.apply") return [];
    const split = `((all) => ${call}(all.slice(0, 1)).then(() => ${call}(all.slice(1))))(${textOf(here, written)})`;
    return [mutant(here, node, "split write", split)];
  }
  const [first, ...rest] = nodesAt(written, "elements").map((element) => textOf(here, element));
  if (first === undefined || rest.length === 0) return [];
  return [mutant(here, node, "split write", `${call}([${first}]).then(() => ${call}([${rest.join(", ")}]))`)];
}
