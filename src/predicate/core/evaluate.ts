import { type CelInput, type CelValue, celType, isCelError } from "@bufbuild/cel";
import { err, ok, type Result } from "../../kernel/result.ts";
import { type Exhausted, type Purse, placeOfExhaustion, withinBudget } from "./budget.ts";
import type { Expr } from "./expr.ts";
import { hintFor, type SaidTypes } from "./hints.ts";
import { evaluationCostMax } from "./limits.ts";
import type { Position } from "./position.ts";
import type { Type } from "./typing/type.ts";

/** The values of the variables. A getter is read only if the expression uses it. */
export type Bindings = Readonly<Record<string, CelInput>>;

/** A compiled expression: parsed, checked and planned once, evaluated often. */
export type Expression = {
  /** For `evaluateBool` and `evaluateString`, which bound it. */
  readonly run: (bindings: Bindings) => unknown;
  /** Of its nodes outside of loops, each evaluated once. */
  readonly baseCost: number;
  readonly expr: Expr;
  /** Of its result. */
  readonly type: Type;
  readonly said: SaidTypes;
  /** Where a node of the expression stands in its source. */
  readonly positionOf: (nodeId: bigint) => Position | undefined;
};

const exhaustedMessages: Readonly<Record<Exhausted, string>> = {
  expression: `costs more than ${evaluationCostMax} units: it looks at too much data, or too often`,
  purse: "costs more units than were left",
  stopped: "was stopped",
};

/** The error says what went wrong, and where if that is known. What it costs is taken from the purse, at most `evaluationCostMax`. */
export function evaluateBool(
  expression: Expression,
  bindings: Bindings,
  purse: Purse = { left: evaluationCostMax },
): Result<boolean, string> {
  const value = evaluate(expression, bindings, purse);
  if (!value.ok || typeof value.value === "boolean") return value as Result<boolean, string>;
  return err(notOfType("bool", value.value, expression));
}

export function evaluateString(
  expression: Expression,
  bindings: Bindings,
  purse: Purse = { left: evaluationCostMax },
): Result<string, string> {
  const value = evaluate(expression, bindings, purse);
  if (!value.ok || typeof value.value === "string") return value as Result<string, string>;
  return err(notOfType("string", value.value, expression));
}

function notOfType(wanted: string, value: CelValue, { expr, positionOf }: Expression): string {
  return placed(positionOf(expr.id), `the result is not a ${wanted} but ${celType(value).name}`);
}

/** See `evaluateBool`: of whatever type. */
export function evaluate(expression: Expression, bindings: Bindings, purse: Purse): Result<CelValue, string> {
  const ended = withinBudget(purse, expression.baseCost, () => evaluateWithin(expression, bindings));
  return ended.ok ? ended.value : err(describeExhaustion(ended.error, expression));
}

/** See `evaluate`: within the budget of an evaluation under way. */
export function evaluateWithin(expression: Expression, bindings: Bindings): Result<CelValue, string> {
  const value = expression.run(bindings);
  return isCelError(value) ? err(describeFailure(value, expression)) : ok(value as CelValue);
}

/** The purse and who waits are of the caller; the place is that of the part which was too dear for the expression itself. */
function describeExhaustion(exhausted: Exhausted, { positionOf }: Expression): string {
  const place = exhausted === "expression" ? placeOfExhaustion() : undefined;
  return placed(place === undefined ? undefined : positionOf(place), exhaustedMessages[exhausted]);
}

/** What went wrong, where, and what to write instead if that is known. */
export function describeFailure(
  failure: Failure,
  { expr, positionOf, said }: Pick<Expression, "expr" | "positionOf" | "said">,
): string {
  return placed(positionOf(failure.exprId ?? expr.id), failureText(expr, failure, said));
}

type Failure = { readonly message: string; readonly exprId: bigint | undefined };

/** The same without the place. */
export function failureText(expr: Expr, { message, exprId = expr.id }: Failure, said: SaidTypes): string {
  const words = wordsOf(message);
  return `${words}${hintFor(expr, exprId, words, said)}`;
}

function placed(position: Position | undefined, message: string): string {
  return position === undefined ? message : `line ${position.line}, column ${position.column}: ${message}`;
}

/** The library does not know the length of a list there; and some functions are others when they are evaluated. */
function wordsOf(message: string): string {
  return message.replace(" [0, -1)", "").replace("'@matches'", "'matches'").replace("'@sortByKeys'", "'sortBy'");
}
