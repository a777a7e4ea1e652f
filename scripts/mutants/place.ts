import type { Kind, Mutant } from "./mutant.ts";
import { type Node, nodeAt } from "./syntax.ts";

export type Place = {
  readonly file: string;
  readonly text: string;
  readonly within: string;
  /** What is thrown here is caught in the same function. */
  readonly isTried: boolean;
};

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

export const isFunction = (node: Node): boolean => functions.has(node.type);

/** The place within a node: the same, or that of the function which the node is, if it has a name. */
export function place(outer: Place, node: Node, parent: Node | undefined): Place {
  if (node.type === "TryStatement") return { ...outer, isTried: true };
  if (!isFunction(node)) return outer;
  const name = nodeAt(node, "id") ?? (parent && (nodeAt(parent, "id") ?? nodeAt(parent, "key")));
  return { ...outer, isTried: false, ...(name?.type === "Identifier" && { within: String(name["name"]) }) };
}

export const textOf = ({ text }: Place, { start, end }: Node): string => text.slice(start, end);

const toldLengthMax = 160;

/** On one line, and no longer than one. */
function told(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > toldLengthMax ? `${line.slice(0, toldLengthMax)} …` : line;
}

export function mutant(
  { file, text, within }: Place,
  { start, end }: Pick<Node, "start" | "end">,
  kind: Kind,
  replacement: string,
  difference: { readonly before: string; readonly after: string } = { before: text.slice(start, end), after: replacement },
): Mutant {
  const line = text.slice(0, start).split("\n").length;
  const { before, after } = difference;
  return { kind, file, line, within, start, end, replacement, before: told(before), after: told(after) };
}
