import {
  type CelEnv,
  type CelFunc,
  type CelInput,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celList,
  celMethod,
  isCelError,
  isCelList,
  isCelMap,
} from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { type Comprehension, children, type Expr, loopParts } from "./expr.ts";
import { evaluationCostMax } from "./limits.ts";
import { timeFunctions } from "./time-functions.ts";

export const overBudget = `costs more than ${evaluationCostMax} units: it looks at too much data, or too often`;

/**
 * What the evaluation under way may still cost. Below 0 it stays: every further charge fails too, so that no `… || true` of the
 * expression can swallow the failure. Evaluations never overlap, as none of them waits.
 */
let budget = 0;

/** Undefined: it cost too much. The cost depends on the expression and the data only, never on time or the machine. */
export function withinBudget<T>(costMax: number, evaluate: () => T): T | undefined {
  budget = costMax;
  const value = evaluate();
  return budget < 0 ? undefined : value;
}

function charge(units: number): void {
  budget -= units;
  if (budget < 0) throw new Error(overBudget);
}

const { BOOL, DYN, INT } = CelScalar;

const charactersPerUnit = 16;
const comparisonsPerUnit = 1024;
/** To find a time zone and its offset. */
const zoneCost = 50;

/** The cost of a function besides being called, from its arguments; the target of a method is the first. Default: `textCost`. */
const costs: Readonly<Record<string, (args: readonly CelValue[]) => number>> = {
  "_==_": ([left, right]) => equalityCost(left, right),
  "_!=_": ([left, right]) => equalityCost(left, right),
  "@in": ([, container]) => (isCelMap(container) ? container.size / charactersPerUnit : comparisonCost(container)),
  "_+_": (args) => textCost(args) + listSize(args[0]) + listSize(args[1]),
  contains: ([text, part]) => (textSize(text) * textSize(part)) / comparisonsPerUnit,
  // To compile the pattern, then to step through the text with it.
  matches: ([text, pattern]) => regexSize(pattern) * (1 + textSize(text) / charactersPerUnit),
};

function textCost(args: readonly CelValue[]): number {
  return args.reduce<number>((sum, arg) => sum + textSize(arg), 0) / charactersPerUnit;
}

function textSize(value: CelValue | undefined): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
}

function listSize(value: CelValue | undefined): number {
  return isCelList(value) ? value.size : 0;
}

/** Lists and maps of different sizes are not compared element by element. */
function equalityCost(left: CelValue | undefined, right: CelValue | undefined): number {
  if (!isContainer(left) || !isContainer(right)) return Math.min(textSize(left), textSize(right)) / charactersPerUnit;
  return left.size === right.size ? comparisonCost(left) : 0;
}

/** Counting stops where the budget ends: values that share parts can be far larger when compared than in memory. */
function comparisonCost(value: CelValue | undefined): number {
  if (!isContainer(value)) return textSize(value) / charactersPerUnit;
  let cost = 0;
  for (const item of value.values()) {
    cost += 1 + comparisonCost(item);
    if (cost > budget) return cost;
  }
  return cost;
}

function isContainer(value: CelValue | undefined): value is CelList | CelMap {
  return isCelList(value) || isCelMap(value);
}

/** An upper bound of the regex program: a counted repetition is unrolled, and RE2 allows 1,000 at most, nested ones multiplied. */
function regexSize(pattern: CelValue | undefined): number {
  const counts = String(pattern).matchAll(/\{(\d+)(?:,(\d*))?\}/g);
  const unrolled = [...counts].reduce((product, [, from, to]) => product * Math.max(1, Number(from), Number(to || 0)), 1);
  return textSize(pattern) * Math.min(unrolled, 1000);
}

function metered(func: CelFunc): CelFunc {
  // Of all methods of objects, only those of timestamps take text, and that names a zone.
  const cost = costs[func.name] ?? (func.target?.kind === "object" ? () => zoneCost : textCost);
  const call = (target: CelValue | undefined, args: CelValue[]): CelInput => {
    charge(cost(target === undefined ? args : [target, ...args]));
    const result = func.call(0, target, args);
    // Thrown anew, so that it gets the position of this call.
    if (isCelError(result)) throw new Error(result.message);
    return result as CelInput;
  };
  if (func.target === undefined) return celFunc(func.name, func.arguments, func.result, (...args) => call(undefined, args));
  return celMethod(func.name, func.target, func.arguments, func.result, function (...args) {
    return call(this, args);
  });
}

/** Only what takes text, bytes, lists or maps can take long. */
function canTakeLong(func: CelFunc): boolean {
  return [func.target, ...func.arguments].some(
    (type) =>
      type !== undefined && (["string", "bytes", "dyn"].includes(type.name) || type.kind === "list" || type.kind === "map"),
  );
}

/** The elements that a `map` or `filter` has collected, by the list that shows them. */
const collected = new WeakMap<CelList, CelValue[]>();

/** No expression can name these: `@` is not in the grammar. */
const loopFunctions: readonly CelFunc[] = [
  /** Charges a whole loop before it begins: its elements times the nodes evaluated for each. */
  celFunc("@range", [DYN, INT], DYN, (range, nodesPerElement) => {
    if (isContainer(range)) charge(range.size * Number(nodesPerElement));
    return range;
  }),
  /** False ends the loop: each further element would only fail again. */
  celFunc("@within", [], BOOL, () => budget >= 0),
  celFunc("@collect", [], DYN, () => {
    const elements: CelValue[] = [];
    const list = celList(elements);
    collected.set(list, elements);
    return list;
  }),
  celFunc("@append", [DYN, DYN], DYN, (list, element) => {
    collected.get(list as CelList)?.push(element);
    return list;
  }),
];

const standard = celEnv({ funcs: [...timeFunctions] });

/** CEL's standard functions, each charged for the data that it handles. */
export const meteredEnv: CelEnv = celEnv({
  funcs: [...[...standard.funcs].map((func) => (canTakeLong(func) ? metered(func) : func)), ...loopFunctions],
});

/**
 * Makes every loop of a freshly parsed expression pay, in place. And `map` and `filter` collect by appending: the library builds
 * a chain of one-element lists, which overflows the stack after some thousand elements.
 */
export function meterLoops(expr: Expr): void {
  for (const child of children(expr)) meterLoops(child);
  if (expr.exprKind.case === "comprehensionExpr") meterLoop(expr.exprKind.value);
}

function meterLoop(loop: Comprehension): void {
  const { iterRange, accuInit, loopCondition, loopStep } = loop;
  assert(iterRange && accuInit && loopCondition && loopStep, "a parsed loop is complete");
  const nodesPerElement = loopParts(loop).reduce((sum, part) => sum + (part === undefined ? 0 : nodeCount(part)), 0);
  loop.iterRange = call(iterRange, "@range", [iterRange, constant(iterRange, BigInt(nodesPerElement))]);
  loop.loopCondition = call(loopCondition, "_&&_", [call(loopCondition, "@within", []), loopCondition]);
  if (accuInit.exprKind.case !== "listExpr") return;
  loop.accuInit = call(accuInit, "@collect", []);
  // `@result + [element]`, or with a condition: `condition ? @result + [element] : @result`.
  const step = calls(loopStep, "_?_:_") ? loopStep.exprKind.value.args[1] : loopStep;
  assert(step && calls(step, "_+_"), "a list is collected by adding to it");
  const [list, added] = step.exprKind.value.args;
  assert(list && added?.exprKind.case === "listExpr", "a list is collected element by element");
  step.exprKind.value.function = "@append";
  step.exprKind.value.args = [list, ...added.exprKind.value.elements];
}

type Call = Expr & { readonly exprKind: Extract<Expr["exprKind"], { case: "callExpr" }> };

function calls(expr: Expr, name: string): expr is Call {
  return expr.exprKind.case === "callExpr" && expr.exprKind.value.function === name;
}

/** Nested loops pay for themselves. */
function nodeCount(expr: Expr): number {
  if (expr.exprKind.case === "comprehensionExpr") return 1;
  return children(expr).reduce((sum, child) => sum + nodeCount(child), 1);
}

function call(at: Expr, name: string, args: Expr[]): Expr {
  const value = { $typeName: "cel.expr.Expr.Call" as const, function: name, args };
  return { $typeName: "cel.expr.Expr", id: at.id, exprKind: { case: "callExpr", value } };
}

function constant(at: Expr, value: bigint): Expr {
  const constantKind = { case: "int64Value" as const, value };
  return {
    $typeName: "cel.expr.Expr",
    id: at.id,
    exprKind: { case: "constExpr", value: { $typeName: "cel.expr.Constant", constantKind } },
  };
}
