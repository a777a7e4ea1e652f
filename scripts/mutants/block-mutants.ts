import { isAside } from "./aside.ts";
import type { Mutant } from "./mutant.ts";
import { isFunction, mutant, type Place, textOf } from "./place.ts";
import { calleeOf, childrenOf, type Node, nodeAt, nodesAt } from "./syntax.ts";

type Found = {
  readonly dropped: Map<Node, Mutant>;
  readonly hoisted: Map<Node, Mutant>;
  readonly sunk: Map<Node, Mutant>;
};

/** Statements that are left out, or run in another order. */
export function blockMutants(here: Place, node: Node, found: Found): void {
  if (isDroppable(node)) {
    const kind = node.type === "ExpressionStatement" ? "dropped effect" : "dropped return";
    found.dropped.set(node, mutant(here, node, kind, ";", { before: textOf(here, node), after: "nothing" }));
  }
  const statements = node.type === "SwitchCase" ? nodesAt(node, "consequent") : nodesAt(node, "body");
  for (const [index, first] of statements.entries()) {
    const second = statements[index + 1];
    if (second !== undefined) swap(here, first, second, found);
  }
}

/** A return without a value in the midst of a function, what is said to a loop, and whatever is done for its effect. */
function isDroppable(node: Node): boolean {
  if (node.type === "ContinueStatement") return true;
  if (node.type === "ReturnStatement") return node["argument"] === null;
  if (node.type !== "ExpressionStatement" || node["directive"] != null) return false;
  const expression = nodeAt(node, "expression");
  return expression !== undefined && !isAside(expression) && !isSuper(expression);
}

const isSuper = (node: Node): boolean => nodeAt(node, "callee")?.type === "Super";

const isEffect = (node: Node): boolean =>
  node.type === "ExpressionStatement" && node["directive"] == null && !isAside(nodeAt(node, "expression") ?? node);

/** One that declares something can be passed by one that does not use it. */
function swap(here: Place, first: Node, second: Node, { hoisted, sunk }: Found): void {
  if (!isEffect(first) && !isEffect(second)) return;
  const pair = [first, second];
  if (!pair.every((statement) => isEffect(statement) || statement.type === "VariableDeclaration")) return;
  // What only computes or only sets can be moved without being noticed, and so can what changes two things in memory.
  if (!pair.some(calls) || !pair.every((statement) => calls(statement) || assigns(statement))) return;
  if (
    pair.every(staysWithin) &&
    !changedBy(first).some((name) => uses(second, name)) &&
    !changedBy(second).some((name) => uses(first, name))
  )
    return;
  const declared = namesOf(first);
  if (declared.some((name) => uses(second, name))) return;
  const moved = isEffect(second) ? second : first;
  const texts = pair.map((statement) => textOf(here, statement));
  const range = { start: first.start, end: second.end };
  const made = mutant(here, range, "swapped order", texts.toReversed().join(" "), {
    before: texts.join(" "),
    after: texts.toReversed().join(" "),
  });
  if (moved === second) hoisted.set(second, made);
  else sunk.set(first, made);
}

const calling = new Set(["CallExpression", "NewExpression", "AwaitExpression"]);

/** What a function does, it does later. */
const doneHere = (node: Node): readonly Node[] => childrenOf(node).filter((child) => !isFunction(child));

const calls = (node: Node): boolean => calling.has(node.type) || doneHere(node).some(calls);

/** Lists, maps and sets that are changed. */
const changing = new Set(["add", "clear", "delete", "pop", "push", "set", "shift", "splice"]);

/** Or looked at, and numbers: nothing that anybody else can see meanwhile. */
const within = new Set([
  ...[...changing, "get", "has", "max", "min", "Number", "String"],
  ...["at", "every", "filter", "find", "findIndex", "findLast", "flatMap", "includes", "indexOf", "map", "slice", "some"],
]);

const staysWithin = (node: Node): boolean =>
  (!calling.has(node.type) || (node.type === "CallExpression" && within.has(calleeOf(node).name))) &&
  childrenOf(node).every(staysWithin);

const assigns = (node: Node): boolean => node.type === "AssignmentExpression" || doneHere(node).some(assigns);

function namesOf(node: Node): readonly string[] {
  if (node.type !== "VariableDeclaration") return [];
  const names = (pattern: Node): readonly string[] =>
    pattern.type === "Identifier" ? [String(pattern["name"])] : Object.values(pattern).flatMap(partsOf).flatMap(names);
  return nodesAt(node, "declarations").flatMap((declarator) => {
    const id = nodeAt(declarator, "id");
    return id === undefined ? [] : names(id);
  });
}

const partsOf = (value: unknown): readonly Node[] =>
  Array.isArray(value)
    ? value.flatMap(partsOf)
    : typeof value === "object" && value !== null && "type" in value
      ? [value as Node]
      : [];

/** The names of what is assigned, or is a list, map or set that is changed. */
function changedBy(node: Node): readonly string[] {
  const changed = [nodeAt(node, "left"), nodeAt(node, "argument")].filter(() =>
    /^(Assignment|Update)Expression$/.test(node.type),
  );
  const isChange = node.type === "CallExpression" && changing.has(calleeOf(node).name);
  const receiver = isChange ? nodeAt(nodeAt(node, "callee") ?? node, "object") : undefined;
  return [...changed, receiver].flatMap((each) => (each ? namesIn(each) : [])).concat(childrenOf(node).flatMap(changedBy));
}

/** Of `bytes[run.kind]` only `bytes` is changed. */
const namesIn = (node: Node): readonly string[] =>
  node.type === "Identifier"
    ? [String(node["name"])].filter((name) => name !== "Math")
    : childrenOf(node)
        .filter((child) => node.type !== "MemberExpression" || child !== nodeAt(node, "property"))
        .flatMap(namesIn);

function uses(node: Node, name: string): boolean {
  if (node.type === "Identifier") return node["name"] === name;
  return Object.values(node)
    .flatMap(partsOf)
    .some((part) => uses(part, name));
}
