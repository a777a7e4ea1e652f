import {
  type CelEnv,
  type CelFunc,
  type CelInput,
  type CelList,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celList,
  celMethod,
  isCelError,
} from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { costOf, isContainer } from "./costs.ts";
import { type Comprehension, children, type Expr, literalPattern, loopParts } from "./expr.ts";
import { evaluationCostMax } from "./limits.ts";
import { compileCost, compileRegex, literalRegex, matchCost, matches, type Regex } from "./regex.ts";
import { timeFunctions } from "./time-functions.ts";

/** Why an evaluation ended early. */
export type Exhausted = "expression" | "purse" | "stopped";

/** What evaluations may still cost, all together. */
export type Purse = {
  left: number;
  /** Asked again and again. True: whoever asked has gone, and evaluation ends. */
  readonly stopped?: () => boolean;
};

const never = (): boolean => false;

/**
 * What the evaluation under way may still cost. Below 0 it stays: every further charge fails too, so that no `… || true` of the
 * expression can swallow the failure. Evaluations never overlap, as none of them waits.
 */
let budget = 0;
let isStopped = never;

/** The cost depends on the expression and the data only, never on time or the machine. It is taken from the purse. */
export function withinBudget<T>(purse: Purse, baseCost: number, evaluate: () => T): Result<T, Exhausted> {
  const granted = Math.min(evaluationCostMax, purse.left);
  budget = granted - baseCost;
  isStopped = purse.stopped ?? never;
  if (isWithin()) {
    const value = evaluate();
    if (budget >= 0) {
      purse.left -= granted - budget;
      return ok(value);
    }
  }
  if (isStopped()) return err("stopped");
  purse.left -= evaluationCostMax;
  return err(granted === evaluationCostMax ? "expression" : "purse");
}

function charge(units: number): void {
  budget -= units;
  if (!isWithin()) throw new Error("the budget is used up");
}

function isWithin(): boolean {
  if (isStopped()) budget = -1;
  return budget >= 0;
}

const { BOOL, DYN, INT, STRING } = CelScalar;

function metered(func: CelFunc): CelFunc {
  const cost = costOf(func);
  const call = (target: CelValue | undefined, args: CelValue[]): CelInput => {
    charge(cost(target === undefined ? args : [target, ...args], budget));
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

/** `matches`, whose cost is known only when the pattern is compiled. */
const matchFunctions: readonly CelFunc[] = [
  celMethod("matches", STRING, [STRING], BOOL, function (pattern) {
    charge(compileCost(pattern));
    const regex = compileRegex(pattern);
    if (!regex.ok) throw new Error(regex.error);
    return chargedMatch(regex.value, this);
  }),
  /** The pattern is a literal. No expression can name this: `@` is not in the grammar. */
  celMethod("@matches", STRING, [STRING], BOOL, function (pattern) {
    return chargedMatch(literalRegex(pattern), this);
  }),
];

function chargedMatch(regex: Regex, text: string): boolean {
  charge(matchCost(regex, text));
  return matches(regex, text);
}

/** Nor these. */
const loopFunctions: readonly CelFunc[] = [
  /** Charges a whole loop before it begins: its elements times the nodes evaluated for each. */
  celFunc("@range", [DYN, INT], DYN, (range, nodesPerElement) => {
    if (isContainer(range)) charge(range.size * Number(nodesPerElement));
    return range;
  }),
  /** False ends the loop: each further element would only fail again. */
  celFunc("@within", [], BOOL, isWithin),
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

const standard = celEnv({ funcs: [...timeFunctions, ...matchFunctions] });

/** CEL's standard functions, each charged for the data that it handles. */
export const meteredEnv: CelEnv = celEnv({
  funcs: [...[...standard.funcs].map((func) => (canTakeLong(func) ? metered(func) : func)), ...loopFunctions],
});

/**
 * Makes every loop of a freshly parsed expression pay, in place, and lets literal patterns be compiled once. And `map` and `filter`
 * collect by appending: the library builds a chain of one-element lists, which overflows the stack after some thousand elements.
 */
export function meter(expr: Expr): void {
  for (const child of children(expr)) meter(child);
  if (expr.exprKind.case === "comprehensionExpr") meterLoop(expr.exprKind.value);
  if (literalPattern(expr) !== undefined && calls(expr, "matches")) expr.exprKind.value.function = "@matches";
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

/** What is evaluated at most once; loops pay for what is within them. */
export function nodeCount(expr: Expr): number {
  if (expr.exprKind.case === "comprehensionExpr") {
    const { iterRange, accuInit } = expr.exprKind.value;
    return [iterRange, accuInit].reduce((sum, part) => sum + (part === undefined ? 0 : nodeCount(part)), 1);
  }
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
