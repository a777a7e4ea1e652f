import { type CelInput, type CelValue, celType, isCelError } from "@bufbuild/cel";
import { err, ok, type Result } from "../../kernel/result.ts";
import { overBudget, withinBudget } from "./budget.ts";
import { evaluationCostMax } from "./limits.ts";
import type { Position } from "./syntax.ts";

/** The values of the variables. A getter is read only if the expression uses it. */
export type Bindings = Readonly<Record<string, CelInput>>;

/** A compiled expression: parsed, checked and planned once, evaluated often. */
export type Expression = {
  /** For `evaluateBool` and `evaluateString`, which bound it. */
  readonly run: (bindings: Bindings) => unknown;
  /** Where a node of the expression stands in its source. */
  readonly positionOf: (nodeId: bigint) => Position | undefined;
};

/** The error says what went wrong, and where if that is known. */
export function evaluateBool(
  expression: Expression,
  bindings: Bindings,
  costMax: number = evaluationCostMax,
): Result<boolean, string> {
  const value = evaluate(expression, bindings, costMax);
  if (!value.ok || typeof value.value === "boolean") return value as Result<boolean, string>;
  return err(`the result is not a bool but ${celType(value.value).name}`);
}

export function evaluateString(expression: Expression, bindings: Bindings): Result<string, string> {
  const value = evaluate(expression, bindings, evaluationCostMax);
  if (!value.ok || typeof value.value === "string") return value as Result<string, string>;
  return err(`the result is not a string but ${celType(value.value).name}`);
}

function evaluate({ run, positionOf }: Expression, bindings: Bindings, costMax: number): Result<CelValue, string> {
  const value = withinBudget(costMax, () => run(bindings));
  if (value === undefined) return err(overBudget);
  if (!isCelError(value)) return ok(value as CelValue);
  // The library does not know the length there.
  const message = value.message.replace(" [0, -1)", "");
  const position = value.exprId === undefined ? undefined : positionOf(value.exprId);
  return err(position === undefined ? message : `line ${position.line}, column ${position.column}: ${message}`);
}
