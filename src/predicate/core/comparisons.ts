import { isMessage } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { assert } from "../../kernel/assert.ts";
import { type Expr, literalText, qualifiedName } from "./expr.ts";
import { literalTime } from "./literal-time.ts";

/** A field of a variable, compared with literals. The whole expression is true only if this is. */
export type Comparison = {
  /** `workflow.state` */
  readonly field: string;
  readonly operator: "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "startsWith";
  /** One, except of `in`. */
  readonly literals: readonly Literal[];
};

export type Literal =
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  /** In milliseconds, with a fraction. */
  | { readonly type: "time"; readonly value: number };

/** What an expression that is checked says of fields for themselves. Of what else it says, nothing: these only narrow down. */
export function comparisonsOf(expr: Expr): readonly Comparison[] {
  const conditions = joinedBy("_&&_", expr);
  if (conditions.length > 1) return conditions.flatMap(comparisonsOf);
  return [choiceOf(expr) ?? comparisonOf(expr)].filter((each) => each !== undefined);
}

/** True if what it says of fields for themselves is all that it says. */
export const saysOnly = (expr: Expr, comparisons: readonly Comparison[]): boolean =>
  joinedBy("_&&_", expr).length === comparisons.length;

/** `a && b && c`, however it is nested. */
const joinedBy = (operator: string, expr: Expr): readonly Expr[] =>
  expr.exprKind.case === "callExpr" && expr.exprKind.value.function === operator
    ? expr.exprKind.value.args.flatMap((part) => joinedBy(operator, part))
    : [expr];

/** `x == 1 || x == 2` is `x in [1, 2]`. */
function choiceOf(expr: Expr): Comparison | undefined {
  const choices = joinedBy("_||_", expr).map(comparisonOf);
  const [first] = choices;
  if (first === undefined || choices.length === 1) return undefined;
  const isChoice = choices.every((each) => each?.field === first.field && (each.operator === "==" || each.operator === "in"));
  return isChoice ? { ...first, operator: "in", literals: choices.flatMap((each) => each?.literals ?? []) } : undefined;
}

const operators: Readonly<Record<string, Comparison["operator"]>> = {
  "_==_": "==",
  "_!=_": "!=",
  "_<_": "<",
  "_<=_": "<=",
  "_>_": ">",
  "_>=_": ">=",
};

const turned: Readonly<Partial<Record<Comparison["operator"], Comparison["operator"]>>> = {
  "==": "==",
  "!=": "!=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

function comparisonOf(expr: Expr): Comparison | undefined {
  const isTrue: Comparison["literals"] = [{ type: "bool", value: true }];
  if (expr.exprKind.case !== "callExpr") return compared(expr, "==", isTrue);
  const { function: name, target, args } = expr.exprKind.value;
  const [left, right] = args;
  if (left === undefined) return undefined;
  if (name === "startsWith" && target !== undefined) return compared(target, "startsWith", literalsOf([left]));
  if (right === undefined) return undefined;
  if (name === "_[_]") return compared(expr, "==", isTrue);
  if (name === "@in") return inList(left, right);
  const operator = operators[name];
  if (operator === undefined) return undefined;
  return compared(left, operator, literalsOf([right])) ?? compared(right, turned[operator], literalsOf([left]));
}

function inList(left: Expr, { exprKind }: Expr): Comparison | undefined {
  if (exprKind.case !== "listExpr") return undefined;
  const { elements } = exprKind.value;
  const [only] = elements;
  // `"x" in [field]`
  const turnedRound = only !== undefined && elements.length === 1 ? compared(only, "==", literalsOf([left])) : undefined;
  return turnedRound ?? compared(left, "in", literalsOf(elements));
}

function compared(
  expr: Expr,
  operator: Comparison["operator"] | undefined,
  literals: readonly Literal[] | undefined,
): Comparison | undefined {
  const field = fieldName(expr);
  return field === undefined || operator === undefined || literals === undefined ? undefined : { field, operator, literals };
}

/** `a.b`, also of `a["b"]`; of a variable alone, nothing. */
function fieldName(expr: Expr): string | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "selectExpr") return qualifiedName(expr);
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "_[_]") return undefined;
  const [record, key] = exprKind.value.args;
  const name = key && literalText(key);
  const field = record && (fieldName(record) ?? qualifiedName(record));
  return field === undefined || name === undefined || !/^[A-Za-z_]\w*$/.test(name) ? undefined : `${field}.${name}`;
}

/** Nothing, if one of them is no literal of these types. */
function literalsOf(exprs: readonly Expr[]): readonly Literal[] | undefined {
  const literals = exprs.flatMap((expr) => literalOf(expr) ?? []);
  return literals.length === exprs.length ? literals : undefined;
}

function literalOf(expr: Expr): Literal | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "callExpr") return timeOf(expr);
  if (exprKind.case !== "constExpr") return undefined;
  const { constantKind } = exprKind.value;
  switch (constantKind.case) {
    case "stringValue":
      return { type: "text", value: constantKind.value };
    case "boolValue":
      return { type: "bool", value: constantKind.value };
    case "int64Value":
    case "uint64Value":
    case "doubleValue":
      return numberOf(Number(constantKind.value));
    default:
      return undefined;
  }
}

/** Beyond these, numbers of different types are not compared exactly. */
const numberOf = (value: number): Literal | undefined =>
  Math.abs(value) <= Number.MAX_SAFE_INTEGER ? { type: "number", value } : undefined;

/** `timestamp("2026-01-31T09:30:00Z")` */
function timeOf(expr: Expr): Literal | undefined {
  if (expr.exprKind.case !== "callExpr" || expr.exprKind.value.function !== "timestamp") return undefined;
  const [text] = expr.exprKind.value.args;
  if (text === undefined || literalText(text) === undefined) return undefined;
  const time = literalTime(expr);
  assert(isMessage(time, TimestampSchema), "a literal time was read when the expression was checked");
  const { seconds, nanos } = time;
  return { type: "time", value: Number(seconds) * 1000 + nanos / 1e6 };
}
