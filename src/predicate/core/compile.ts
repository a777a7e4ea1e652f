import { plan } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { firstCharacters, printable } from "../../kernel/text.ts";
import { check, regexCost, type Variables } from "./check.ts";
import { withoutConstants } from "./constants.ts";
import type { Problem } from "./enum-names.ts";
import { meteredEnv } from "./environment.ts";
import type { Bindings, Expression } from "./evaluate.ts";
import { depth, type Expr, nodeCount } from "./expr.ts";
import { bareFacts } from "./facts.ts";
import { diagnosticLengthMax, expressionDepthMax, expressionLengthMax, problemCountMax, regexCostMax } from "./limits.ts";
import { lower } from "./lower.ts";
import { parse, type Span } from "./parse.ts";
import { type Position, positionAt } from "./position.ts";
import { snippetAt } from "./snippet.ts";
import { aType, fits, type Type, types } from "./typing/type.ts";

export type { Variables };

/** What an expression is for: a condition, or a text to show. */
export type ResultType = "bool" | "string";

/** `snippet`: the line of the source, and one beneath it with a caret. */
export type Diagnostic = Position & { readonly message: string; readonly snippet: string };

/** The first problem, and those that were found besides. */
export type CompileError = Diagnostic & { readonly others: readonly Diagnostic[] };

export function describeCompileError({ line, column, message }: Diagnostic): string {
  return `line ${line}, column ${column}: ${message}`;
}

/** The same with the source: lines for a terminal. */
export const explainCompileError = (error: Diagnostic): string => `${describeCompileError(error)}\n${error.snippet}`;

/**
 * Finds what can be known without data: syntax, unknown names, types, constants without a value, size, and a result that is never `wanted`,
 * if that is said.
 */
export function compile(
  source: string,
  variables: Variables,
  wanted?: ResultType,
  spans?: Map<Expr, Span>,
): Result<Expression, CompileError> {
  const diagnostic = (offset: number, message: string): Diagnostic => ({
    ...positionAt(source, offset),
    message: firstCharacters(printable(message), diagnosticLengthMax),
    snippet: snippetAt(source, offset),
  });
  const failAt = (offset: number, message: string) => err({ ...diagnostic(offset, message), others: [] });
  const { length: allowed } = firstCharacters(source, expressionLengthMax);
  if (allowed < source.length) return failAt(allowed, `longer than ${expressionLengthMax} characters`);
  const parsed = parse(source, spans);
  if (!parsed.ok) return failAt(parsed.error.offset, parsed.error.message);

  const { expr, offsetOf } = parsed.value;
  const compiled = checked(expr, variables, wanted);
  if (!compiled.ok) {
    // What a macro makes of an operand may be wrong more than once.
    const distinct = new Map(compiled.error.map((problem) => [`${problem.expr.id} ${problem.message}`, problem]));
    const [first, ...others] = [...distinct.values()]
      .sort((a, b) => offsetOf(a.expr.id) - offsetOf(b.expr.id))
      .slice(0, problemCountMax)
      .map((problem) => diagnostic(offsetOf(problem.expr.id), `${problem.message}${problem.hint?.() ?? ""}`));
    assert(first !== undefined, "what does not compile has a problem");
    return err({ ...first, others });
  }
  const run: (bindings: Bindings) => unknown = plan(meteredEnv, expr);
  return ok({ ...compiled.value, run, expr, positionOf: (id) => (id > 0n ? positionAt(source, offsetOf(id)) : undefined) });
}

/** Lowers it in place, if nothing is wrong. */
function checked(
  expr: Expr,
  variables: Variables,
  wanted: ResultType | undefined,
): Result<Pick<Expression, "baseCost" | "type" | "said">, readonly Problem[]> {
  const size = sizeProblem(expr);
  if (size !== undefined) return err([size]);
  const { problems, isPlannable, constants, purse, typeOf, said } = check(expr, variables);
  const bare = Object.hasOwn(variables, "facts") ? bareFacts(expr) : undefined;
  if (bare !== undefined) return err([{ expr: bare, message: "facts are read one by one, by name: facts.<name>" }]);
  if (!isPlannable) return err(problems);
  const result = wanted === undefined || problems.length > 0 ? undefined : resultProblem(expr, wanted, typeOf);
  const baseCost = nodeCount(expr);
  const type = typeOf(expr);
  lower(expr);
  const left = [...withoutConstants(problems, constants, purse), ...(result === undefined ? [] : [result])];
  return left.length === 0 ? ok({ baseCost, type, said }) : err(left);
}

function sizeProblem(expr: Expr): Problem | undefined {
  if (depth(expr) > expressionDepthMax) return { expr, message: `nested deeper than ${expressionDepthMax} levels` };
  const cost = regexCost(expr);
  if (cost <= regexCostMax) return undefined;
  return { expr, message: `its regular expressions cost ${cost} units to compile; at most ${regexCostMax} are allowed` };
}

function resultProblem(expr: Expr, wanted: ResultType, typeOf: (expr: Expr) => Type): Problem | undefined {
  const mayBe = ({ exprKind }: Expr, type: Type): boolean =>
    exprKind.case === "callExpr" && exprKind.value.function === "_?_:_"
      ? exprKind.value.args.slice(1).some((branch) => mayBe(branch, typeOf(branch)))
      : fits(type, types[wanted]);
  const type = typeOf(expr);
  if (mayBe(expr, type)) return undefined;
  const hint = wanted === "string" ? "; write string(…)" : "";
  return { expr, message: `the result is never a ${wanted} but ${aType(type)}${hint}` };
}
