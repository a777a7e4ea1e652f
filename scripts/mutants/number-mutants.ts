import type { Mutant } from "./mutant.ts";
import { mutant, type Place, textOf } from "./place.ts";
import { type Node, nodeAt } from "./syntax.ts";

const comparing = /^(<|<=|>|>=|===|!==)$/;

/** From here on, one more is noticed by nothing that does not count so far. */
const largeMin = 1_000;

/** A bound, a default, or what is compared with: one more; or, of what only a larger change would show in, twice as much. */
export function numberMutants(here: Place, node: Node, parent: Node | undefined): readonly Mutant[] {
  if (parent === undefined) return [];
  const name = namedBy(here, node, parent);
  const isBound = parent.type === "AssignmentPattern" || /(Ms|Bytes|Count|Size|Length|Max|Min|Default)$/.test(name ?? "");
  const isCompared = parent.type === "BinaryExpression" && comparing.test(String(parent["operator"]));
  if (!isBound && !isCompared) return [];
  const isFine = /(Ms|Bytes|Length|Cost)(Max|Min|Default)?$/.test(name ?? "") || (isBound && Number(node["value"]) >= largeMin);
  const raw = textOf(here, node);
  // One more is the same number.
  if (!isFine && Number(node["value"]) + 1 === node["value"]) return [];
  const changed = isFine ? `${raw} * 2` : `${raw} + 1`;
  const told = textOf(here, parent).slice(0, 80);
  return [mutant(here, node, "changed constant", changed, { before: told, after: changed })];
}

/** The constant, parameter or field that has this number. */
function namedBy(here: Place, node: Node, parent: Node): string | undefined {
  const named: Readonly<Record<string, string>> = { VariableDeclarator: "id", AssignmentPattern: "left", Property: "key" };
  const name = nodeAt(parent, named[parent.type] ?? "");
  return name === undefined || name === node ? undefined : textOf(here, name).replace(/:.*/, "");
}
