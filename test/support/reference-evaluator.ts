import type { Expr } from "../../src/predicate/core/expr.ts";
import { call } from "./reference-evaluator-functions.ts";
import {
  bool,
  type Entry,
  equal,
  failure,
  int,
  LeftOpen,
  lookUp,
  type Outcome,
  string,
  uint,
  type Value,
} from "./reference-evaluator-values.ts";

/** The values of the names. What a loop has collected so far may be a failure. */
export type Scope = ReadonlyMap<string, Outcome>;

/**
 * CEL as its specification reads (https://github.com/google/cel-spec/blob/master/doc/langdef.md), for a subset, written for clarity: what
 * rules are judged with is compared with it. It walks the tree of the expression and shares nothing with src/predicate but the parser.
 */
export function referenceValue(expr: Expr, scope: Scope): Outcome {
  const { exprKind } = expr;
  const valueIn = (part: Expr | undefined): Outcome =>
    part === undefined ? failure("nothing there") : referenceValue(part, scope);
  switch (exprKind.case) {
    case "constExpr":
      return constant(exprKind.value.constantKind);
    case "identExpr":
      return scope.get(exprKind.value.name) ?? failure(`no ${exprKind.value.name}`);
    case "selectExpr": {
      const { operand, field, testOnly } = exprKind.value;
      const map = valueIn(operand);
      if (map.type === "failure") return map;
      if (map.type !== "map") return failure(`${map.type} has no fields`);
      const value = lookUp(map.value, string(field));
      return testOnly ? bool(value !== undefined) : (value ?? failure(`no ${field}`));
    }
    case "listExpr":
      return strict(exprKind.value.elements.map(valueIn), (value) => ({ type: "list", value }));
    case "structExpr": {
      const { entries } = exprKind.value;
      const keys = entries.map(({ keyKind }) => valueIn(keyKind.case === "mapKey" ? keyKind.value : undefined));
      const values = entries.map(({ value }) => valueIn(value));
      return strict([...keys, ...values], (all) => mapOf(all.slice(0, keys.length), all.slice(keys.length)));
    }
    case "callExpr": {
      const { function: name, target, args } = exprKind.value;
      const parts = target === undefined ? args : [target, ...args];
      return logic(name, parts, valueIn) ?? strict(parts.map(valueIn), (values) => call(name, target !== undefined, values));
    }
    case "comprehensionExpr":
      return loop(exprKind.value, scope);
    default:
      return failure("no expression");
  }
}

/** Without all of the values there is no result. */
function strict(outcomes: readonly Outcome[], then: (values: readonly Value[]) => Outcome): Outcome {
  const values: Value[] = [];
  for (const outcome of outcomes) {
    if (outcome.type === "failure") return outcome;
    values.push(outcome);
  }
  return then(values);
}

type Kind<Case extends string> = Extract<Expr["exprKind"], { case: Case }>["value"];

function constant(kind: Kind<"constExpr">["constantKind"]): Outcome {
  switch (kind.case) {
    case "nullValue":
      return { type: "null" };
    case "boolValue":
      return bool(kind.value);
    case "int64Value":
      return int(kind.value);
    case "uint64Value":
      return uint(kind.value);
    case "doubleValue":
      return { type: "double", value: kind.value };
    case "stringValue":
      return string(kind.value);
    default:
      return failure(`no constant here: ${kind.case}`);
  }
}

const keyTypes = ["bool", "int", "uint", "string"];

function mapOf(keys: readonly Value[], values: readonly Value[]): Outcome {
  const entries: Entry[] = [];
  for (const [at, key] of keys.entries()) {
    if (key.type === "double") throw new LeftOpen("a double as key");
    if (!keyTypes.includes(key.type)) return failure(`${key.type} is no key`);
    if (entries.some(([other]) => equal(other, key))) return failure("a key twice");
    entries.push([key, values[at] as Value]);
  }
  return { type: "map", value: entries };
}

/** What need not look at all of its parts. One false side decides `&&`, whatever the other is, also if it fails. */
function logic(name: string, parts: readonly Expr[], valueIn: (part: Expr | undefined) => Outcome): Outcome | undefined {
  switch (name) {
    case "_&&_":
    case "_||_": {
      const decisive = name === "_||_";
      const sides = parts.map(valueIn);
      if (sides.some((side) => side.type === "bool" && side.value === decisive)) return bool(decisive);
      return sides.every(({ type }) => type === "bool") ? bool(!decisive) : failure(`${name} of no bool`);
    }
    case "_?_:_": {
      const condition = valueIn(parts[0]);
      if (condition.type !== "bool") return failure("the condition is no bool");
      return valueIn(parts[condition.value ? 1 : 2]);
    }
    case "@not_strictly_false": {
      const value = valueIn(parts[0]);
      return bool(value.type !== "bool" || value.value);
    }
    default:
      return undefined;
  }
}

/** Goes on after a failure: what was collected may come to a value yet, as `exists` does with the first element that meets it. */
function loop(
  { iterRange, iterVar, accuVar, accuInit, loopCondition, loopStep, result }: Kind<"comprehensionExpr">,
  scope: Scope,
): Outcome {
  if (!iterRange || !accuInit || !loopCondition || !loopStep || !result) return failure("no loop");
  const range = referenceValue(iterRange, scope);
  if (range.type === "failure") return range;
  if (range.type !== "list" && range.type !== "map") return failure(`${range.type} has no elements`);
  const elements = range.type === "list" ? range.value : range.value.map(([key]) => key);
  let collected = referenceValue(accuInit, scope);
  for (const element of elements) {
    const inner = new Map([...scope, [accuVar, collected], [iterVar, element]]);
    const goesOn = referenceValue(loopCondition, inner);
    if (goesOn.type === "bool" && !goesOn.value) break;
    collected = referenceValue(loopStep, inner);
  }
  return referenceValue(result, new Map([...scope, [accuVar, collected]]));
}
