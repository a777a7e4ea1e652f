import { assert } from "../../kernel/assert.ts";
import { bind, call, ident, int, list, text } from "./build.ts";
import { type Comprehension, children, type Expr, isBind, literalPattern, loopParts, nodeCount } from "./expr.ts";

/**
 * Turns a checked expression, in place, into what the library evaluates within the budget. Every loop pays before it begins. Literal
 * patterns are compiled once. `map` and `filter` collect by appending: the library builds a chain of one-element lists, which overflows
 * the stack after some thousand elements. And what the library does not know is spelled with functions: maps with keys that must differ,
 * loops with two variables, optional values.
 */
export function lower(expr: Expr): void {
  lowerWithin(expr, usesOptionals(expr) ? new Set() : undefined);
}

/** `locals`: the variables that may be optional, if the expression uses optionals at all. */
function lowerWithin(expr: Expr, locals: ReadonlySet<string> | undefined): void {
  const { exprKind } = expr;
  const inner = locals && exprKind.case === "comprehensionExpr" ? new Set([...locals, ...variablesOf(exprKind.value)]) : locals;
  for (const child of children(expr)) lowerWithin(child, inner);
  if (locals !== undefined) lowerOptional(expr, locals);
  lowerAccess(expr);
  switch (exprKind.case) {
    case "comprehensionExpr":
      if (!isBind(exprKind.value)) meterLoop(exprKind.value);
      return;
    case "structExpr":
      if (exprKind.value.messageName === "") replace(expr, mapOf(expr));
      return;
    case "callExpr":
      if (literalPattern(expr) !== undefined) exprKind.value.function = "@matches";
  }
}

const replace = (expr: Expr, by: Expr): void => void Object.assign(expr, { exprKind: by.exprKind });

const variablesOf = ({ iterVar, iterVar2, accuVar }: Comprehension) => [iterVar, iterVar2, accuVar];

const optionalNames = new Set(["_?._", "_[?_]", "optional.of", "optional.ofNonZeroValue", "optional.none", "first", "last"]);

function usesOptionals(expr: Expr): boolean {
  const { exprKind } = expr;
  if (exprKind.case === "callExpr" && optionalNames.has(exprKind.value.function)) return true;
  if (exprKind.case === "listExpr" && exprKind.value.optionalIndices.length > 0) return true;
  return children(expr).some(usesOptionals);
}

/** `a.?b`, `a[?b]`, `[?a]`; and `a.b` and `a[b]` of what may be optional. */
function lowerOptional(expr: Expr, locals: ReadonlySet<string>): void {
  const { exprKind, id } = expr;
  if (exprKind.case === "listExpr" && exprKind.value.optionalIndices.length > 0) {
    const { elements, optionalIndices } = exprKind.value;
    const marks = elements.map((_, at) => (optionalIndices.includes(at) ? "?" : ":")).join("");
    replace(expr, call(id, "@list", list(id, elements), text(id, marks)));
  }
  if (exprKind.case === "selectExpr" && exprKind.value.operand !== undefined && mayBeOptional(exprKind.value.operand, locals)) {
    const { operand, field, testOnly } = exprKind.value;
    replace(expr, call(id, testOnly ? "@has" : "@select", operand, text(id, field)));
  }
  if (exprKind.case !== "callExpr") return;
  const { function: name, args } = exprKind.value;
  if (name === "_?._" || name === "_[?_]") exprKind.value.function = "@optional";
  if (name === "_[_]" && args[0] !== undefined && mayBeOptional(args[0], locals)) exprKind.value.function = "@select";
}

/** Where the library is more lenient than CEL: `has` of what has no fields, and a list's index that is no number. */
function lowerAccess(expr: Expr): void {
  const { exprKind, id } = expr;
  if (exprKind.case === "selectExpr" && exprKind.value.testOnly && exprKind.value.operand !== undefined) {
    replace(expr, call(id, "@has", exprKind.value.operand, text(id, exprKind.value.field)));
  } else if (exprKind.case === "callExpr" && exprKind.value.function === "_[_]" && !isSafeIndex(exprKind.value.args[1])) {
    exprKind.value.function = "@select";
  }
}

const safeIndices = new Set(["int64Value", "uint64Value", "stringValue"]);

function isSafeIndex(index: Expr | undefined): boolean {
  return index?.exprKind.case === "constExpr" && safeIndices.has(index.exprKind.value.constantKind.case ?? "");
}

/** What is selected from a variable of the expression is not, unless it is bound by the expression itself. */
function mayBeOptional({ exprKind }: Expr, locals: ReadonlySet<string>): boolean {
  if (exprKind.case === "identExpr") return locals.has(exprKind.value.name);
  if (exprKind.case === "selectExpr")
    return exprKind.value.operand === undefined || mayBeOptional(exprKind.value.operand, locals);
  return exprKind.case === "callExpr" || exprKind.case === "comprehensionExpr";
}

/** Of a map literal: its keys and values in turn, and which entries are optional. */
function mapOf({ id, exprKind }: Expr): Expr {
  const entries = exprKind.case === "structExpr" ? exprKind.value.entries : [];
  const parts = entries.flatMap(({ keyKind, value }) => {
    assert(keyKind.case === "mapKey" && value !== undefined, "a map literal has keys and values");
    return [keyKind.value, value];
  });
  const marks = entries.map(({ optionalEntry }) => (optionalEntry ? "?" : ":")).join("");
  return call(id, "@map", list(id, parts), text(id, marks));
}

function meterLoop(comprehension: Comprehension): void {
  const { iterRange, accuInit, loopCondition, loopStep } = comprehension;
  assert(iterRange && accuInit && loopCondition && loopStep, "a parsed loop is complete");
  const { id } = iterRange;
  const nodesPerElement = loopParts(comprehension).reduce((sum, part) => sum + nodeCount(part), 0);
  comprehension.iterRange = call(id, "@range", iterRange, int(id, BigInt(nodesPerElement)));
  comprehension.loopCondition = call(loopCondition.id, "_&&_", call(loopCondition.id, "@within"), loopCondition);
  if (accuInit.exprKind.case === "listExpr") {
    comprehension.accuInit = call(accuInit.id, "@collect");
    collectByAppending(loopStep);
  }
  if (calls(accuInit, "@map")) comprehension.accuInit = call(accuInit.id, "@collectMap");
  if (comprehension.iterVar2 !== "") joinVariables(comprehension, loopStep);
}

/** `@result + [element]`, or with a condition: `condition ? @result + [element] : @result`. */
function collectByAppending(loopStep: Expr): void {
  const step = calls(loopStep, "_?_:_") ? loopStep.exprKind.value.args[1] : loopStep;
  assert(step && calls(step, "_+_"), "a list is collected by adding to it");
  const [collected, added] = step.exprKind.value.args;
  assert(collected && added?.exprKind.case === "listExpr", "a list is collected element by element");
  step.exprKind.value.function = "@append";
  step.exprKind.value.args = [collected, ...added.exprKind.value.elements];
}

/** The library knows loops with one variable: it becomes the pair of both. */
function joinVariables(comprehension: Comprehension, { id, ...step }: Expr): void {
  const { iterRange, iterVar, iterVar2 } = comprehension;
  assert(iterRange, "a parsed loop is complete");
  const half = (at: bigint) => call(id, "_[_]", ident(id, "@pair"), int(id, at));
  comprehension.iterRange = call(id, "@pairs", iterRange);
  comprehension.iterVar = "@pair";
  comprehension.iterVar2 = "";
  comprehension.loopStep = bind(id, iterVar, half(0n), bind(id, iterVar2, half(1n), { id, ...step }));
}

type Call = Expr & { readonly exprKind: Extract<Expr["exprKind"], { case: "callExpr" }> };

function calls(expr: Expr, name: string): expr is Call {
  return expr.exprKind.case === "callExpr" && expr.exprKind.value.function === name;
}
