import { plan } from "@bufbuild/cel";
import { err, ok, type Result } from "../../kernel/result.ts";
import { firstCharacters } from "../../kernel/text.ts";
import { problemOf, regexCost, type Scope, type Variables } from "./check.ts";
import type { Problem } from "./enum-names.ts";
import { meteredEnv } from "./environment.ts";
import type { Bindings, Expression } from "./evaluate.ts";
import { depth, type Expr, nodeCount } from "./expr.ts";
import { expressionDepthMax, expressionLengthMax, regexCostMax } from "./limits.ts";
import { lower } from "./lower.ts";
import { parse, type Span } from "./parse.ts";
import { type Position, positionAt } from "./position.ts";
import { mayBe, type ResultType } from "./result-type.ts";

export type { Variables };

export type CompileError = Position & { readonly message: string };

export function describeCompileError({ line, column, message }: CompileError): string {
  return `line ${line}, column ${column}: ${message}`;
}

/**
 * Finds what can be known without data: syntax, unknown names, arguments, size, and a result that is never `wanted`, if that
 * is said. Other types are known only when it is evaluated.
 */
export function compile(
  source: string,
  variables: Variables,
  wanted?: ResultType,
  spans?: Map<Expr, Span>,
): Result<Expression, CompileError> {
  const failAt = (offset: number, message: string) => err({ ...positionAt(source, offset), message });
  const { length: allowed } = firstCharacters(source, expressionLengthMax);
  if (allowed < source.length) return failAt(allowed, `longer than ${expressionLengthMax} characters`);
  const parsed = parse(source, spans);
  if (!parsed.ok) return failAt(parsed.error.offset, parsed.error.message);

  const { expr, offsetOf } = parsed.value;
  const scope: Scope = { variables, locals: new Map() };
  const problem = sizeProblem(expr) ?? problemOf(expr, scope) ?? (wanted && resultProblem(expr, wanted, scope));
  if (problem !== undefined) return failAt(offsetOf(problem.expr.id), problem.message);

  const baseCost = nodeCount(expr);
  lower(expr);
  const run: (bindings: Bindings) => unknown = plan(meteredEnv, expr);
  return ok({ run, baseCost, expr, positionOf: (id) => (id > 0n ? positionAt(source, offsetOf(id)) : undefined) });
}

function sizeProblem(expr: Expr): Problem | undefined {
  if (depth(expr) > expressionDepthMax) return { expr, message: `nested deeper than ${expressionDepthMax} levels` };
  const cost = regexCost(expr);
  if (cost <= regexCostMax) return undefined;
  return { expr, message: `its regular expressions cost ${cost} units to compile; at most ${regexCostMax} are allowed` };
}

function resultProblem(expr: Expr, wanted: ResultType, scope: Scope): Problem | undefined {
  return mayBe(wanted, expr, scope) ? undefined : { expr, message: `the result is never a ${wanted}` };
}
