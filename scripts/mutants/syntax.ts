import { parseSync } from "oxc-parser";

/** A node of the ESTree of a TypeScript file. Places are in UTF-16 units, as those of strings. */
export type Node = { readonly type: string; readonly start: number; readonly end: number; readonly [key: string]: unknown };

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

export function parse(file: string, text: string): Node {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  return program as unknown as Node;
}

export const nodeAt = (node: Node, key: string): Node | undefined => {
  const value = node[key];
  return isNode(value) ? value : undefined;
};

export const nodesAt = (node: Node, key: string): readonly Node[] => {
  const value = node[key];
  return Array.isArray(value) ? value.filter(isNode) : [];
};

/** Types are not changed: what is changed there cannot run. */
const typeKeys = new Set(["typeAnnotation", "returnType", "typeParameters", "typeArguments", "superTypeArguments", "implements"]);
const typeWrappers = new Set(["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression"]);

/** What may be changed below a node: its parts in their order, but for types and names. */
export function childrenOf(node: Node): readonly Node[] {
  if (node.type.startsWith("TS") && !typeWrappers.has(node.type)) return [];
  if (node.type.startsWith("Import") || node.type.startsWith("ExportAll")) return [];
  const found: Node[] = [];
  for (const [key, value] of Object.entries(node)) {
    if (typeKeys.has(key)) continue;
    if ((key === "key" || key === "property") && node["computed"] !== true) continue;
    if (isNode(value)) found.push(value);
    else if (Array.isArray(value)) for (const part of value) if (isNode(part)) found.push(part);
  }
  // `{ a }` has one place for its key and its value.
  if (node.type === "Property" && node["shorthand"] === true) return [];
  return found;
}

/** `a?.b` of `a?.b.c`: in brackets of its own it would no longer end the whole where there is no `a`. */
export function isLinkOfChain(node: Node, parent: Node | undefined): boolean {
  if (parent?.type !== "MemberExpression" && parent?.type !== "CallExpression") return false;
  return linkBefore(parent) === node && isOptional(node);
}

const linkBefore = (node: Node): Node | undefined => nodeAt(node, node.type === "CallExpression" ? "callee" : "object");

function isOptional(node: Node): boolean {
  if (node.type !== "MemberExpression" && node.type !== "CallExpression") return false;
  const before = linkBefore(node);
  return node["optional"] === true || (before !== undefined && isOptional(before));
}

/** Without the brackets around it. */
export function bare(node: Node): Node {
  const inner = node.type === "ParenthesizedExpression" ? nodeAt(node, "expression") : undefined;
  return inner === undefined ? node : bare(inner);
}

/** `assert` of `assert(…)`, `info` of `logger.info(…)`, with what it is called on. */
export function calleeOf(call: Node): { readonly on: string; readonly name: string } {
  const callee = nodeAt(call, "callee");
  if (callee?.type === "Identifier") return { on: "", name: String(callee["name"]) };
  if (callee?.type !== "MemberExpression") return { on: "", name: "" };
  const on = nodeAt(callee, "object");
  const last = on?.type === "MemberExpression" ? nodeAt(on, "property") : on;
  return { on: String(last?.["name"] ?? ""), name: String(nodeAt(callee, "property")?.["name"] ?? "") };
}
