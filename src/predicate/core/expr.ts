import type { parse } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";

/** A node of a parsed expression: `cel.expr.Expr` of the CEL specification. */
export type Expr = ReturnType<typeof parse>["expr"];

export type Comprehension = Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"];

/** The direct parts of a node. */
export function children(expr: Expr): readonly Expr[] {
  return parts(expr).filter((part) => part !== undefined);
}

function parts({ exprKind }: Expr): readonly (Expr | undefined)[] {
  switch (exprKind.case) {
    case "selectExpr":
      return [exprKind.value.operand];
    case "callExpr":
      return [exprKind.value.target, ...exprKind.value.args];
    case "listExpr":
      return exprKind.value.elements;
    case "structExpr":
      return exprKind.value.entries.flatMap(({ keyKind, value }) => [
        keyKind.case === "mapKey" ? keyKind.value : undefined,
        value,
      ]);
    case "comprehensionExpr":
      return [exprKind.value.iterRange, exprKind.value.accuInit, ...loopParts(exprKind.value)];
    default:
      return [];
  }
}

/** What a comprehension evaluates for each element, and at its end. */
export function loopParts({ loopCondition, loopStep, result }: Comprehension): readonly Expr[] {
  assert(loopCondition && loopStep && result, "a parsed loop is complete");
  return [loopCondition, loopStep, result];
}

export function depth(expr: Expr): number {
  return 1 + Math.max(0, ...children(expr).map(depth));
}

/** `a.b.c` for a chain of selections that starts with an identifier. */
export function qualifiedName({ exprKind }: Expr): string | undefined {
  if (exprKind.case === "identExpr") return exprKind.value.name.replace(/^\./, "");
  if (exprKind.case !== "selectExpr" || exprKind.value.operand === undefined || exprKind.value.testOnly) return undefined;
  const operand = qualifiedName(exprKind.value.operand);
  return operand === undefined ? undefined : `${operand}.${exprKind.value.field}`;
}

/** The text of a string literal. */
export function literalText({ exprKind }: Expr): string | undefined {
  const constantKind = exprKind.case === "constExpr" ? exprKind.value.constantKind : undefined;
  return constantKind?.case === "stringValue" ? constantKind.value : undefined;
}

/** The pattern of a call of `matches`, if it stands in the expression. */
export function literalPattern({ exprKind }: Expr): string | undefined {
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "matches") return undefined;
  const { target, args } = exprKind.value;
  const pattern = args[target === undefined ? 1 : 0];
  return pattern && literalText(pattern);
}

/** How often a variable is named. */
export function uses(expr: Expr, name: string): number {
  const own = expr.exprKind.case === "identExpr" && expr.exprKind.value.name === name ? 1 : 0;
  return children(expr).reduce((sum, child) => sum + uses(child, name), own);
}

/** The element variable of what only gives a value a name. No expression can name it. */
export const unusedVariable = "#unused";

export const isBind = ({ iterVar }: Comprehension): boolean => iterVar === unusedVariable;

/** What is evaluated at most once; loops pay for what is within them. */
export function nodeCount(expr: Expr): number {
  const { exprKind } = expr;
  const once =
    exprKind.case === "comprehensionExpr"
      ? [exprKind.value.accuInit, isBind(exprKind.value) ? exprKind.value.result : exprKind.value.iterRange]
      : children(expr);
  return once.filter((part) => part !== undefined).reduce((sum, part) => sum + nodeCount(part), 1);
}
