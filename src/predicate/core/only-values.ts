import { meantName, type Problem } from "./enum-names.ts";
import { type Expr, qualifiedName } from "./expr.ts";
import type { Scalar } from "./typing/type.ts";

/** What is known of a part of an expression: the only values that it has, and the literals whose value it can have. */
type Known = {
  readonly valuesOf: (expr: Expr) => readonly Scalar[] | undefined;
  readonly literalsOf: (expr: Expr) => readonly Expr[];
};

/**
 * Where what has only some values is compared with literals: which one is none of these. It would never be equal, and nobody would be told.
 * `left` is compared with each of the others.
 */
export function neverProblem(left: Expr, others: readonly Expr[], { valuesOf, literalsOf }: Known): Problem | undefined {
  // One of each type: many of many would take long.
  const ofEach = new Map(others.map((other) => [valuesOf(other), other]));
  const problems = [
    ...others.flatMap(literalsOf).map((literal) => neverOf(left, literal, valuesOf(left))),
    ...literalsOf(left).flatMap((literal) => [...ofEach].map(([values, other]) => neverOf(other, literal, values))),
  ];
  return problems.find((problem) => problem !== undefined);
}

function neverOf(field: Expr, literal: Expr, values: readonly Scalar[] | undefined): Problem | undefined {
  const value = scalarOf(literal);
  if (values === undefined || value === undefined || values.includes(value)) return undefined;
  const names = values.filter((each) => typeof each === "string");
  return {
    expr: literal,
    message: `${qualifiedName(field) ?? "this"} is never ${JSON.stringify(value)}`,
    hint: () =>
      meantName(
        String(value),
        names,
        values.map((each) => JSON.stringify(each)),
      ),
  };
}

/** Of a literal, as JSON has it. Where an int is no double, the nearest one is taken: what may be equal is not refused. */
function scalarOf({ exprKind }: Expr): Scalar | undefined {
  const value = exprKind.case === "constExpr" ? exprKind.value.constantKind : undefined;
  if (value?.case === "nullValue") return null;
  if (value === undefined || value.case === "bytesValue") return undefined;
  return typeof value.value === "bigint" ? Number(value.value) : (value.value as Scalar);
}
